"""Where the activities go that a worker's instances schedule, by what is known now of the workers and of the room here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .job import Job, Runnable
from .routes import ActivityRoutes, Place, Serving
from .slots import ActivitySlots

if TYPE_CHECKING:
    from stead.entities.extending import Board
    from stead.transport import WorkerView


class Placing:
    """See the module."""

    def __init__(self, here: Serving, find: Callable[[str], Runnable | None], slots: ActivitySlots) -> None:
        self._here = here
        self._find = find
        self._slots = slots
        self._routes = ActivityRoutes(here)
        self._workers: list[WorkerView] | None = None  # those of which `_routes` was made
        self._promised = {True: 0, False: 0}  # routed to here and not granted yet, by `is_async`

    def route(self, name: str, queue: str, board: Board) -> Place:
        """Where an activity that is being scheduled goes: to this worker, to its queue, or (`"unknown"`) nowhere."""
        activity = self._find(name)
        routes = self.routes(board)
        if activity is None:
            return routes.place(name.lower(), queue, False)
        if activity.numbers is not None:  # what is limited over the hub has to pass the one place where that is seen
            return "shared"
        is_async = activity.is_async
        place = routes.place(activity.canonical, queue, self._slots.crowded(is_async, self._promised[is_async]))
        if place == "own":
            self._promised[is_async] += 1
        return place

    def routes(self, board: Board) -> ActivityRoutes:
        """Who could run what now."""
        if board.workers is not self._workers:
            self._workers = board.workers
            self._routes = ActivityRoutes.seen_by(board.name, self._here, board.workers)
            self.forget_promises()
        return self._routes

    def is_for_here(self, job: Job, board: Board) -> bool:
        """Whether an own task of an earlier owner may be run here as such."""
        activity = job.activity
        if activity is None or activity.numbers is not None:
            return False
        return self.routes(board).here(activity.canonical, job.queue)

    def granted(self, is_async: bool) -> None:
        """One that was routed to here has come."""
        if self._promised[is_async]:
            self._promised[is_async] -= 1

    def forget_promises(self) -> None:
        """Some may never be granted: a turn that failed, a tenure that ended."""
        self._promised = {True: 0, False: 0}
