"""The end of an instance, whatever brings it about. One commit holds all of it:

the last event and the final record, the releases of all locks, the cancelled timers and tasks, the answer to the parent, the
answers to clients that wait, and the timer that purges it.
"""

from __future__ import annotations

from typing import Any

from stead.entities.extending import UNTOLD, ReplyAddress, TaskAddress, encode_reply
from stead.orchestrations._history.events import ExecutionCompleted, ExecutionTerminated
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.ids import timer_id
from stead.orchestrations._history.messages import PURGE_DUE
from stead.orchestrations._history.record import STATUS_NUMBERS, InstanceRecord, RuntimeStatus
from stead.transport import InvalidInput, Reply, SteadError, pack

from .children import close_children, purge_children
from .issuing import cancel_all, fail_updates
from .spans import note_end
from .turn import InstanceTurn

_FROM_OUTSIDE = (RuntimeStatus.TERMINATED, RuntimeStatus.CANCELED)
"""Ends for which somebody has given a reason: what waits for such an instance sees an error of this name."""

WAITERS_MAX = 1_000
"""Waiting clients that an instance remembers. The oldest go first; a client looks by itself too, now and then."""

MESSAGE_LENGTH_SHORT = 200
MARGIN = 1_024  # bytes that a message needs besides what it carries


def end_instance(
    turn: InstanceTurn,
    status: RuntimeStatus,
    *,
    output: Any = None,
    failure: FailureDetails | None = None,
    ran_out: int = 0,
    alone: bool = False,
) -> None:
    """End an instance that is not finished. `output`: its result, or the reason of its termination. `ran_out`: the number of
    the timer by which it failed. `alone`: its children are left, whatever was said of them."""
    body, record = turn.body, turn.record
    details = None if failure is None else _fitting(turn, failure).as_map()
    waits = body.blocked or (
        # Loaded anew, it does not know what the store says.
        body.execution is None
        and (
            turn.settings.on_nondeterminism == "block"
            or turn.surroundings.find_code(record.name, record.version) is None
        )
    )
    body.drop_code()
    body.deferred = False
    cancel_all(turn)
    if not record.begun and record.scheduled_ms is not None:
        turn.effects.cancel_timer(timer_id(turn.target, record.execution_id, 0))
    turn.log(ExecutionCompleted(turn.now_ms, 0, STATUS_NUMBERS[status], output, details, ran_out))
    record.status = status
    record.output = output
    record.failure = details
    record.finished_ms = turn.now_ms
    meter = turn.surroundings.measures.meter("orchestration", record.name, status.value)
    meter.add(max(0, turn.now_ms - record.created_ms) / 1000)
    meter.failed += status is RuntimeStatus.FAILED
    record.awaited = []
    record.progress = None
    note_end(turn, status, details)
    if waits:
        body.blocked = False
        turn.effects.unblock(turn.target)
    waiters, record.waiters = record.waiters, []
    turn.changed()
    if not alone:
        reason = f"its parent is {status.value}"
        close_children(turn, status, str(output or reason) if status in _FROM_OUTSIDE else reason)
    if record.parent is not None:
        answer_parent(turn, record.parent)
    fail_updates(turn)
    for waiter in waiters:
        tell_client(turn, waiter)
    keep_ms = turn.settings.instances_keep_ms
    if keep_ms:
        key = timer_id(turn.target, record.execution_id, "purge")
        turn.effects.set_timer(key, turn.now_ms + keep_ms, turn.target, PURGE_DUE, [record.execution_id])
    if not turn.keeps_history:
        turn.flush()
        forget_history(turn)


def fail_instance(turn: InstanceTurn, error: BaseException) -> None:
    """End an instance with an error that stead has found."""
    end_instance(turn, RuntimeStatus.FAILED, failure=FailureDetails.of(error))


def terminate_instance(turn: InstanceTurn, reason: str, *, recursive: bool) -> None:
    """End an instance from outside."""
    turn.log(ExecutionTerminated(turn.now_ms, 0, reason, recursive))
    turn.record.reason = reason
    end_instance(turn, RuntimeStatus.TERMINATED, output=reason, alone=not recursive)


def forget_history(turn: InstanceTurn) -> None:
    """A finished instance that cannot be rewound keeps in memory only what purging it needs."""
    body = turn.body
    body.log = []
    body.events = None
    body.ledger.open = {}


def answer_parent(turn: InstanceTurn, parent: TaskAddress) -> None:
    """Tell the instance that waits for this one how it has ended."""
    record, effects = turn.record, turn.effects
    ok = record.status is RuntimeStatus.COMPLETED
    try:
        effects.answer_task(parent, ok, record.output if ok else failure_at_end(record).as_map())
    except SteadError as error:
        details = FailureDetails.of(error).final() if ok else _short(failure_at_end(record))
        effects.answer_task(parent, False, _short(details).as_map())


def failure_at_end(record: InstanceRecord) -> FailureDetails:
    """Why an instance that did not complete has ended."""
    if record.failure is not None:
        return FailureDetails.from_map(record.failure)
    return FailureDetails(f"stead.orchestrations.{record.status.value}", str(record.output or ""), non_retriable=True)


def tell_at_end(turn: InstanceTurn, waiter: ReplyAddress) -> None:
    """Tell a waiting client how the instance has ended, once it has. One that is told already is not told twice."""
    record = turn.record
    if record.finished:
        tell_client(turn, waiter)
    elif waiter not in record.waiters:
        record.waiters = [*record.waiters[1 - WAITERS_MAX :], waiter]
        turn.changed()


def tell_client(turn: InstanceTurn, waiter: ReplyAddress) -> None:
    """Tell a waiting client how the instance has ended."""
    turn.effects.reply(Reply(waiter.group, waiter.client, encode_reply(waiter.call_id, turn.packed_record())))


def purge_instance(turn: InstanceTurn, *, recursive: bool) -> None:
    """Delete a finished instance."""
    body, record = turn.body, turn.record
    if turn.settings.instances_keep_ms:
        turn.effects.cancel_timer(timer_id(turn.target, record.execution_id, "purge"))
    children = body.ledger.children
    body.record = None
    turn.begin_log()
    turn.flush()
    if recursive:
        purge_children(turn, children)


def _fitting(turn: InstanceTurn, failure: FailureDetails) -> FailureDetails:
    """A failure's details, cut down to what may be stored: an error may say anything."""
    try:
        length = turn.effects.limit.stored_length(pack(failure.as_map()))
    except InvalidInput:  # a codec does not take it
        return FailureDetails(failure.error_type, UNTOLD, non_retriable=failure.non_retriable)
    return _short(failure) if length + MARGIN > turn.settings.payload_bytes_max else failure


def _short(failure: FailureDetails) -> FailureDetails:
    return FailureDetails(
        failure.error_type[:MESSAGE_LENGTH_SHORT],
        failure.message[:MESSAGE_LENGTH_SHORT],
        non_retriable=failure.non_retriable,
    )
