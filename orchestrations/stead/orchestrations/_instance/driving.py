"""What the code of an orchestrator wants is logged and carried out, until it waits, has ended, or the commit is full.

A turn that does not fit into one commit goes on with the next one: its scheduled events are logged in the order of their
numbers, so that a replay continues from wherever it stopped (HAZARDS 17).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from stead.orchestrations._execution.code import Code
from stead.orchestrations._execution.execution import Execution
from stead.orchestrations._execution.outcome import Canceled, Completed, ContinuedAsNew, Failed, Outcome
from stead.orchestrations._execution.wants import NOTHING, UNCHANGED, Asked, Wants
from stead.orchestrations._history.errors import HistoryTooLong
from stead.orchestrations._history.event_codec import encode_event
from stead.orchestrations._history.events import (
    Event,
    ExecutionStarted,
    FailureEvent,
    OrchestratorStarted,
    TaskScheduled,
)
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.record import Awaited, RuntimeStatus
from stead.orchestrations._history.waits import AWAITED_LENGTH_MAX
from stead.transport import InvalidInput, PayloadTooLarge, get_logger, pack

from .beginning import continue_as_new
from .children import call_off
from .ending import MARGIN, end_instance, fail_instance
from .issuing import ENVELOPE_BYTES, end_activity, issue_event, schedule_task
from .turn import InstanceTurn, Placed

logger = get_logger("stead.worker")

LATE_MS = 1_000
"""Events that are older than this when the code comes to them get the time of then. What is younger is on time."""


def wake_code(turn: InstanceTurn, *, due: bool = False, stop: Callable[[], bool] | None = None) -> bool:
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
    if body.misfit:
        return False
    wants = _replay(turn, code, stop)
    if wants is None:
        return False
    if isinstance(wants.outcome, Failed) and wants.outcome.diverged and turn.settings.on_nondeterminism == "block":
        _wait_for_code(turn, wants.outcome)
        return False
    if body.blocked:
        body.blocked = False
        turn.effects.unblock(turn.target)
    assert body.replay is not None, "it gave what the code wants"
    body.execution, body.replay, body.replayed = body.replay, None, None
    # To what this code did otherwise than the history says, mended code will come anew.
    diverged = isinstance(wants.outcome, Failed) and wants.outcome.diverged
    _saw(turn, body.execution.seen if diverged else record.history_length)
    if not record.begun or record.status is RuntimeStatus.PENDING:
        record.begun = True
        if record.status is RuntimeStatus.PENDING:
            record.status = RuntimeStatus.RUNNING
        turn.changed()
    apply_wants(turn, wants)
    return turn.body.execution is not None  # unless it has ended at once


def _come_to_unseen(turn: InstanceTurn) -> tuple[list[Event], int]:
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


def _replay(turn: InstanceTurn, code: Code, stop: Callable[[], bool] | None) -> Wants | None:
    """Begin the replay or go on with it: what the code wants once all of the history is done, None if it is not yet."""
    body = turn.body
    if body.replayed is not None:
        return body.replayed
    if body.replay is None:
        history, seen = _come_to_unseen(turn)
        if seen:
            turn.surroundings.measures.meter("replay", turn.record.name).add(seen)
        types = turn.surroundings.types
        body.replay = Execution(turn.target, code, history, turn.settings, types, seen, turn.trace)
        body.events = None
    while (wants := body.replay.turn()) is None:
        if stop is not None and stop():
            return None
    body.replayed = wants
    return wants


def get_ready(turn: InstanceTurn) -> None:
    """A message comes that will wake the instance's code: replay it, as far as this slice of time goes. No more than that:
    what came of it is found when the message is there, which may be what brings the bad news."""
    record = turn.record
    code = turn.surroundings.find_code(record.name, record.version)
    if code is not None:
        _replay(turn, code, turn.out_of_time)


def settle_turn(turn: InstanceTurn) -> None:
    """The turn is over: how far the code has come, and for which events it waits, goes into the record."""
    body = turn.body
    execution, record = body.execution, body.record
    if execution is None or record is None:
        return
    seen = body.to_feed[0].place if body.to_feed else record.history_length
    if record.history_length - record.unseen != seen:
        _saw(turn, seen)
    if record.awaited or execution.mailbox.waits:
        _awaits(turn, execution.mailbox.awaited(AWAITED_LENGTH_MAX))


def _awaits(turn: InstanceTurn, names: list[str]) -> None:
    record = turn.record
    since = {event.name: event.since_ms for event in record.awaited}
    if [*since] != names:
        record.awaited = [Awaited(name, since.get(name, turn.now_ms)) for name in names]
        turn.changed()


def _saw(turn: InstanceTurn, seen: int) -> None:
    record = turn.record
    if record.history_length - record.unseen != seen:
        record.unseen = record.history_length - seen
        turn.changed()


def _block(turn: InstanceTurn) -> None:
    body, record, surroundings = turn.body, turn.record, turn.surroundings
    if not record.begun and record.status is RuntimeStatus.RUNNING:  # an execution before this one had begun
        record.status = RuntimeStatus.PENDING
        turn.changed()
    if record.scheduled_ms is not None:  # it has come, and its timer with it, whatever the clock says later
        record.scheduled_ms = None
        turn.changed()
    name = f"orchestration/{record.name.lower()}"
    known = surroundings.knows_name(record.name)
    turn.effects.lacks[turn.target] = f"{name}@{record.version.lower()}" if known and record.version else name
    if not body.blocked:
        body.blocked = True
        version = f" that may run version {record.version!r}" if record.version else ""
        turn.effects.block(turn.target, f"no orchestration named {record.name!r}{version} is registered in this worker")


def _wait_for_code(turn: InstanceTurn, outcome: Failed) -> None:
    """The code does other things than the history says: the instance waits for code that fits. Nothing of what this one wants is
    done, and it is not asked again."""
    body = turn.body
    body.drop_code()
    body.misfit = True
    if not body.blocked:
        body.blocked = True
        turn.effects.block(turn.target, outcome.failure.message)


def take_event(turn: InstanceTurn, event: Event) -> None:
    """Something happens to the instance: into the history with it, and let the code see it, if it is here."""
    turn.add(event, encode_event(event))
    body = turn.body
    if body.execution is None:
        if turn.record.begun:
            turn.record.unseen += 1
        _check_length(turn)
    elif body.to_feed:  # those come first in the log, so they do for the code: the turn that they belong to goes on
        body.to_feed.append(Placed(turn.record.history_length - 1, event))
    else:
        apply_wants(turn, body.execution.turn((event,)))


def apply_wants(turn: InstanceTurn, wants: Wants | None) -> None:
    """Carry out what the code wants. What does not fit stays in the body, and `drive_code` takes it up again."""
    if wants is not NOTHING:
        _take_up(turn, wants)
        drive_code(turn)
    else:
        _check_length(turn)


def _take_up(turn: InstanceTurn, wants: Wants | None) -> None:
    assert wants is not None, "only a history is taken in parts"
    for task_id in wants.called_off:
        call_off(turn, task_id)
    for task_id in wants.ending:
        end_activity(turn, task_id)
    turn.body.wants = wants
    turn.body.asked.extend(wants.asked)


def drive_code(turn: InstanceTurn) -> None:
    """Go on with what the code wants, in this order: what it asked for is logged and done, its status shown, its end brought
    about. Then it sees what could not be done, and may want something else."""
    body, time = turn.body, turn.slice
    while (wants := body.wants) is not None:
        asked = body.asked
        while asked:
            if (time is not None and time.full) or not _carry_out(turn, asked.popleft(), wants.at_once):
                return
        if wants.custom_status is not UNCHANGED and not _take_custom_status(turn, wants.custom_status):
            return
        if wants.outcome is not None:
            if not _conclude(turn, wants.outcome):
                return
        elif not body.to_feed:
            body.wants = None
        elif turn.full:
            return
        else:
            assert body.execution is not None, "its code has asked for it"
            _take_up(turn, body.execution.turn((body.to_feed.popleft().event,)))
    _check_length(turn)


def _carry_out(turn: InstanceTurn, asked: Asked, at_once: Collection[int]) -> bool:
    """Log a scheduled event and bring about what it says; false if the instance has failed by it. `at_once`: numbers of activities
    that may begin before they are stored."""
    event, data = asked
    limit = turn.effects.limit
    try:
        if len(data) > limit.at + ENVELOPE_BYTES * (limit.at >= 0):
            limit.check(f"what number {event.task_id} carries", data, ENVELOPE_BYTES)
        if isinstance(event, TaskScheduled):
            refused = schedule_task(turn, event, at_once=event.task_id in at_once, size_bytes=len(data))
        else:
            refused = issue_event(turn, event)
    except InvalidInput as error:
        fail_instance(turn, error)
        return False
    turn.add(event, data)
    if refused is not None:
        _refuse(turn, refused)
    return True


def _refuse(turn: InstanceTurn, refused: FailureEvent) -> None:
    """It cannot be carried out. The answer is logged at once; the code sees it when everything it wants is logged."""
    turn.log(refused)
    turn.body.to_feed.append(Placed(turn.record.history_length - 1, refused))


def _take_custom_status(turn: InstanceTurn, value: object) -> bool:
    record = turn.record
    if value is record.custom_status:
        return True
    try:
        length = turn.effects.limit.stored_length(pack(value))
        if length > turn.settings.custom_status_bytes_max:
            limit = turn.settings.custom_status_bytes_max
            raise PayloadTooLarge("custom status", length, limit, "custom_status_bytes_max")
    except InvalidInput as error:
        fail_instance(turn, error)
        return False
    record.custom_status = value
    turn.changed()
    return True


def _conclude(turn: InstanceTurn, outcome: Outcome) -> bool:
    """The code has ended; true if it goes on as new."""
    match outcome:
        case Completed(result):
            try:
                length = turn.effects.limit.stored_length(pack(result)) + MARGIN
                limit = turn.effects.limit.max
                if length > limit + MARGIN * (turn.record.parent is None):
                    raise PayloadTooLarge("result", length - MARGIN, limit, turn.effects.limit.setting)
            except InvalidInput as error:  # nor could it be, were it made once more
                end_instance(turn, RuntimeStatus.FAILED, failure=FailureDetails.of(error).final())
            else:
                end_instance(turn, RuntimeStatus.COMPLETED, output=result)
        case Failed(failure, ran_out):
            end_instance(turn, RuntimeStatus.FAILED, failure=failure, ran_out=ran_out)
        case Canceled(reason):
            end_instance(turn, RuntimeStatus.CANCELED, output=reason)
        case ContinuedAsNew():
            try:
                continue_as_new(turn, outcome)
            except InvalidInput as error:
                fail_instance(turn, error)
                return False
            if not turn.crowded:
                return _begin_again(turn)
            turn.body.deferred = True
            turn.record.begun = False  # whoever takes it up runs its code for the first time
    return False


def _begin_again(turn: InstanceTurn) -> bool:
    """The next execution of an instance that continues as new; false if nothing here may run it."""
    record, body = turn.record, turn.body
    code = turn.surroundings.find_code(record.name, record.version)
    if code is None:
        record.begun = False
        _block(turn)
        return False
    types = turn.surroundings.types
    body.execution = Execution(turn.target, code, body.history(), turn.settings, types, 0, turn.trace)
    while (wants := body.execution.turn()) is None:
        pass
    _take_up(turn, wants)
    return True


def _check_length(turn: InstanceTurn) -> None:
    limit, record = turn.surroundings.settings.history_length_max, turn.body.record
    if record is not None and record.history_length > limit and not record.finished:
        fail_instance(turn, HistoryTooLong(turn.target, record.history_length, limit))
