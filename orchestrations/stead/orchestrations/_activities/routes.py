"""Where an activity goes, decided when it is scheduled: to the partition's owner, to a shared queue, or nowhere.

Own tasks are cheap: no command of the store beyond the turn's commit. Shared ones cost three, and can be run by any
worker that serves their queue. So a task is shared only where its owner may not or need not run it. It does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stead.entities.extending import names_in
from stead.transport import WorkerView

PREFIX = "activity/"  # of activities, among the names that workers publish

Place = Literal["own", "shared", "unknown"]


@dataclass(frozen=True, slots=True)
class Serving:
    """What one worker can run: the canonical names of its activities, and the queues whose tasks it takes."""

    names: frozenset[str]
    queues: frozenset[str]

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Serving:
        """What a worker said with its heartbeat. One that says nothing of queues takes no tasks."""
        try:
            kinds, queues = names_in(info.get("kinds")), names_in(info.get("queues"))
        except TypeError:  # another version's: membership has named it
            return cls(frozenset(), frozenset())
        return cls(frozenset(kind.removeprefix(PREFIX) for kind in kinds if kind.startswith(PREFIX)), queues)

    def runs(self, name: str, queue: str) -> bool:
        """Whether this worker would take that task, and could run it."""
        return queue in self.queues and name in self.names


class ActivityRoutes:
    """Who could run what, as of one look at the living workers."""

    def __init__(self, here: Serving, others: Iterable[Serving] = ()) -> None:
        self._here = here
        self._others = tuple(others)
        self._elsewhere: dict[tuple[str, str], bool] = {}

    @classmethod
    def seen_by(cls, worker: str, here: Serving, views: Iterable[WorkerView]) -> ActivityRoutes:
        """The routes of one worker among all that live, itself included or not."""
        return cls(here, (Serving.of(view.info) for view in views if view.worker != worker))

    def known(self, name: str) -> bool:
        """Whether any living worker has the activity."""
        return name in self._here.names or any(name in other.names for other in self._others)

    def here(self, name: str, queue: str) -> bool:
        """Whether this worker may run the task."""
        return self._here.runs(name, queue)

    def elsewhere(self, name: str, queue: str) -> bool:
        """Whether another living worker would run the task."""
        found = self._elsewhere.get((name, queue))
        if found is None:
            found = self._elsewhere[name, queue] = any(other.runs(name, queue) for other in self._others)
        return found

    def place(self, name: str, queue: str, crowded: bool) -> Place:
        """Where a task goes. `crowded`: so much waits here already that it would begin sooner elsewhere."""
        if self._here.runs(name, queue):
            return "shared" if crowded and self.elsewhere(name, queue) else "own"
        return "shared" if self.known(name) else "unknown"
