"""The schedules of a hub, as programs make, see and change them. Whatever changes one waits until that is done."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol

from stead.entities import EntityClient, InvalidState, Registry
from stead.entities.extending import decode_record, stored_of
from stead.orchestrations._history.status import OrchestrationStatus
from stead.orchestrations._schedules.errors import ScheduleExists, UnknownSchedule
from stead.orchestrations._schedules.making import ScheduleMaker
from stead.orchestrations._schedules.schedule import SCHEDULES, Schedule, schedule_type
from stead.orchestrations._schedules.spec import Spec, check_schedule_name
from stead.orchestrations._schedules.status import ScheduleStatus, status_of
from stead.transport import UNREADABLE, SteadError, Store, partition_of

DECLARED = "schedules"
"""What a worker says in its heartbeats of the schedules that its code declares: their names."""


class Reads(Protocol):
    """How a client reads: again and again, if it has to."""

    async def __call__(self, request: Callable[[], Awaitable[Any]], /) -> Any: ...


Pages = Callable[[str], AsyncIterator[list[tuple[str, bytes]]]]
StatusOf = Callable[[str], Awaitable[OrchestrationStatus[Any] | None]]


class ScheduleList:
    """All schedules, by name: `async for schedule in client.schedules.list():`, or `await` it for a list."""

    def __init__(self, found: AsyncIterator[ScheduleStatus]) -> None:
        self._found = found

    def __aiter__(self) -> AsyncIterator[ScheduleStatus]:
        return self._found

    def __await__(self) -> Generator[Any, None, list[ScheduleStatus]]:
        return self._all().__await__()

    async def _all(self) -> list[ScheduleStatus]:
        return [schedule async for schedule in self._found]


class Schedules:
    """The schedules of a hub: `client.schedules`."""

    def __init__(
        self, client: EntityClient, store: Store, registry: Registry, read: Reads, pages: Pages, status: StatusOf
    ) -> None:
        self._client = client
        self._store = store
        self._registry = registry
        self._read = read
        self._pages = pages
        self._status = status

    @property
    def create(self) -> ScheduleMaker[Coroutine[Any, Any, None]]:
        """Make a schedule: `await client.schedules.create("nightly", cron="0 3 * * *").start_new(report, "all")`. Its options
        are those of `ScheduleMaker`. The same once more does nothing. Raises `ScheduleExists` for another one of that name.
        """
        return ScheduleMaker(self._registry, _not_yet, self.create_as)

    async def create_as(self, name: str, spec: Spec) -> None:
        """Make a schedule of what `create` has gathered."""
        if not await self._client.call_entity(Schedule.create, name, spec):
            raise ScheduleExists(name)

    async def get(self, name: str) -> ScheduleStatus | None:
        """A schedule as it is committed, with its next times and last runs; None if there is none of that name."""
        target = SCHEDULES + check_schedule_name(name)
        partition = partition_of(target, self._store.layout.partitions)
        [record] = await self._read(lambda: self._store.read_records(partition, [target]))
        with stored_of(f"schedule {name!r}"):
            state = None if record is None else _state_of(record)
        if state is None:
            return None
        return await self._shown(name, state, await self._declared())

    def list(self) -> ScheduleList:
        """All schedules, by name."""
        return ScheduleList(self._list())

    async def _list(self) -> AsyncIterator[ScheduleStatus]:
        declared = await self._declared()
        async for page in self._pages(SCHEDULES):
            for target, record in page:
                try:
                    state = _state_of(record)
                except (*UNREADABLE, SteadError) as error:
                    self._store.left_out.note("schedules", target, error)
                    continue
                self._store.left_out.readable("schedules", target)
                if state is not None:
                    yield await self._shown(target.removeprefix(SCHEDULES), state, declared)

    async def pause(self, name: str) -> None:
        """Run nothing until it is resumed. Raises `UnknownSchedule`."""
        if not await self._client.call_entity(Schedule.pause, check_schedule_name(name)):
            raise UnknownSchedule(name)

    async def resume(self, name: str) -> None:
        """Go on, and make up for what `catch_up` covers. Raises `UnknownSchedule`."""
        if not await self._client.call_entity(Schedule.resume, check_schedule_name(name)):
            raise UnknownSchedule(name)

    async def trigger(self, name: str) -> str | None:
        """Run it now, though it may be paused: gives the instance's ID. None for a signal, and if `overlap` says that it is left
        out. Raises `UnknownSchedule`."""
        given = await self._client.call_entity(Schedule.trigger, check_schedule_name(name))
        if not given:
            raise UnknownSchedule(name)
        return given[0]

    async def delete(self, name: str) -> bool:
        """Delete it; what it has started runs on. False if there was none. One that code declares comes back with the next
        worker that does so."""
        return await self._client.call_entity(Schedule.remove, check_schedule_name(name))

    async def _shown(self, name: str, state: Schedule, declared: frozenset[str] | None) -> ScheduleStatus:
        spec = state.spec
        assert spec is not None, "a schedule that exists has one"
        orphaned = bool(state.declared) and declared is not None and name not in declared
        status = status_of(name, state, spec, self._store.clock.now_ms(), orphaned=orphaned)
        runs = [
            dataclasses.replace(run, status=found.runtime_status)
            if run.instance_id in state.running and (found := await self._status(str(run.instance_id))) is not None
            else run
            for run in status.last_runs
        ]
        return dataclasses.replace(status, last_runs=runs)

    async def _declared(self) -> frozenset[str] | None:
        """What the workers that are there declare; None if there is none: nobody knows then."""
        workers = await self._read(self._store.workers)
        if not workers:
            return None
        names: set[str] = set()
        for worker in workers:
            names.update(map(str, worker.info.get(DECLARED) or ()))
        return frozenset(names)


def _not_yet(name: str) -> None:
    """Nothing is made before it is said what it does; a coroutine that nobody awaits is complained of by Python."""


def _state_of(record: bytes) -> Schedule | None:
    """A schedule of its record; None if there is none. Raises `InvalidState`."""
    packed = decode_record(record).packed_state
    if packed is None:
        return None
    state = schedule_type().read(packed)
    if not isinstance(state, Schedule) or state.spec is None:
        raise InvalidState("what is stored of a schedule is not one")
    return state
