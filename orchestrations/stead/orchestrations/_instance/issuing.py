"""What a scheduled event of the history brings about: a task, a timer, a message. And how it is called off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stead.entities.extending import (
    LOCK,
    RELEASE,
    Failure,
    FailureKind,
    ReplyAddress,
    TaskAddress,
    encode_failure,
    encode_message,
    message_extras,
    version_for,
)
from stead.orchestrations._activities.job import encode_task
from stead.orchestrations._activities.own_task import own_task
from stead.orchestrations._history.errors import ActivityNotFound, InstanceFinished
from stead.orchestrations._history.events import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventSent,
    FailureEvent,
    OrchestrationInstanceStarted,
    SubOrchestrationInstanceCreated,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    UpdateCompleted,
)
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.ids import task_key, timer_id
from stead.orchestrations._history.ledger import Lock
from stead.orchestrations._history.messages import EVENT, TIMER, StartMessage, encode_start, message_version
from stead.transport import InvalidInput, Reply, Reuse, Task, TaskLimit

from .turn import InstanceTurn

ENVELOPE_BYTES = 8_192
"""What the message for a scheduled event has beyond what it carries, at most: IDs and addresses. What it carries was checked
where the code asked for it, so that the code could catch it."""


def issue_event(turn: InstanceTurn, event: Event, *, reuse: int = int(Reuse.FINISHED)) -> FailureEvent | None:
    """Bring about what a scheduled event says; what is returned is its answer, if that is not possible.

    `reuse`: what is done if a sub-orchestration's instance exists. Raises `PayloadTooLarge` and `InvalidInput`.
    """
    match event:
        case TaskScheduled():
            return schedule_task(turn, event)
        case TimerCreated():
            record = turn.record
            args = [record.execution_id, event.task_id, event.fire_at_ms]
            key = timer_id(turn.target, record.execution_id, event.task_id)
            turn.effects.set_timer(key, event.fire_at_ms, turn.target, TIMER, args)
        case SubOrchestrationInstanceCreated(name=name, version=version, input=plain, tags=tags):
            parent = _address(turn, event)
            send_start(
                turn, event.instance_id, StartMessage(name, version, plain, turn.now_ms, None, tags, parent, reuse)
            )
        case OrchestrationInstanceStarted(name=name, version=version, input=plain, tags=tags):
            message = StartMessage(name, version, plain, turn.now_ms, event.start_at_ms, tags)
            send_start(turn, event.instance_id, message)
        case EventSent():
            extras = message_extras(sender=turn.target, trace=turn.trace)
            send_message(turn, event.instance_id, EVENT, [event.name, event.input], extras)
        case EntityOperationSignaled(kwargs=kwargs, due_ms=due_ms, delay_ms=delay_ms):
            extras = message_extras(
                kwargs=kwargs, due_ms=due_ms, delay_ms=delay_ms, sender=turn.target, trace=turn.trace
            )
            # The event names the entity: replaying it, nobody asks in how many shards that is (HAZARDS 111).
            for target in turn.effects.receivers(event.entity_id, event.operation, turn.target):
                send_message(turn, target, event.operation, event.args, extras)
        case EntityOperationCalled(kwargs=kwargs, lock=lock):
            task = _address(turn, event)
            extras = message_extras(kwargs=kwargs, task=task, lock=lock, sender=turn.target, trace=turn.trace)
            send_message(turn, event.entity_id, event.operation, event.args, extras)
        case EntityLockRequested(entity_ids=targets):
            extras = message_extras(task=_address(turn, event), sender=turn.target)
            send_message(turn, targets[0], LOCK, [event.lock, list(targets), 0], extras)
        case EntityUnlockSent():
            release_lock(turn, Lock(event.lock, event.task_id, list(event.entity_ids), event.granted))
        case UpdateCompleted():
            _tell_of_update(turn, event)
        case _:  # a patch
            pass
    return None


def _address(turn: InstanceTurn, event: Event) -> TaskAddress:
    return TaskAddress(turn.target, turn.record.execution_id, event.task_id)


def schedule_task(
    turn: InstanceTurn, event: TaskScheduled, *, at_once: bool = False, size_bytes: int | None = None
) -> FailureEvent | None:
    """Have an activity carried out; what is returned is its answer, if nobody can. `at_once`: it may begin before this is
    stored, if it runs here. `size_bytes`: of the event, which has been packed. Raises `InvalidInput`."""
    queue, canonical = event.queue, event.name.lower()
    place = turn.surroundings.route(canonical, queue)
    if place == "unknown":
        failure = FailureDetails.of(ActivityNotFound(event.name))
        return TaskFailed(turn.now_ms, event.task_id, failure.as_map())
    limit = None
    if event.limit is not None:
        place = "shared"
        limit = TaskLimit(event.limit, turn.surroundings.numbers(canonical), turn.target, event.priority or 0)
    address = turn.target, turn.record.execution_id, event.task_id
    trace = turn.trace
    key = task_key(*address)
    own = own_task(key, canonical, event, address, trace) if place == "own" else None
    if own is not None:
        task: Task = own
        turn.effects.schedule_task(turn.activation, task, size_bytes)
    else:
        limits = event.timeout_ms, event.heartbeat_ms, event.details
        payload = encode_task(
            canonical, event.args, event.kwargs, address, event.attempt, queue, event.tags, limits, trace
        )
        task = Task(key, queue, place == "shared", payload, limit)
        turn.effects.schedule_task(turn.activation, task)
    if at_once and place == "own" and turn.begins_early():
        turn.effects.at_once.offer(task)
    return None


def send_start(turn: InstanceTurn, instance_id: str, message: StartMessage) -> None:
    """Start another instance. Raises `PayloadTooLarge` and `InvalidInput`."""
    effects = turn.effects
    message_id = effects.next_message_id()
    envelope = encode_start(instance_id, message, message_id, trace=turn.trace)
    _check(turn, instance_id, envelope)
    effects.send_start(instance_id, envelope, message_id)


def send_message(
    turn: InstanceTurn, target: str, operation: str, args: Sequence[Any], extras: Mapping[str, object] | None = None
) -> None:
    """A message to an instance or an entity. Raises `PayloadTooLarge` and `InvalidInput`."""
    values = args if isinstance(args, list) else list(args)
    envelope = encode_message(target, operation, values, turn.effects.next_message_id(), extras, version_for(target))
    _check(turn, target, envelope)
    turn.effects.send(target, envelope)


def send_small(
    turn: InstanceTurn, target: str, operation: str, args: list[Any], extras: Mapping[str, object] | None = None
) -> None:
    """A message of stead's own, which nothing may keep back."""
    message_id = turn.effects.next_message_id()
    turn.effects.send(target, encode_message(target, operation, args, message_id, extras, message_version(operation)))


def _check(turn: InstanceTurn, target: str, envelope: bytes) -> None:
    limit = turn.effects.limit
    if len(envelope) > limit.at:
        limit.check(f"the message to {target}", envelope, ENVELOPE_BYTES)


def _tell_of_update(turn: InstanceTurn, event: UpdateCompleted) -> None:
    """An update has been carried out: whoever waits for it is told."""
    waiter = turn.body.ledger.updates.get(event.update_id)
    if waiter is None:
        return
    address = ReplyAddress(*waiter)
    failure: Failure
    if event.ok:
        try:
            turn.effects.reply(turn.effects.answer(address, event.value))
            return
        except InvalidInput as error:  # too large for an answer
            failure = failure_for_client(FailureDetails.of(error))
    else:
        failure = failure_for_client(FailureDetails.from_map(event.value))
    _reply_failure(turn, address, failure)


def failure_for_client(details: FailureDetails, kind: FailureKind = "operation") -> Failure:
    """What a client is told of an error."""
    cause = "" if details.cause is None else str(details.cause)
    return Failure(kind, details.error_type, details.message, details.traceback, cause)


def _reply_failure(turn: InstanceTurn, address: ReplyAddress, failure: Failure) -> None:
    turn.effects.reply(Reply(address.group, address.client, encode_failure(address.call_id, failure)))


def fail_updates(turn: InstanceTurn) -> None:
    """The instance has ended before updates that it had accepted: whoever waits for them is told."""
    ledger = turn.body.ledger
    if not ledger.updates:  # nearly all: to describe an error takes a third of what a turn does
        return
    error = FailureDetails.of(InstanceFinished(turn.target, turn.record.status))
    for waiter in ledger.updates.values():
        if waiter is not None:
            _reply_failure(turn, ReplyAddress(*waiter), failure_for_client(error, "undeliverable"))
    ledger.updates = {}


def release_lock(turn: InstanceTurn, lock: Lock) -> None:
    """Give locks back: each directly if they were granted, else along the path of the request (HAZARDS 12)."""
    extras = message_extras(sender=turn.target)
    if not lock.granted:
        send_small(turn, lock.targets[0], RELEASE, [lock.lock, lock.targets, 0, False], extras)
        return
    for position, target in enumerate(lock.targets):
        send_small(turn, target, RELEASE, [lock.lock, lock.targets, position, True], extras)


def cancel_task(turn: InstanceTurn, task_id: int) -> None:
    """Nobody waits for its answer any more. What other instances and entities do cannot be called off."""
    ledger = turn.body.ledger
    event = ledger.open.get(task_id)
    if event is None:
        return
    key = task_key(turn.target, turn.record.execution_id, task_id)
    if isinstance(event, TimerCreated):
        del ledger.open[task_id]
        turn.effects.cancel_timer(key)
    elif isinstance(event, TaskScheduled):
        del ledger.open[task_id]
        turn.effects.drop_task(key, None if event.limit is None else event.queue)


def end_activity(turn: InstanceTurn, task_id: int) -> None:
    """An activity is to end; its answer is waited for."""
    event = turn.body.ledger.open.get(task_id)
    if isinstance(event, TaskScheduled):
        turn.effects.end_task(task_key(turn.target, turn.record.execution_id, task_id), event.queue)


def cancel_all(turn: InstanceTurn) -> None:
    """Call off everything that is open, and give back the locks that are held or on their way to be."""
    ledger = turn.body.ledger
    for task_id in list(ledger.open):
        cancel_task(turn, task_id)
    for lock in ledger.locks:
        release_lock(turn, lock)
    ledger.locks = []
