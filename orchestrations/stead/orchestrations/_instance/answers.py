"""What happens to an instance from outside: answers, timers, external events. What people do to it: `managing`.

Each function takes the turn and a message's arguments. A message that comes too late, or is about something else than what
is there, is dropped: it is neither logged in the history nor an error (HAZARDS 15).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stead.entities.extending import Pending
from stead.orchestrations._history.event_table import ANSWERS, answer_to
from stead.orchestrations._history.events import Event, TaskScheduled, TimerCreated, TimerFired
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.ids import task_key
from stead.orchestrations._history.ledger import Ledger
from stead.orchestrations._history.messages import decode_answer, decode_timer
from stead.orchestrations._history.record import InstanceRecord, RuntimeStatus
from stead.transport import InvalidInput, get_logger

from .driving import take_event, wake_code
from .ending import end_instance
from .event_rows import event_of, take_row
from .spans import note_event, note_timer
from .turn import InstanceTurn

logger = get_logger("stead.worker")

KEPT_FACTOR = 2
"""What comes for a failed instance is kept up to so many times `history_length_max`."""


def drop_message(turn: InstanceTurn, what: str) -> None:
    """A message is of no use."""
    logger.debug("%s: %s came too late, or for nothing: dropped", turn.target, what)


def keep_for_rewinding(turn: InstanceTurn, event: Event | None, what: str) -> bool:
    """Something has come to an instance that has ended. One that failed keeps what nobody can be asked for again (None:
    it is not of that kind), should it be rewound: it may be the very thing that woke code which cannot be replayed.
    Whether it is kept."""
    record = turn.body.record
    failed = record is not None and record.status is RuntimeStatus.FAILED
    if failed and event is not None and turn.record.history_length < KEPT_FACTOR * turn.settings.history_length_max:
        turn.log(event)
        return True
    drop_message(turn, what)
    return False


def on_task(turn: InstanceTurn, pending: Pending) -> None:
    """An activity, a sub-orchestration, an entity or a lock has answered."""
    execution_id, task_id, ok, value = decode_answer(pending.message.args)
    body = turn.body
    record = body.record
    if record is None:
        drop_message(turn, "an answer")
        return
    scheduled = body.ledger.open.get(task_id)
    finished = was_finished = record.finished
    if not finished and body.execution is None:
        wake_code(turn)
        finished = record.finished
        if not finished:
            scheduled = body.ledger.open.get(task_id)
    if (
        scheduled is None
        or isinstance(scheduled, TimerCreated)
        or not (execution_id == record.execution_id or _is_of_former(record, execution_id, scheduled, body.ledger))
    ):
        drop_message(turn, "an answer")
        return
    event = answer_to(scheduled, turn.now_ms, ok, value)
    if finished:
        # What is called off can be asked for again, but not if it has answered before the instance was found to fail.
        lasting = ANSWERS[type(scheduled)].lasting or (not was_finished and isinstance(scheduled, TaskScheduled))
        keep_for_rewinding(turn, event if lasting else None, "an answer")
    elif event is None:
        # A lock that cannot be had: one of the entities cannot be.
        end_instance(turn, RuntimeStatus.FAILED, failure=FailureDetails.from_map(value))
    else:
        if isinstance(scheduled, TaskScheduled):
            turn.effects.drop_task(task_key(turn.target, record.execution_id, task_id))
            forget_progress(turn, task_id)
        _answered(turn, event)


def on_progress(turn: InstanceTurn, pending: Pending) -> None:
    """An activity that runs has said how far it is."""
    args: Sequence[Any] = pending.message.args
    if len(args) != 3:
        raise InvalidInput("progress", "its arguments are not those of a heartbeat")
    execution_id, task_id, details = args
    if not turn.running or turn.record.execution_id != execution_id or task_id not in turn.body.ledger.open:
        drop_message(turn, "a heartbeat")
        return
    forget_progress(turn, task_id)
    turn.record.progress = [*(turn.record.progress or ()), [task_id, details]]
    turn.changed()


def forget_progress(turn: InstanceTurn, task_id: int) -> None:
    """An activity has ended, or says something else now."""
    record = turn.record
    if record.progress:
        record.progress = [each for each in record.progress if each[0] != task_id] or None
        turn.changed()


def _is_of_former(record: InstanceRecord, execution_id: str, scheduled: Event, ledger: Ledger) -> bool:
    """Whether an answer is to what an execution before this one, that was rewound, has asked for."""
    if not ANSWERS[type(scheduled)].lasting or execution_id not in record.former:
        return False
    return record.former.index(execution_id) >= ledger.rewindings_before(scheduled.task_id)


def _answered(turn: InstanceTurn, event: Event) -> None:
    execution = turn.body.execution
    if execution is not None and not execution.accepts(event):
        drop_message(turn, "an answer")
        return
    take_event(turn, event)


def on_timer(turn: InstanceTurn, pending: Pending) -> None:
    """A timer is due; number 0 begins a scheduled instance."""
    execution_id, task_id, fire_at_ms = decode_timer(pending.message.args)
    scheduled = turn.body.ledger.open.get(task_id)
    expected = turn.running
    if expected:
        wake_code(turn, due=task_id == 0 and execution_id == turn.record.execution_id)
    if turn.running:
        scheduled = turn.body.ledger.open.get(task_id)
    if not expected or execution_id != turn.record.execution_id:
        drop_message(turn, "a timer")
    elif not isinstance(scheduled, TimerCreated):
        if task_id:
            drop_message(turn, "a timer")
    elif turn.running:
        note_timer(turn, scheduled)
        _answered(turn, TimerFired(turn.now_ms, task_id, fire_at_ms))
    else:
        keep_for_rewinding(turn, TimerFired(turn.now_ms, task_id, fire_at_ms), "a timer")


def on_event(turn: InstanceTurn, pending: Pending) -> None:
    """An external event; if others wait behind it, those too."""
    message = pending.message
    event = event_of(message, turn.now_ms)
    if event is None:
        raise InvalidInput("event", "its arguments are not those of an event")
    if turn.running:
        wake_code(turn)
    if turn.running:
        note_event(turn, event.name, message)
        take_event(turn, event)
        take_row(turn, pending)
    elif not keep_for_rewinding(turn, event, "an external event"):
        turn.surroundings.late.dropped(turn.target, event.name, turn.now_ms)


def on_go_on(turn: InstanceTurn, pending: Pending) -> None:
    """A turn goes on that did not fit into its commit: it has, before this message's turn came, or does without it."""
    turn.body.called = False
    if turn.running and not turn.body.deferred:
        wake_code(turn)
