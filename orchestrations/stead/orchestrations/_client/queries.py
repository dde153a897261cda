"""What a client reads of instances: one, its history, or all that match. Reads never wait for the instance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stead.entities import InvalidState, OperationFailed
from stead.entities.extending import Failure, LockedEnvelope, Message, decode_message, instant_in_ms, stored_of
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._history.event_codec import decode_event
from stead.orchestrations._history.events import Event, ExecutionStarted
from stead.orchestrations._history.ids import first_execution_id
from stead.orchestrations._history.messages import StartMessage, decode_start
from stead.orchestrations._history.record import (
    FINISHED,
    InstanceRecord,
    RuntimeStatus,
    decode_instance_record,
    status_in,
)
from stead.orchestrations._history.status import OrchestrationStatus, status_of, status_of_start
from stead.transport import (
    UNREADABLE,
    InstanceView,
    InvalidInput,
    KeyDamaged,
    PayloadLocked,
    Reuse,
    SteadError,
    Store,
    get_logger,
    partition_of,
)

_log = get_logger("stead.client")

HISTORY_PAGE_LENGTH = 1_000  # events that are asked for at a time
SNAPSHOT_TRIES = 5  # how often a history is read anew because the instance began another one meanwhile


@dataclass(frozen=True, slots=True)
class Look:
    """What the store has of an instance at one moment: its record, or the start that was accepted and not carried out.

    `events`: the first of its history, as many as were asked for.
    """

    instance_id: str
    record: InstanceRecord | None
    start: StartMessage | None
    events: Sequence[Event] = ()
    begins: str | None = None  # the execution that the start will begin
    blocked: str | None = None  # why its messages wait

    @property
    def known(self) -> InstanceRecord | StartMessage:
        """The one that is there: both say name, version, tags and when it was created."""
        known = self.start if self.record is None else self.record
        assert known is not None, "one of the two is there"
        return known

    @property
    def status(self) -> RuntimeStatus:
        return RuntimeStatus.PENDING if self.record is None else self.record.status

    @property
    def finished(self) -> bool:
        return self.record is not None and self.record.finished

    @property
    def input(self) -> Any:
        """The instance's input, if its first event was read or its start waits."""
        return input_of(self.events) if self.start is None else self.start.input


def input_of(events: Sequence[Event]) -> Any:
    """The input of an execution, from the first event of its history."""
    first = events[0] if events else None
    return first.input if isinstance(first, ExecutionStarted) else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which instances are meant."""

    statuses: frozenset[RuntimeStatus] | None = None
    name: str | None = None  # lower case
    created_from_ms: float | None = None
    created_to_ms: float | None = None
    tags: Mapping[str, str] | None = None

    @classmethod
    def of(
        cls,
        statuses: Iterable[RuntimeStatus | str] | None,
        name: object,
        created_from: datetime | None,
        created_to: datetime | None,
        tags: Mapping[str, str] | None,
    ) -> Filter:
        """What a caller has written. Raises `InvalidInput`."""
        wanted = name if name is None or isinstance(name, str) else getattr(name, "name", None)
        if name is not None and not isinstance(wanted, str):
            raise InvalidInput(f"name {name!r}", "write an orchestration or its name")
        return cls(
            None if statuses is None else check_statuses(statuses),
            None if wanted is None else wanted.lower(),
            None if created_from is None else _since_ms(created_from),
            None if created_to is None else _since_ms(created_to),
            tags or None,
        )

    def matches(self, look: Look) -> bool:
        """Whether an instance is among those that are meant. Both ends of the time are included."""
        known = look.known
        if self.statuses is not None and look.status not in self.statuses:
            return False
        if self.name is not None and known.name.lower() != self.name:
            return False
        if self.created_from_ms is not None and known.created_ms < self.created_from_ms:
            return False
        if self.created_to_ms is not None and known.created_ms > self.created_to_ms:
            return False
        return not self.tags or self.tags.items() <= (known.tags or {}).items()


def _since_ms(time: datetime) -> int:
    """Cut to milliseconds, as times of creation are: what was made at a time, or within its millisecond, was made then."""
    return instant_in_ms(time) - (time.microsecond % 1_000 > 0)


_STATUSES = {status.value.lower(): status for status in RuntimeStatus}


def check_statuses(statuses: Iterable[RuntimeStatus | str]) -> frozenset[RuntimeStatus]:
    """Statuses of their names, in any case. Raises `InvalidInput` for a name that is none."""
    names = (statuses,) if isinstance(statuses, str) else statuses
    found: set[RuntimeStatus] = set()
    for name in names:
        status = _STATUSES.get(str(name).lower())
        if status is None:
            known = ", ".join(member.value for member in RuntimeStatus)
            raise InvalidInput(f"status {str(name)[:40]!r}", f"there is no such status; write some of: {known}")
        found.add(status)
    return frozenset(found)


def finished_statuses(statuses: Iterable[RuntimeStatus | str] | None) -> frozenset[RuntimeStatus]:
    """The statuses of what is to be purged; None means of whatever end. Raises `InvalidInput` for others."""
    wanted = FINISHED if statuses is None else check_statuses(statuses)
    if not wanted <= FINISHED:
        running = ", ".join(sorted(status.value for status in wanted - FINISHED))
        raise InvalidInput(f"statuses {running}", "only finished instances can be purged: terminate them first")
    return wanted


class InstanceQueries:
    """Reads the instances of a hub."""

    def __init__(self, store: Store, definitions: OrchestrationRegistry) -> None:
        self._store = store
        self._definitions = definitions

    async def look(self, instance_id: str, events: int = 0) -> Look | None:
        """The instance at one moment, with the first events of its history; None if it does not exist.

        One round trip. The start is read before the record: a commit in between moves the one into the other.
        """
        store, partition = self._store, partition_of(instance_id, self._store.layout.partitions)
        view = await store.read_instance(partition, instance_id, events)
        with stored_of(f"instance {instance_id!r}"):
            return _look_of(instance_id, view)

    async def whole(self, instance_id: str) -> Look | None:
        """The instance with all of its history, which fits its record."""
        look = await self.look(instance_id, HISTORY_PAGE_LENGTH)
        for _ in range(SNAPSHOT_TRIES):
            if look is None or look.record is None or look.record.locked:
                return look
            record, events = look.record, list(look.events)
            while HISTORY_PAGE_LENGTH <= len(events) < record.history_length:
                page = await self._log(instance_id, len(events), HISTORY_PAGE_LENGTH)
                if not page:
                    break
                events += page
            # The log may be longer by now, or another one's: that of the next execution.
            look = replace(look, events=events[: record.history_length])
            if execution_of(events) in (record.execution_id, *record.former) and len(events) >= record.history_length:
                return look
            look = await self.look(instance_id, HISTORY_PAGE_LENGTH)
        return look  # it begins one after the other: what there was in between

    async def _log(self, instance_id: str, first: int, count: int) -> list[Event]:
        partition = partition_of(instance_id, self._store.layout.partitions)
        log = await self._store.read_log(partition, instance_id, first, count)
        with stored_of(f"instance {instance_id!r}"):
            return [decode_event(data) for data in log]

    async def answered(self, before: Look, record: InstanceRecord) -> Look:
        """The instance as it answered who waited for it, with its first event: the one of before if it is the same."""
        if before.start is not None and before.begins == record.execution_id:
            version, given = record.version, before.start.input
            first = ExecutionStarted(record.created_ms, 0, record.name, version, given, record.execution_id)
            return replace(before, record=record, start=None, events=[first])
        if before.record is None or before.record.execution_id != record.execution_id:
            return replace(before, record=record, start=None, events=await self._log(before.instance_id, 0, 1))
        return replace(before, record=record, start=None)

    def matching(self, page: Sequence[tuple[str, InstanceView]], wanted: Filter) -> list[Look]:
        """Those of a page of a listing that are meant. What cannot be read is left out."""
        left_out = self._store.left_out
        looks: list[Look] = []
        for target, view in page:
            try:
                look = self.chosen(target, view, wanted)
            except (*UNREADABLE, SteadError) as error:
                left_out.note("instances", target, error)
                continue
            left_out.readable("instances", target)
            if look is not None:
                looks.append(look)
        return looks

    def statuses(self, page: Sequence[tuple[str, InstanceView]]) -> Iterator[RuntimeStatus]:
        """The statuses of a page of a listing, of those that can be read."""
        for target, view in page:
            status = _plain_status(view)
            if status is not None:
                yield status
            else:
                yield from (look.status for look in self.matching([(target, view)], Filter()))

    def chosen(self, target: str, view: InstanceView, wanted: Filter) -> Look | None:
        """An instance of a listing if it is meant. Raises what comes of one that cannot be read."""
        if (
            wanted.statuses is not None
            and (status := _plain_status(view)) is not None
            and status not in wanted.statuses
        ):
            return None  # of most of a large hub nothing is decoded where few are meant
        look = _look_of(target, view)
        return look if look is not None and wanted.matches(look) else None

    async def with_input(self, looks: Sequence[Look]) -> list[Look]:
        """The same with their first events, which are read all at once."""
        return await asyncio.gather(*map(self._with_first, looks))

    async def _with_first(self, look: Look) -> Look:
        """With its first event, if that can be read."""
        try:
            return replace(look, events=await self._log(look.instance_id, 0, 1))
        except PayloadLocked:
            return look
        except (InvalidState, KeyDamaged) as error:
            self._store.left_out.note("histories", look.instance_id, error)
            return look

    def status(
        self, look: Look, *, show_history: bool = False, show_input: bool = True, strict: bool = False
    ) -> OrchestrationStatus[Any]:
        """The status of what was read. `strict`: an output that is not of the orchestration's type raises `InvalidInput`;
        otherwise it is given as plain data.
        """
        if look.start is not None:
            start = look.start if show_input else look.start._replace(input=None)
            status = replace(status_of_start(look.instance_id, start), blocked=look.blocked)
            return replace(status, history=[]) if show_history else status
        assert look.record is not None
        status = status_of(
            look.instance_id,
            look.record,
            first=look.events[0] if show_input and look.events else None,
            events=look.events if show_history and not look.record.locked else None,
            output=self._output(look.instance_id, look.record, strict=strict),
        )
        return status if look.blocked is None else replace(status, blocked=look.blocked)

    def _output(self, instance_id: str, record: InstanceRecord, *, strict: bool) -> Any:
        if record.status is not RuntimeStatus.COMPLETED:
            return None
        definition = self._definitions.orchestration(record.name, record.version)
        if definition is None:
            return None
        try:
            return definition.decode_output(record.output)
        except InvalidInput as error:
            if strict:
                raise
            _log.info("the output of %s is given as it was stored: %s", instance_id, error)
            return None


def instance_error(failure: Failure, target: str, operation_name: str) -> SteadError:
    """The error that a caller gets when an instance's worker could not carry out what it was asked for."""
    if failure.kind == "locked":
        return PayloadLocked(failure.message, f"what {operation_name!r} of {target} gave")
    return OperationFailed(
        target, operation_name, failure.type, failure.message, failure.traceback, failure.cause or None
    )


def execution_of(events: Sequence[Event]) -> str | None:
    """The ID of the execution that began a history."""
    first = events[0] if events else None
    return first.execution_id if isinstance(first, ExecutionStarted) else None


def _plain_status(view: InstanceView) -> RuntimeStatus | None:
    """The status of what the store has, if that can be said without decoding it."""
    return status_in(view.record) if view.start is None and view.record is not None else None


def _look_of(instance_id: str, view: InstanceView) -> Look | None:
    """What the store has of an instance, decoded; None if that is nothing."""
    record = None if view.record is None else decode_instance_record(view.record)
    start = None if view.start is None else _shown_message(view.start)
    if start is not None and _counts(start, record):
        begins = first_execution_id(start.message_id)
        return Look(instance_id, None, decode_start(start.args), (), begins, view.blocked)
    if record is None:
        return None
    events = [decode_event(data) for data in view.log] if not record.locked else []
    return Look(instance_id, record, None, events, None, view.blocked)


def _shown_message(envelope: bytes) -> Message:
    """A start message; without the input, if that cannot be decoded here."""
    try:
        return decode_message(envelope)
    except LockedEnvelope as error:
        if error.message is None or not error.message.args:
            raise
        return error.message


def _counts(start: Message, record: InstanceRecord | None) -> bool:
    """Whether a start that waits will become the instance: not one that has become it, or will be refused."""
    if record is None:
        return True
    if record.start_id == start.message_id:
        return False
    return record.finished or decode_start(start.args).reuse == Reuse.ALWAYS
