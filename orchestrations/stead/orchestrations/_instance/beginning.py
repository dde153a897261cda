"""The beginning of an execution: the record and the first events of its history. Its code is not run here."""

from __future__ import annotations

from dataclasses import replace

from stead.entities.extending import Message
from stead.orchestrations._execution.outcome import ContinuedAsNew
from stead.orchestrations._history.data import event_fields
from stead.orchestrations._history.events import EventRaised, ExecutionCancelRequested, ExecutionStarted
from stead.orchestrations._history.ids import first_execution_id, timer_id
from stead.orchestrations._history.messages import TIMER, StartMessage
from stead.orchestrations._history.record import InstanceRecord, RuntimeStatus
from stead.transport import pack

from .children import former_children
from .issuing import cancel_all
from .spans import note_end, trace_of_start
from .turn import InstanceTurn


def begin_instance(turn: InstanceTurn, message: StartMessage, sent: Message) -> None:
    """Make the instance that a start asks for, in place of what was there: Pending, until its code runs.

    A scheduled one gets a timer that begins it. `sent` is what the start came in: with its ID, and who is told of the end.
    Raises `InvalidInput` if its input cannot be stored.
    """
    execution_id = first_execution_id(sent.message_id)
    version = message.version or turn.settings.default_version or None
    at_ms = message.at_ms if message.at_ms is not None and message.at_ms > turn.now_ms else None
    parent = message.parent
    tags = None if message.tags is None else dict(message.tags)
    event = ExecutionStarted(
        turn.now_ms,
        0,
        message.name,
        version,
        message.input,
        execution_id,
        None if parent is None else list(parent),
        tags,
        at_ms,
        *former_children(turn.body.ledger),
        trace=trace_of_start(turn.target, execution_id, message, sent.trace),
    )
    body = turn.body
    body.drop_code()
    body.deferred = False
    body.record = InstanceRecord(
        RuntimeStatus.PENDING,
        message.name,
        version,
        execution_id,
        message.created_ms,
        turn.now_ms,
        sent.message_id,
        scheduled_ms=at_ms,
        begun=False,
        tags=tags,
        parent=parent,
        waiters=[] if sent.waiter is None else [sent.waiter],
    )
    turn.begin_log()
    turn.log(event)
    body.events = (event,)  # what its code is about to be run through
    if at_ms is not None:
        schedule_beginning(turn, at_ms)


def schedule_beginning(turn: InstanceTurn, at_ms: int) -> None:
    """Have the instance begun at a time."""
    execution_id = turn.record.execution_id
    turn.effects.set_timer(timer_id(turn.target, execution_id, 0), at_ms, turn.target, TIMER, [execution_id, 0, at_ms])


def continue_as_new(turn: InstanceTurn, outcome: ContinuedAsNew) -> None:
    """Begin the next execution of an instance: a history of its own, with the events that the last one left.

    What the last one has under way is called off, and its locks are given back. Raises `InvalidInput` if the input cannot
    be stored, and `PayloadTooLarge`: then nothing has changed.
    """
    body, record = turn.body, turn.record
    turn.effects.limit.check("input of continue_as_new", pack(outcome.input))
    cancel_all(turn)
    body.drop_code()
    note_end(turn, RuntimeStatus.CONTINUED_AS_NEW)
    trace = body.ledger.trace
    parent = record.parent
    former = former_children(body.ledger)
    record.execution_id = turn.new_id()
    record.version = outcome.version or record.version
    record.scheduled_ms = None
    record.former = []
    record.awaited = []
    record.progress = None
    turn.begin_log()
    turn.log(
        ExecutionStarted(
            turn.now_ms,
            0,
            record.name,
            record.version,
            outcome.input,
            record.execution_id,
            None if parent is None else list(parent),
            record.tags,
            None,
            *former,
            trace=None if trace is None else trace.stored(),
        )
    )
    for name, data in outcome.events:
        turn.log(EventRaised(turn.now_ms, 0, *event_fields(name, data)))
    for update in outcome.updates:
        turn.log(replace(update, at_ms=turn.now_ms))
    if outcome.cancel is not None:
        turn.log(ExecutionCancelRequested(turn.now_ms, 0, outcome.cancel))
