"""The schedules of a hub without `await`: the asynchronous client's methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from stead.orchestrations import ScheduleMaker

from .orchestrations import in_chunks
from .portal import Portal

if TYPE_CHECKING:
    from stead.app._hub.client import Client
    from stead.entities import Registry
    from stead.orchestrations import ScheduleStatus
    from stead.orchestrations._schedules.spec import Spec


class SyncSchedules:
    """The schedules of a hub: `client.schedules`."""

    def __init__(self, portal: Portal, seconds: float | None, registry: Registry) -> None:
        self._portal = portal
        self._seconds = seconds
        self._registry = registry

    @property
    def create(self) -> ScheduleMaker[None]:
        """Make a schedule: `client.schedules.create("nightly", cron="0 3 * * *").start_new(report, "all")`, as the asynchronous
        client does."""

        def finish(name: str, spec: Spec) -> None:
            self._portal.run(lambda client: client.schedules.create_as(name, spec), self._seconds)

        return ScheduleMaker(self._registry, lambda name: None, finish)

    def get(self, name: str) -> ScheduleStatus | None:
        """A schedule as it is committed, with its next times and last runs; None if there is none of that name."""
        return self._portal.run(lambda client: client.schedules.get(name), self._seconds)

    def list(self) -> Iterator[ScheduleStatus]:
        """All schedules, by name."""

        async def begin(client: Client) -> AsyncIterator[ScheduleStatus]:
            return aiter(client.schedules.list())

        yield from in_chunks(self._portal, self._portal.run(begin, self._seconds), self._seconds)

    def pause(self, name: str) -> None:
        """Run nothing until it is resumed. Raises `UnknownSchedule`."""
        self._portal.run(lambda client: client.schedules.pause(name), self._seconds)

    def resume(self, name: str) -> None:
        """Go on, and make up for what `catch_up` covers. Raises `UnknownSchedule`."""
        self._portal.run(lambda client: client.schedules.resume(name), self._seconds)

    def trigger(self, name: str) -> str | None:
        """Run it now, though it may be paused: gives the instance's ID, if there is one. Raises `UnknownSchedule`."""
        return self._portal.run(lambda client: client.schedules.trigger(name), self._seconds)

    def delete(self, name: str) -> bool:
        """Delete it; what it has started runs on. False if there was none."""
        return self._portal.run(lambda client: client.schedules.delete(name), self._seconds)
