"""Batches: all messages of an operation that wait in a row, as one operation (HAZARDS 110).

1. A batch ends at another operation, at a message about locks or reminders, at what a commit may hold, and at `most`. Its
   length follows the measured time, from one message on: an operation that takes long never holds the worker for a batch.
2. It is all or nothing. If it fails, its messages run one at a time, each as a batch of one; if it sent or answered too much,
   as two batches of half of them. What it did to its items meanwhile is forgotten: they are read anew.
3. A message whose item does not fit fails alone, with the batch around it.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from stead.entities._definition.batched import BatchedOperation
from stead.entities._message.envelope import Message, decode_message
from stead.entities._message.failures import failure_of
from stead.entities._message.shards import logical_target
from stead.entities._tracing import switch
from stead.transport import InvalidInput, PayloadTooLarge, Reply
from stead.transport.describing import is_a

from .batch import MessageBatch, Trouble
from .outcomes import HAS_SHARDS, TooManyEffects, check_sends, keep_reminders, refuse, roll_back, send_all, succeed
from .reminding import check_begun
from .spans import begin_span, drop_span, end_span

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._partition.activation import Activation, Queue
    from stead.entities._partition.effects import Effects
    from stead.entities._partition.slice import Slice

    from .body import EntityBody
    from .cell import Cell
    from .known import Known
    from .turn import Turn


def next_batch(body: EntityBody, operation: Operation, queue: Queue, slice: Slice) -> MessageBatch | None:
    """The messages that run with the first one of a queue, if there are any; None: it runs alone."""
    if operation.most == 1 or type(queue[0].message) is not Message:
        return None
    known, trouble = body.known, body.trouble
    length = min(operation.most, slice.room, known.pace(operation).length)
    if trouble is not None:
        length = min(length, trouble.length, trouble.left)
    batch = _collect(operation, known, queue, length) if length > 1 else None
    if batch is None:
        body.trouble = passed(trouble, 1)
    return batch


def _collect(operation: Operation, known: Known, queue: Queue, length: int) -> MessageBatch | None:
    """The first messages of a queue that can run together, at most so many; None if they are fewer than two."""
    assert isinstance(operation, BatchedOperation), "only such an operation takes many"
    batch, name, item_of = MessageBatch(operation), queue[0].message.operation, operation.item
    items, pendings = batch.items, batch.pendings
    for pending in islice(queue, length):
        message = pending.message
        if type(message) is not Message:
            break
        if message.operation != name and known.find(message.operation) is not operation:  # nearly all spell it alike
            break
        try:
            items.append(item_of(message.args, message.kwargs))
        except InvalidInput as error:
            batch.refused.append((pending, error))
        else:
            pendings.append(pending)
    return batch if len(batch.pendings) > 1 else None


def settle(batch: MessageBatch, cell: Cell, turn: Turn, effects: Effects, result: object) -> None:
    """A batch has succeeded: settle its state, and give the effects what goes to others. Raises if something of it is not
    allowed; then nothing of it has happened.
    """
    operation = batch.operation
    results = operation.results(result, len(batch.pendings))
    check_begun(turn)
    size = check_sends(turn, effects)
    replies: list[Reply] = []
    answers: list[tuple[str, bytes]] = []
    for place, pending in enumerate(batch.pendings):
        message = pending.message
        if message.reply_to is None and message.task is None:
            continue
        if turn.shard is not None:
            raise InvalidInput(f"calling {turn.operation_name!r} of {logical_target(turn.target)}", HAS_SHARDS)
        value = operation.encode_result(None if results is None else results[place])
        if message.reply_to is not None:
            replies.append(effects.answer(message.reply_to, value))
            size += len(replies[-1].payload)
        if message.task is not None:
            answers.append((message.task.instance, effects.encode_task_answer(message.task, True, value)))
            size += len(answers[-1][1])
    limit = effects.settings.batch_bytes_max
    if size > limit and len(batch.pendings) > 1:
        raise PayloadTooLarge(
            f"what a batch of {turn.operation_name!r} sends and answers", size, limit, "batch_bytes_max"
        )
    cell.settle()
    # From here on nothing can fail.
    for reply in replies:
        effects.reply(reply)
    for instance, answer in answers:
        effects.send(instance, answer)
    send_all(turn, effects)


def trouble_of(batch: MessageBatch, error: BaseException) -> Trouble:
    """What becomes of the messages of a batch that failed."""
    for pending in batch.pendings:  # what the operation has done to its items is undone
        if pending.envelope:
            pending.message.args = decode_message(pending.envelope).args
    count = len(batch)
    too_much = is_a(error, (TooManyEffects, PayloadTooLarge))
    return Trouble(count, max(1, count // 2) if too_much else 1)


def passed(trouble: Trouble | None, count: int) -> Trouble | None:
    """So many messages have been dealt with since: whether there is still trouble."""
    if trouble is None:
        return None
    trouble.left -= count
    return trouble if trouble.left > 0 else None


def run_batch(
    activation: Activation, body: EntityBody, turn: Turn, batch: MessageBatch, effects: Effects, slice: Slice
) -> None:
    """Run a batch, and have its messages run in smaller ones if it fails."""
    began, operation, count = slice.elapsed(), batch.operation, len(batch)
    try:
        if switch.on:
            begin_span(turn, *batch.messages)
        result = body.cell.invoke(turn, operation.whole, batch.message)
        end_batch(activation, body, turn, batch, effects, result)
        end_span(turn, effects)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the operation's failure
        turn.end()
        drop_span(turn)
        undo_batch(activation, body, batch, error)
        count = 0  # they run again
    else:
        note_refused(activation, body, batch, slice.elapsed())
    _took(activation, body, operation, count, len(batch), began, slice, len(batch.refused))


def run_alone(
    activation: Activation,
    body: EntityBody,
    turn: Turn,
    queue: Queue,
    effects: Effects,
    slice: Slice,
    operation: Operation,
) -> None:
    """Run a batch of one, the first of the queue. Raises what it raises: that is its failure, which is final."""
    began, pending = slice.elapsed(), queue[0]
    if switch.on:
        begin_span(turn, pending.message)
    result = body.cell.invoke(turn, operation, pending.message)
    succeed(activation, body, turn, pending, effects, result)
    end_span(turn, effects)
    queue.popleft()
    _took(activation, body, operation, 1, 1, began, slice)


def _took(
    activation: Activation,
    body: EntityBody,
    operation: Operation,
    succeeded: int,
    tried: int,
    began: float,
    slice: Slice,
    refused: int = 0,
) -> None:
    """So many have run since, and so many of them count, some of which were refused."""
    ended = slice.elapsed()
    known = body.known
    if succeeded:
        took = ended - began
        known.ran_apart(activation.target, operation, "", ended, took, count=succeeded, refused=refused)
    known.pace(operation).took(tried, ended - began)
    known.name_slow(activation.target, operation.name, ended, ended - began, slice.slow_s)


def end_batch(
    activation: Activation, body: EntityBody, turn: Turn, batch: MessageBatch, effects: Effects, result: object
) -> None:
    """A batch has succeeded. Raises if something that came of it is not allowed."""
    settle(batch, body.cell, turn, effects, result)
    keep_reminders(activation, body, turn, effects)
    turn.end()
    if body.cell.changed:
        if not activation.dirty:
            effects.changed(activation)
        if activation.told:
            effects.tell(activation, body.cell.size_bytes)
    pendings = batch.pendings
    if effects.suspects is None and all(pending.stream_id and not pending.from_park for pending in pendings):
        effects.consume_entries([pending.stream_id for pending in pendings])
    else:
        for pending in pendings:
            effects.consume(activation, pending)
    for pending, refusal in batch.refused:
        refuse(activation, body, pending, effects, refusal)
    mailbox = activation.mailbox
    if len(batch) == len(mailbox):
        mailbox.clear()
    else:
        for _ in range(len(batch)):
            mailbox.popleft()
    body.trouble = passed(body.trouble, len(batch))


def note_refused(activation: Activation, body: EntityBody, batch: MessageBatch | None, at_s: float) -> None:
    """A batch has succeeded: those of its messages that were not carried out are among what failed just now."""
    for pending, refusal in () if batch is None else batch.refused:
        failure = failure_of(refusal).type
        body.known.ran_apart(activation.target, None, pending.message.operation, at_s, 0.0, failure)


def undo_batch(activation: Activation, body: EntityBody, batch: MessageBatch, error: BaseException) -> None:
    """A batch has failed: its messages run in smaller ones."""
    roll_back(activation, body)
    body.trouble = trouble_of(batch, error)
