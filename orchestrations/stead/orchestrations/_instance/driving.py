"""What the code of an orchestrator wants is logged and carried out, until it waits, has ended, or the commit is full.

A turn that does not fit into one commit goes on with the next one: its scheduled events are logged in the order of their
numbers, so that a replay continues from wherever it stopped (HAZARDS 17).
"""

from __future__ import annotations

from collections.abc import Callable

from stead.orchestrations._execution.code import Code
from stead.orchestrations._execution.execution import Execution
from stead.orchestrations._execution.external_events import Mailbox
from stead.orchestrations._execution.outcome import CancelTask, Completed, ContinuedAsNew, Failed
from stead.orchestrations._history.errors import HistoryTooLong
from stead.orchestrations._history.events import Event, ExecutionStarted, FailureEvent, OrchestratorStarted
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.record import RuntimeStatus
from stead.orchestrations._history.waits import AWAITED_LENGTH_MAX
from stead.transport import InvalidInput, PayloadTooLarge, get_logger, pack

from .beginning import continue_as_new
from .ending import MARGIN, end, fail
from .issuing import ENVELOPE_BYTES, cancel, issue
from .turn import Turn

logger = get_logger("stead.worker")

LATE_MS = 1_000
"""Events that are older than this when the code comes to them get the time of then. What is younger is on time."""


def wake(turn: Turn, *, due: bool = False, stop: Callable[[], bool] | None = None) -> bool:
    """Have the instance's code run through its history, unless it has been; whether it is there now.

    It is not if `stop` said before the end of a long history that it is enough for this time (what is left is work for the
    next turn), if no code for the instance is registered here (the instance is blocked then), if the time of a scheduled
    start has not come (`due` says that it has), or if the instance was suspended before it began.
    """
    body, record = turn.body, turn.record
    if body.execution is not None:
        return True
    body.deferred = False  # if it cannot be run now, something will wake it
    if not record.begun and (
        record.status is RuntimeStatus.SUSPENDED
        or not (due or record.scheduled_ms is None or record.scheduled_ms <= turn.now_ms)
    ):
        return False
    code = turn.surroundings.find_code(record.name, record.version)
    if code is None:
        _block(turn)
        return False
    seen = _replay(turn, code, stop)
    execution = body.replay
    assert execution is not None, "it was made just now, or before"
    if not execution.caught_up:
        return False
    if body.blocked:
        body.blocked = False
        turn.effects.unblock(turn.target)
    body.execution, body.replay = execution, None
    # To what this code did otherwise than the history says, mended code will come anew.
    _saw(turn, seen if execution.diverged else record.history_length)
    if not record.begun or record.status is RuntimeStatus.PENDING:
        record.begun = True
        if record.status is RuntimeStatus.PENDING:
            record.status = RuntimeStatus.RUNNING
        turn.changed()
    drive(turn)
    return turn.body.execution is not None  # unless it has ended at once


def _come_to_unseen(turn: Turn) -> tuple[list[Event], int]:
    """The code is about to be run through the history: the history, and how many of its events the code has seen."""
    record = turn.record
    history = turn.body.history()
    seen = len(history) - record.unseen if record.begun else 0
    if seen < len(history):
        oldest = history[seen]
        at_ms = oldest.at_ms
        if isinstance(oldest, ExecutionStarted):
            at_ms = max(at_ms, oldest.scheduled_ms or 0)
        if turn.now_ms - at_ms > LATE_MS:
            late = OrchestratorStarted(turn.now_ms, 0, len(history) - seen)
            turn.log(late)
            record.unseen += record.begun  # as long as the code has not come to the end: this may be left in the middle
            history.append(late)
    return history, seen


def _replay(turn: Turn, code: Code, stop: Callable[[], bool] | None) -> int:
    """Begin the replay or go on with it; how many events of the history the code had seen before."""
    body = turn.body
    if body.replay is not None:
        body.replay.replay(stop)
        return body.replay.seen
    history, seen = _come_to_unseen(turn)
    body.replay = Execution(turn.target, code, history, turn.settings, turn.surroundings.types, seen, stop)
    body.events = None
    return seen


def get_ready(turn: Turn) -> None:
    """A message comes that will wake the instance's code: replay it, as far as this slice of time goes. No more than that:
    what came of it is found when the message is there, which may be what brings the bad news."""
    record = turn.record
    code = turn.surroundings.find_code(record.name, record.version)
    if code is not None:
        _replay(turn, code, turn.out_of_time)


def settle(turn: Turn) -> None:
    """The turn is over: how far the code has come, and for which events it waits, goes into the record."""
    body = turn.body
    if body.execution is not None:
        _saw(turn, body.to_feed[0][0] if body.to_feed else turn.record.history_length)
        _awaits(turn, body.execution.mailbox)


def _awaits(turn: Turn, mailbox: Mailbox) -> None:
    record = turn.record
    if not (mailbox.waits or record.awaited):
        return
    since: dict[str, int] = {event[0]: event[1] for event in record.awaited}
    awaited = [[name, since.get(name, turn.now_ms)] for name in mailbox.awaited(AWAITED_LENGTH_MAX)]
    if awaited != record.awaited:
        record.awaited = awaited
        turn.changed()


def _saw(turn: Turn, seen: int) -> None:
    record = turn.record
    if record.history_length - record.unseen != seen:
        record.unseen = record.history_length - seen
        turn.changed()


def _block(turn: Turn) -> None:
    body, record, surroundings = turn.body, turn.record, turn.surroundings
    if not record.begun and record.status is RuntimeStatus.RUNNING:  # an execution before this one had begun
        record.status = RuntimeStatus.PENDING
        turn.changed()
    if record.scheduled_ms is not None:  # it has come, and its timer with it, whatever the clock says later
        record.scheduled_ms = None
        turn.changed()
    name = f"orchestration/{record.name.lower()}"
    known = surroundings.knows_name(record.name)
    turn.effects.unknown_kinds.add(f"{name}@{record.version.lower()}" if known and record.version else name)
    if not body.blocked:
        body.blocked = True
        version = f" that may run version {record.version!r}" if record.version else ""
        turn.effects.block(turn.target, f"no orchestration named {record.name!r}{version} is registered in this worker")


def happen(turn: Turn, event: Event) -> None:
    """Something happens to the instance: into the history with it, and let the code see it, if it is here."""
    turn.log(event)
    body = turn.body
    if body.execution is None:
        if turn.record.begun:
            turn.record.unseen += 1
        _check_length(turn)
    elif body.to_feed:  # those come first in the log, so they do for the code: the turn that they belong to goes on
        body.to_feed.append((turn.record.history_length - 1, event))
    else:
        body.execution.feed(event)
        drive(turn)


def drive(turn: Turn) -> None:
    """Carry out what the code wants. What does not fit stays in the body, and the turn is taken up again."""
    body = turn.body
    while (execution := body.execution) is not None:
        actions = body.actions
        for action in execution.take_actions():
            if isinstance(action, CancelTask):
                cancel(turn, action.task_id)
            else:
                actions.append(action)
        while actions:
            if turn.full:
                return
            if not _carry_out(turn, actions.popleft()):
                return
        if execution.custom_status_set and not _take_custom_status(turn, execution.custom_status):
            return
        if execution.outcome is not None:
            if not _conclude(turn, execution):
                return
        elif body.to_feed:
            if turn.full:
                return
            execution.feed(body.to_feed.popleft()[1])
        else:
            break
    _check_length(turn)


def _carry_out(turn: Turn, action: Event) -> bool:
    """Log a scheduled event and bring about what it says; false if the instance has failed by it."""
    try:
        assert turn.body.execution is not None, "it has asked for it"
        data = turn.body.execution.wanted.encode(action)
        if len(data) > turn.settings.payload_bytes_max + ENVELOPE_BYTES:
            raise PayloadTooLarge(f"what number {action.task_id} carries", len(data), turn.settings.payload_bytes_max)
        refused = issue(turn, action)
    except InvalidInput as error:
        fail(turn, error)
        return False
    turn.add(action, data)
    if refused is not None:
        _refuse(turn, refused)
    return True


def _refuse(turn: Turn, refused: FailureEvent) -> None:
    """It cannot be carried out. The answer is logged at once; the code sees it when everything it wants is logged."""
    turn.log(refused)
    turn.body.to_feed.append((turn.record.history_length - 1, refused))


def _take_custom_status(turn: Turn, value: object) -> bool:
    record = turn.record
    if value is record.custom_status:
        return True
    try:
        length = len(pack(value))
        if length > turn.settings.custom_status_bytes_max:
            raise PayloadTooLarge("custom status", length, turn.settings.custom_status_bytes_max)
    except InvalidInput as error:
        fail(turn, error)
        return False
    record.custom_status = value
    turn.changed()
    return True


def _conclude(turn: Turn, execution: Execution) -> bool:
    """The code has ended; true if it goes on as new."""
    match execution.outcome:
        case Completed(result):
            try:
                length = len(pack(result)) + MARGIN
                if length > turn.settings.payload_bytes_max + MARGIN * (turn.record.parent is None):
                    raise PayloadTooLarge("result", length - MARGIN, turn.settings.payload_bytes_max)
            except InvalidInput as error:  # nor could it be, were it made once more
                end(turn, RuntimeStatus.FAILED, failure=FailureDetails.of(error).final())
            else:
                end(turn, RuntimeStatus.COMPLETED, output=result)
        case Failed(failure):
            end(turn, RuntimeStatus.FAILED, failure=failure, ran_out=execution.ran_out)
        case ContinuedAsNew() as outcome:
            try:
                continue_as_new(turn, outcome)
            except InvalidInput as error:
                fail(turn, error)
                return False
            if turn.crowded:
                turn.body.deferred = True
                turn.record.begun = False  # whoever takes it up runs its code for the first time
                return False
            _begin_again(turn)
            return turn.body.execution is not None
        case _:
            raise AssertionError("an execution that has ended has an outcome")
    return False


def _begin_again(turn: Turn) -> None:
    """The next execution of an instance that continues as new."""
    record = turn.record
    code = turn.surroundings.find_code(record.name, record.version)
    if code is None:
        record.begun = False
        _block(turn)
        return
    turn.body.execution = Execution(turn.target, code, turn.body.history(), turn.settings, turn.surroundings.types, 0)


def _check_length(turn: Turn) -> None:
    limit = turn.settings.history_length_max
    if turn.running and turn.record.history_length > limit:
        fail(turn, HistoryTooLong(turn.target, turn.record.history_length, limit))
