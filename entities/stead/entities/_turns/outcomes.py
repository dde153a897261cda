"""What comes of an operation: one that succeeds is settled and tells others, one that fails is undone and told of.

Everything that can fail comes before the state is settled, and settling it is the last of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stead.entities._message.due import Due
from stead.entities._message.envelope import Failure, Firing, Message, encode_message
from stead.entities._message.failures import failure_of
from stead.entities._message.shards import logical_target, shown_target
from stead.entities._partition.activation import Activation
from stead.entities._partition.effects import Effects
from stead.entities._partition.pending import Pending
from stead.transport import InvalidInput, PayloadTooLarge, SteadError, get_logger
from stead.transport.describing import is_a, text_of, text_of_error

from .expiry import keep_for, keep_though_failed
from .reminding import Reminders, check_begun

if TYPE_CHECKING:
    from .body import EntityBody
    from .cell import Cell
    from .turn import Turn

logger = get_logger("stead.worker")


class TooManyEffects(InvalidInput):
    """One operation sent more messages than a commit may hold (`STEAD_TURN_SENDS_MAX`)."""


def check_sends(turn: Turn, effects: Effects) -> int:
    """Raise if an operation has sent more than a commit may hold. Gives the size of it."""
    settings = effects.settings
    if len(turn.sends) > settings.turn_sends_max:
        raise TooManyEffects(
            f"operation {turn.operation_name!r}",
            f"it sent {len(turn.sends):,} messages, and one operation may send {settings.turn_sends_max:,}",
        )
    size = sum(min(len(send.envelope), settings.payload_bytes_max) for send in turn.sends)
    if size > settings.batch_bytes_max:
        what = f"signals of operation {turn.operation_name!r}"
        raise PayloadTooLarge(what, size, settings.batch_bytes_max, "batch_bytes_max")
    return size


def send_all(turn: Turn, effects: Effects) -> None:
    """The operation has succeeded: what it sent leaves with the commit."""
    for send in turn.sends:
        if send.start_id is None:
            effects.send(send.target, send.envelope)
        else:
            effects.send_start(send.target, send.envelope, send.start_id)


HAS_SHARDS = (
    "it has shards, none of which can speak for the others: it can be signalled and read, but not called or locked"
)


def is_sharded(body: EntityBody, target: str, effects: Effects) -> bool:
    """Whether an entity has shards, by this worker's code or by the hub's record."""
    return body.known.entity_type.shards is not None or effects.is_sharded(target)


def succeed(
    activation: Activation, body: EntityBody, turn: Turn, pending: Pending, effects: Effects, result: object
) -> None:
    """Settle the state and release what the operation sent. Raises if one of them is not allowed."""
    cell, message = body.cell, pending.message
    if turn.tells or message.reply_to is not None or message.task is not None:
        settle_and_tell(cell, turn, message, effects, result)
        if turn.tells:
            keep_reminders(activation, body, turn, effects)
    else:
        cell.settle()
    # From here on nothing can fail.
    turn.end()
    if cell.changed:
        if not activation.dirty:
            effects.changed(activation)
        if activation.told:
            effects.tell(activation, cell.size_bytes)
    effects.consume(activation, pending)


def keep_reminders(activation: Activation, body: EntityBody, turn: Turn, effects: Effects) -> None:
    if turn.reminding:
        if body.reminders is None:
            body.reminders = turn.reminders = Reminders()
        body.reminders.keep(activation, turn.reminding, effects)
    if turn.kept_ms is not None:
        keep_for(activation, body, turn.kept_ms, effects)


def settle_and_tell(cell: Cell, turn: Turn, message: Message, effects: Effects, result: object) -> None:
    """Settle the state, and give the effects what goes to others."""
    reply_to, task = message.reply_to, message.task
    answer, task_answer = None, None
    if (reply_to is not None or task is not None) and turn.shard is not None:
        raise InvalidInput(f"calling {turn.operation_name!r} of {logical_target(turn.target)}", HAS_SHARDS)
    if turn.tells:
        check_begun(turn)
        check_sends(turn, effects)
    if reply_to is not None:
        answer = effects.answer(reply_to, turn.operation.encode_result(result))
    if task is not None:
        task_answer = effects.encode_task_answer(task, True, turn.operation.encode_result(result))
    cell.settle()
    # From here on nothing can fail.
    if answer is not None:
        effects.reply(answer)
    if task_answer is not None and task is not None:
        effects.send(task.instance, task_answer)
    if turn.tells:
        send_all(turn, effects)


def fail(activation: Activation, body: EntityBody, pending: Pending, effects: Effects, error: BaseException) -> str:
    """Undo the operation and tell whom it concerns. Gives the type of the error, as it is told."""
    roll_back(activation, body)
    message = pending.message
    if type(message) is Due:  # the letter says what has failed
        pending = pending._replace(envelope=encode_message(message.target, message.operation, (), b""))
    failure = refuse(activation, body, pending, effects, error)
    if type(message) is Firing and body.reminders is not None:
        body.reminders.go_on(activation, message, effects)
    elif type(message) is Due:
        keep_though_failed(activation, body, effects)
    return failure.type


def roll_back(activation: Activation, body: EntityBody) -> None:
    try:
        body.cell.rollback()
    except KeyboardInterrupt:
        raise
    except BaseException as worse:  # noqa: BLE001 - validators may have changed their mind
        activation.lost = why_not_loaded(worse)
        logger.error("%s: after a failed operation %s", shown_target(activation.target), activation.lost)


def refuse(
    activation: Activation, body: EntityBody, pending: Pending, effects: Effects, error: BaseException
) -> Failure:
    """Tell whom it concerns that a message has failed, and how."""
    operation = body.known.operations.get(pending.message.operation)
    meter = body.known.meter(operation)
    meter.failed += 1
    meter.count += operation is None
    failure = failure_of(error)
    effects.fail(pending, failure)
    effects.consume(activation, pending)
    if pending.message.reply_to is None and pending.message.task is None:
        logger.warning(
            "%s: operation %s failed (%s); the message is among the dead letters",
            shown_target(activation.target),
            pending.message.operation,
            text_of_error(error),
        )
    return failure


def why_not_loaded(error: BaseException) -> str:
    """The state is not valid any more, a newer version of stead wrote it, or the code that loads it is broken."""
    return text_of(error) if is_a(error, SteadError) else f"its state could not be loaded: {text_of_error(error)}"
