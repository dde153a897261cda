"""A turn of an instance: what one run of its kind has at hand, and how events get into the history.

What a turn logs is collected and given to the effects at its end, together with the record. Nothing here knows what a
message means: see `starting`, `answers`, `managing`; what the code of an orchestrator wants is carried out in `driving`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from stead.entities.extending import Measures, TraceContext, held_reports
from stead.orchestrations._history.event_codec import decode_event, encode_event
from stead.orchestrations._history.events import Event
from stead.orchestrations._history.ledger import Ledger
from stead.orchestrations._history.record import InstanceRecord, RuntimeStatus, encode_instance_record
from stead.transport import Settings

from .late import LateEvents

if TYPE_CHECKING:
    from stead.entities.extending import Activation, Effects, Slice
    from stead.orchestrations._execution.code import Code
    from stead.orchestrations._execution.execution import Execution
    from stead.orchestrations._execution.resolver import TypeResolver
    from stead.orchestrations._execution.wants import Asked, Wants

Route = Callable[[str, str], Literal["own", "shared", "unknown"]]
FindCode = Callable[[str, "str | None"], "Code | None"]

_IF_SLOW = "do slow work in activities, and keep histories short by continue_as_new"
_FLUSH_LENGTH = 250  # events that a turn collects before the effects count them


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the turns of a worker's instances need of the worker."""

    settings: Settings
    find_code: FindCode  # by name and version; None if it is not served here
    knows_name: Callable[[str], bool]  # whether any version is
    route: Route  # where an activity (by its canonical name and queue) is carried out
    types: TypeResolver
    measures: Measures = field(default_factory=Measures)
    # Those of the limits of an activity (by its canonical name), as they are stored.
    numbers: Callable[[str], str] = lambda name: ""
    late: LateEvents = field(default_factory=LateEvents)


class Placed(NamedTuple):
    """An event and its place in the history, from 0."""

    place: int
    event: Event


class Body:
    """What a worker keeps of an instance: its record and history as they are stored, and its code while it waits.

    A body without a record is that of an instance that does not exist.
    """

    __slots__ = (
        "asked",
        "blocked",
        "called",
        "deferred",
        "events",
        "execution",
        "final",
        "ledger",
        "log",
        "misfit",
        "packed",
        "record",
        "replay",
        "replayed",
        "to_feed",
        "wants",
        "wary"
    )  # fmt: skip

    def __init__(self, record: InstanceRecord | None, log: Sequence[bytes], events: Sequence[Event]) -> None:
        self.record = record
        self.log: list[bytes] = list(log)
        self.ledger = Ledger(events)
        self.events: Sequence[Event] | None = events or None  # the decoded log, until the code has been run through it
        self.packed: bytes | None = None  # the record's bytes, if it did not change since
        self.execution: Execution | None = None
        self.replay: Execution | None = None  # what will be its execution, on its way through the history
        self.replayed: Wants | None = None  # what that wants, once it has come to the end: the next message wakes it
        self.wants: Wants | None = None  # what its code wants, until all of it is done
        self.asked: deque[Asked] = deque()  # what is not logged yet of what that asks for
        self.to_feed: deque[Placed] = deque()  # logged, but the code has not seen them
        self.blocked = False  # the store says that it waits for code
        self.misfit = False  # the code that there is here does other things than its history says
        self.deferred = False  # its code has to be run although no event came
        self.final: Execution | None = None  # its code as it was at the end, once somebody has asked; never run on
        self.called = False  # to go on, by a message that has not come yet
        self.wary = False  # it was under suspicion in this tenure: nothing of it begins before it is stored

    @property
    def has_work(self) -> bool:
        """Whether it has to go on without a message."""
        return self.wants is not None or self.deferred or (self.replay is not None and self.replayed is None)

    @property
    def replaying(self) -> bool:
        """Whether its code is on its way through the history. Once it has come to the end, the next message wakes it."""
        return self.replay is not None and self.replayed is None

    def history(self) -> list[Event]:
        """The events of the history so far."""
        events = self.events
        if events is None or len(events) != len(self.log):
            return [decode_event(data) for data in self.log]
        return list(events)

    def drop_code(self) -> None:
        """Forget the code; a replay brings it back."""
        final, self.final = self.final, None
        if final is not None:
            final.close()
        execution, self.execution = self.execution or self.replay, None
        self.replay = self.replayed = self.wants = None
        self.asked.clear()
        self.to_feed.clear()
        if execution is not None:
            execution.close()


class InstanceTurn:
    """See the module. One object serves all messages of a run."""

    __slots__ = (
        "_appended", "_began_s", "_changed", "_reset", "activation", "body", "effects", "now_ms", "slice", "surroundings",
        "target"
    )  # fmt: skip

    def __init__(
        self,
        surroundings: Surroundings,
        activation: Activation,
        body: Body,
        effects: Effects,
        now_ms: int,
        slice: Slice | None,
    ) -> None:
        """Without a slice for what runs no code: the end of an instance whose message ended its workers."""
        self.surroundings = surroundings
        self.activation = activation
        self.target = activation.target
        self.body = body
        self.effects = effects
        self.slice = slice
        self.now_ms = now_ms
        self._began_s = 0.0  # what is taken now
        self._appended: list[bytes] = []
        self._reset = False
        self._changed = False

    @property
    def settings(self) -> Settings:
        return self.surroundings.settings

    @property
    def record(self) -> InstanceRecord:
        """The record of an instance that exists."""
        record = self.body.record
        assert record is not None, "only what is done to an instance that exists asks for its record"
        return record

    @property
    def running(self) -> bool:
        """Whether the instance exists and is not finished."""
        record = self.body.record
        return record is not None and not record.finished

    @property
    def crowded(self) -> bool:
        """Whether what is left has to wait for another commit or another slice of time."""
        time = self.slice
        return time is not None and (time.late or time.full)

    @property
    def full(self) -> bool:
        """Whether what is left has to wait for another commit."""
        return self.slice is not None and self.slice.full

    def begins_early(self) -> bool:
        """Whether what is asked for now may begin before it is stored. Not while anything is under suspicion of having ended workers, or of
        failing in stead itself: whatever does so has to be stored before, so that it can be found (HAZARDS 20). Nor afterwards,
        in this tenure, if this instance was: of several steps it would come one further with each worker that it ends."""
        body, time = self.body, self.slice
        if time is None or time.one_turn or self.effects.suspects is not None:
            body.wary = True
        return not body.wary

    @property
    def keeps_history(self) -> bool:
        """Whether the history is of use after the end: the instance may be rewound, or asked."""
        record = self.record
        if record.status is RuntimeStatus.FAILED:
            return True
        code = self.surroundings.find_code(record.name, record.version)
        return code is not None and bool(code.queries)

    def out_of_time(self) -> bool:
        """Whether this slice of time is over. A turn that is taken alone, because of what it may do, has none."""
        time = self.slice
        return time is not None and time.late and not time.one_turn

    def begin(self) -> float:
        """The first message is taken now: when that is."""
        assert self.slice is not None, "messages are taken in slices of time"
        self._began_s = self.slice.elapsed()
        return self._began_s

    def taken(self) -> float:
        """A message has been taken: when, and the next one is taken from then on. Says so if it held the worker for long."""
        time = self.slice
        assert time is not None, "messages are taken in slices of time"
        ended_s = time.elapsed()
        seconds, self._began_s = ended_s - self._began_s, ended_s
        if seconds > time.slow_s:
            name = self.record.name if self.body.record is not None else "(unknown)"
            held_reports.report(self.target, f"a turn of orchestration {name}", ended_s, seconds, _IF_SLOW)
        return ended_s

    def new_id(self) -> str:
        """An ID that no other execution has, nor its first eight characters another one of this instance."""
        return hashlib.blake2b(self.effects.next_message_id(), digest_size=16).hexdigest()

    @property
    def trace(self) -> TraceContext | None:
        """The span of the execution, if the instance belongs to a trace: the parent of all that it sends."""
        ledger, record = self.body.ledger, self.body.record
        if ledger.trace is None or record is None:
            return None
        return ledger.trace.of_instance(self.target, record.execution_id)

    # -- the history ---------------------------------------------------------------------------------------------------

    def log(self, event: Event) -> None:
        """Add an event to the history. Raises `InvalidInput` if one of its values cannot be stored: then nothing is."""
        self.add(event, encode_event(event))

    def add(self, event: Event, data: bytes) -> None:
        """Add an event, of which these are the bytes, to the history."""
        body, appended = self.body, self._appended
        record = body.record
        assert record is not None, "only an instance that exists has a history"
        body.log.append(data)
        body.ledger.apply(event)
        record.history_length += 1
        appended.append(data)
        if len(appended) >= _FLUSH_LENGTH:
            self.flush()

    def begin_log(self) -> None:
        """Drop the whole history."""
        body = self.body
        if body.final is not None:
            body.final.close()
        body.log = []
        body.events = None
        body.final = None
        body.misfit = False
        body.ledger = Ledger()
        if body.record is not None:
            body.record.history_length = 0
            body.record.unseen = 0
            body.record.again = None
        self._appended = []
        self._reset = True

    def changed(self) -> None:
        """The record has changed."""
        self._changed = True

    def flush(self) -> None:
        """Give what was collected to the effects."""
        appended = self._appended
        if not (appended or self._changed or self._reset):
            return
        body = self.body
        body.packed = None
        if body.record is not None:
            body.record.updated_ms = self.now_ms
        if appended or self._reset:
            self.effects.append(self.activation, appended, self._reset)
            self._appended = []
            self._reset = False
        else:
            self.effects.changed(self.activation)
        self._changed = False

    def packed_record(self) -> bytes:
        """The record's bytes as they will be stored."""
        self.flush()
        return packed_record(self.body)


def packed_record(body: Body) -> bytes:
    """The bytes of a body's record: made once, however often they are asked for."""
    if body.packed is None:
        assert body.record is not None, "it exists"
        body.packed = encode_instance_record(body.record)
    return body.packed
