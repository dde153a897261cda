"""The kind of orchestrations: how an instance's messages become turns.

    message ── event(s) into the history ── code ── scheduled events into the history, tasks, timers, messages

1. Each message is applied, and the code run until it waits, before the next one is: the outcome does not depend on how
   messages were batched. (External events that wait in a row are taken so in one go: `event_rows`.)
2. The history is the truth. The code is a cache: it stays in memory while the activation does, and is replayed otherwise.
   An instance whose code is not registered here takes its events all the same, and can be managed.
3. Nothing that the user's code raises or does comes out of here, and nothing of the code runs when an activation is dropped
   (HAZARDS 13).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, cast

from stead.entities.extending import Blocked, Failure, Measures, Opening, Pending, UnknownEnvelope
from stead.orchestrations._history import messages as _messages
from stead.orchestrations._history.event_codec import decode_event, may_have_children
from stead.orchestrations._history.events import Event
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.messages import decode_start
from stead.orchestrations._history.record import InstanceRecord, RuntimeStatus, decode_instance_record
from stead.transport import InvalidInput, PayloadLocked, Settings, get_logger
from stead.transport.describing import text_of

from . import answers, managing, telling
from .beginning import begin_instance
from .driving import drive_code, get_ready, settle_turn, wake_code
from .ending import end_instance
from .issuing import failure_for_client, send_small
from .rewinding import ask_again
from .starting import on_start
from .turn import Body, InstanceTurn, Route, Surroundings, packed_record

if TYPE_CHECKING:
    from stead.entities.extending import Activation, Effects, Message, Slice
    from stead.orchestrations._definition.registry import OrchestrationRegistry
    from stead.orchestrations._execution.resolver import TypeResolver

logger = get_logger("stead.worker")

OPENED_AT_ONCE = 2_000
"""Events that are decoded before the others may do something."""

_HANDLERS: dict[str, Callable[[InstanceTurn, Pending], None]] = {
    _messages.START: on_start,
    _messages.EVENT: answers.on_event,
    _messages.TASK: answers.on_task,
    _messages.TIMER: answers.on_timer,
    _messages.PROGRESS: answers.on_progress,
    _messages.TERMINATE: managing.on_terminate,
    _messages.CANCEL: managing.on_cancel,
    _messages.ASK: telling.on_ask,
    _messages.UPDATE: telling.on_update,
    _messages.SUSPEND: managing.on_suspend,
    _messages.RESUME: managing.on_resume,
    _messages.REWIND: managing.on_rewind,
    _messages.PURGE: managing.on_purge,
    _messages.PURGE_DUE: managing.on_purge_due,
    _messages.WAIT: managing.on_wait,
    _messages.GO_ON: answers.on_go_on,
}


# What wakes the code of an instance that has begun.
_WAKING = frozenset(
    {
        _messages.EVENT,
        _messages.TASK,
        _messages.TIMER,
        _messages.CANCEL,
        _messages.SUSPEND,
        _messages.ASK,
        _messages.UPDATE,
        _messages.GO_ON,
    }
)


class OrchestrationKind:
    """See the module's head. Implements `Kind`."""

    def __init__(
        self,
        registry: OrchestrationRegistry,
        settings: Settings,
        now_ms: Callable[[], int],
        route: Route,
        types: TypeResolver,
        measures: Measures | None = None,
        numbers: Callable[[str], str] = lambda name: "",
    ) -> None:
        """The kind of one worker. `route` says where an activity (by its canonical name and queue) is carried out; `types`
        is what the code's calls look names up in; `measures` are the worker's; `numbers` those of an activity's limits."""
        self._measures = measures or Measures()
        self._surroundings = Surroundings(
            settings, registry.orchestration, registry.knows, route, types, self._measures, numbers
        )
        self._now_ms = now_ms
        self._replay_every_turn = settings.replay_every_turn

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        if record is None:
            return Body(None, (), ())
        opening = Opening(_open(record, log, self._answers))
        return opening.go_on()

    def takes_offer(self, activation: Activation, message: Message) -> bool:
        return True

    def _answers(self, record: InstanceRecord) -> bool:
        """Whether an instance may be asked things after its end."""
        code = self._surroundings.find_code(record.name, record.version)
        return code is not None and bool(code.queries)

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        body: Any = activation.body  # (a `Body`, as everywhere here; this is the one place that counts)
        now_ms = self._now_ms
        turn = InstanceTurn(self._surroundings, activation, body, effects, now_ms(), slice)
        if activation.more:
            activation.more = False
            if not body.has_work:  # the tenure has begun, and the store says that the instance waits for code
                body.blocked = True
            self._go_on(turn)
            if slice.one_turn:
                self._settle(turn)
                return None
        express, mailbox, at_once = activation.express, activation.mailbox, effects.at_once
        first = turn.begin()
        before = len(express) + len(mailbox)
        while (queue := express or mailbox) and not (body.has_work and not self._caught_up(turn)):
            pending = queue[0]
            slice.running = pending
            if body.execution is None and not self._is_ready(turn, pending):
                break
            self._take(turn, pending)
            if queue and queue[0] is slice.running:  # else others were taken after it, all of which are dealt with
                effects.consume(activation, queue.popleft())
            if self._replay_every_turn and not body.has_work:
                settle_turn(turn)
                body.drop_code()
            ended = turn.taken()
            if slice.one_turn or ended >= slice.stop_at or slice.full:
                break
            if not (express or mailbox):
                if not at_once.begins or body.has_work:
                    break
                turn.flush()  # so that it is known whether there is room for more
                if slice.full:
                    break
                at_once.begin()
                express = activation.express
                before += len(express)
                first += turn.begin() - ended
            turn.now_ms = now_ms()
        self._settle(turn)
        self._count(turn, before - len(express) - len(mailbox), slice.elapsed() - first)
        return None

    def _count(self, turn: InstanceTurn, messages: int, seconds: float) -> None:
        record = turn.body.record
        if record is not None and messages:
            self._measures.meter("turn", record.name).add_run(messages, seconds)
            self._measures.note_messages(turn.target, messages)

    def _is_ready(self, turn: InstanceTurn, pending: Pending) -> bool:
        """Replay the code for a message that will wake it; false if that takes longer than this slice of time."""
        if _will_wake(turn, pending):
            try:
                get_ready(turn)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - nothing comes out of a turn but what ends the process
                _break_down(turn, error)
        return not turn.body.replaying

    def _caught_up(self, turn: InstanceTurn) -> bool:
        """Finish what a turn left, before the next message; false if there is no room for it yet.

        Between two executions there is nothing to finish: what goes on as new without end could not be terminated else.
        """
        if turn.body.deferred:
            return True
        if turn.crowded:
            return False
        self._go_on(turn)
        return not turn.body.has_work

    def _settle(self, turn: InstanceTurn) -> None:
        """The run is over: what it changed goes to the effects."""
        body = turn.body
        if body.record is not None and body.record.again is not None:
            ask_again(turn)
        settle_turn(turn)
        turn.flush()
        if body.has_work:
            following = turn.activation.next
            turn.activation.more = True
            if body.replaying and following is not None and _will_wake(turn, following):
                return  # that message takes it there
            if not body.called:  # should this be another worker's business then, this message takes it there
                body.called = True
                send_small(turn, turn.target, _messages.GO_ON, [])

    def _take(self, turn: InstanceTurn, pending: Pending) -> None:
        handler = _HANDLERS.get(pending.message.operation)
        if handler is None:
            name = pending.message.operation
            failure = Failure("unknown_operation", "UnknownOperation", f"instances have no operation {name!r}")
            turn.effects.fail(pending, failure)
            return
        try:
            handler(turn, pending)
        except InvalidInput as error:  # the message is not what its operation takes
            turn.effects.fail(pending, Failure("invalid_input", "InvalidInput", text_of(error)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - nothing comes out of a turn but what ends the process
            _break_down(turn, error)
            if pending.message.reply_to is not None:
                turn.effects.fail(pending, failure_for_client(FailureDetails.of(error)))

    def _go_on(self, turn: InstanceTurn) -> None:
        """Do what is to be done without a message."""
        try:
            _go_on(turn)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - nothing comes out of a turn but what ends the process
            _break_down(turn, error)

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        raise AssertionError("an instance has no asynchronous turns")

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        body = cast("Body", activation.body)
        return None if body.record is None else packed_record(body)

    def forget(self, activation: Activation) -> None:
        body = activation.body
        if isinstance(body, Body):
            body.drop_code()

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        """A message has ended its workers too often (HAZARDS 20), and is not run any more: the instance fails, with all
        that belongs to that. Who removes the message calls this, and records the dead letter."""
        turn = InstanceTurn(
            self._surroundings, activation, cast("Body", activation.body), effects, self._now_ms(), None
        )
        turn.body.drop_code()
        message = pending.message
        if message.operation == _messages.START:
            effects.started(activation.target, message.message_id)
            try:
                if not turn.running:
                    begin_instance(turn, decode_start(message.args), message)
            except InvalidInput:
                return
        if message.reply_to is not None:
            effects.fail(pending, failure)
        if turn.running and message.operation not in _messages.QUESTIONS:  # nothing is lost to it by those
            details = FailureDetails(failure.type, failure.message, non_retriable=True)
            end_instance(turn, RuntimeStatus.FAILED, failure=details)
        turn.flush()


def _open(
    record: bytes, log: Sequence[bytes], answers: Callable[[InstanceRecord], bool]
) -> Generator[None, None, Body]:
    """The body for a record and a history, in steps if that is long. `answers`: whether it is of use after the end. Raises
    `Blocked`."""
    try:
        decoded = decode_instance_record(record)
        if decoded.locked:
            raise Blocked(str(PayloadLocked(decoded.locked)))
        over = decoded.finished and decoded.status is not RuntimeStatus.FAILED and not answers(decoded)
        if over and not may_have_children(log):
            return Body(decoded, (), ())
        body = Body(decoded, log, ())
        events: list[Event] = []
        for first in range(0, len(log), OPENED_AT_ONCE):
            if first:
                yield
            for data in log[first : first + OPENED_AT_ONCE]:
                event = decode_event(data)
                body.ledger.apply(event)
                events.append(event)
    except (InvalidInput, UnknownEnvelope, PayloadLocked) as error:
        raise Blocked(str(error)) from error
    except Blocked:
        raise
    except Exception as error:
        raise Blocked(f"its history could not be read: {type(error).__name__}: {error}") from error
    if over:
        body.log = []
        body.ledger.open = {}
    else:
        body.events = events or None
    return body


def _go_on(turn: InstanceTurn) -> None:
    body = turn.body
    if not turn.running:
        if body.blocked:
            body.blocked = False
            turn.effects.unblock(turn.target)
    elif body.execution is not None:
        drive_code(turn)
    elif (following := turn.activation.next) is not None and _will_wake(turn, following):
        get_ready(turn)
    else:
        wake_code(turn, stop=turn.out_of_time)


def _will_wake(turn: InstanceTurn, pending: Pending) -> bool:
    """Whether a message is sure to wake the code of the instance."""
    body = turn.body
    return turn.running and turn.record.begun and not body.deferred and pending.message.operation in _WAKING


def _break_down(turn: InstanceTurn, error: BaseException) -> None:
    """A turn failed in stead itself. Others go on, and this instance can be seen to have failed."""
    logger.error("%s: a turn failed in stead itself, and the instance with it", turn.target, exc_info=error)
    if turn.running:
        end_instance(turn, RuntimeStatus.FAILED, failure=FailureDetails.of(error))
