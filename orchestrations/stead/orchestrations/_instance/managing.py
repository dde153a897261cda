"""What people do to an instance: end it, ask it to end, let it pause and go on, rewind it, delete it, wait for its end.

Each function takes the turn and a message, as those of `answers` do. A message that comes too late is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stead.entities.extending import Pending
from stead.orchestrations._history.events import ExecutionCancelRequested, ExecutionResumed, ExecutionSuspended
from stead.orchestrations._history.ids import first_execution_id
from stead.orchestrations._history.messages import (
    RUNNING,
    UNKNOWN,
    decode_cancel,
    decode_purge,
    decode_reason,
    decode_terminate,
)
from stead.orchestrations._history.record import RuntimeStatus
from stead.transport import InvalidInput

from .answers import drop_message, keep_for_rewinding
from .beginning import schedule_beginning
from .children import is_meant
from .driving import take_event, wake_code
from .ending import end_instance, purge_instance, tell_at_end, terminate_instance
from .rewinding import rewind_instance
from .turn import InstanceTurn


def on_terminate(turn: InstanceTurn, pending: Pending) -> None:
    """End it as it is."""
    message = decode_terminate(pending.message.args)
    if turn.running and is_meant(turn, message.parent):
        terminate_instance(turn, message.reason, recursive=message.recursive)
    else:
        drop_message(turn, "a termination")


def on_cancel(turn: InstanceTurn, pending: Pending) -> None:
    """Ask its code to end. What has done nothing yet has nothing to undo, and ends at once."""
    message = decode_cancel(pending.message.args)
    event = ExecutionCancelRequested(turn.now_ms, 0, message.reason)
    if not (turn.running and is_meant(turn, message.parent)):
        drop_message(turn, "a request to cancel")
        return
    record = turn.record
    if not record.begun and record.execution_id == first_execution_id(record.start_id):
        turn.log(event)
        record.reason = message.reason
        end_instance(turn, RuntimeStatus.CANCELED, output=message.reason)
        return
    wake_code(turn)
    execution = turn.body.execution
    if not turn.running:
        keep_for_rewinding(turn, event, "a request to cancel")
    elif execution is not None and not execution.may_be_canceled:
        drop_message(turn, "another request to cancel")
    else:
        record.reason = message.reason
        take_event(turn, event)


def on_suspend(turn: InstanceTurn, pending: Pending) -> None:
    """Let its code pause."""
    expected = turn.running
    reason = decode_reason(pending.message.args)
    event = ExecutionSuspended(turn.now_ms, 0, reason)
    if expected:
        wake_code(turn)
    if not expected or turn.record.status is RuntimeStatus.SUSPENDED:
        drop_message(turn, "a suspension")
    elif not turn.running:
        keep_for_rewinding(turn, event, "a suspension")
    else:
        record = turn.record
        record.status = RuntimeStatus.SUSPENDED
        record.reason = reason
        take_event(turn, event)


def on_resume(turn: InstanceTurn, pending: Pending) -> None:
    """Let its code go on."""
    record = turn.body.record
    if record is None or record.status is not RuntimeStatus.SUSPENDED:
        drop_message(turn, "a resumption")
        return
    reason = decode_reason(pending.message.args)
    event = ExecutionResumed(turn.now_ms, 0, reason)
    if record.begun:
        wake_code(turn)
        if not turn.running:
            keep_for_rewinding(turn, event, "a resumption")
            return
    record.status = RuntimeStatus.RUNNING if record.begun else RuntimeStatus.PENDING
    record.reason = reason
    take_event(turn, event)
    if turn.running and not record.begun and not wake_code(turn) and record.scheduled_ms is not None:
        # Its timer may have fired meanwhile.
        schedule_beginning(turn, record.scheduled_ms)


def on_rewind(turn: InstanceTurn, pending: Pending) -> None:
    """Let a failed instance go on."""
    record, address = turn.body.record, pending.message.reply_to
    failed = record is not None and record.status is RuntimeStatus.FAILED
    if failed:
        rewind_instance(turn, decode_reason(pending.message.args))
    else:
        drop_message(turn, "a rewinding")
    if address is not None:
        turn.effects.reply(turn.effects.answer(address, failed))


def on_purge(turn: InstanceTurn, pending: Pending) -> None:
    """Delete it, if it is finished."""
    message, address = decode_purge(pending.message.args), pending.message.reply_to
    answer: object = turn.body.record is not None
    if turn.running:
        answer = RUNNING
    elif answer and is_meant(turn, message.parent):
        purge_instance(turn, recursive=message.recursive)
    if address is not None:
        turn.effects.reply(turn.effects.answer(address, answer))


def on_purge_due(turn: InstanceTurn, pending: Pending) -> None:
    """It has been kept long enough."""
    args: Sequence[Any] = pending.message.args
    record = turn.body.record
    if record is not None and record.finished and list(args) == [record.execution_id]:
        purge_instance(turn, recursive=False)
    else:
        drop_message(turn, "a purge that was due")


def on_wait(turn: InstanceTurn, pending: Pending) -> None:
    """A client waits for its end."""
    address = pending.message.reply_to
    if address is None:
        raise InvalidInput("wait", "nobody waits for the answer")
    if turn.body.record is None:
        turn.effects.reply(turn.effects.answer(address, UNKNOWN))
    else:
        tell_at_end(turn, address)
