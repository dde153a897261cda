"""How an entity takes turns: one operation at a time, each a transaction (invariants 3 and 5).

An operation that succeeds leaves its state settled and its signals and reply among the effects. One that fails leaves
nothing: the state is rolled back to the last settled one, its signals are forgotten, its caller gets the error, and if
it has no caller the message becomes a dead letter. The operations before and after it are untouched.

While an orchestration has locked the entity (see `locks`), only its calls and the release run. What a reminder fires runs as
any other operation, if the reminder still stands (see `reminding`).

So everything that can fail comes before the state is settled, and settling it is the last of that. Whatever the user's
code raises is the failure of its operation, never of the worker; only what ends the process is let through.

This is the hottest code of stead: everything that does not depend on the message is looked up once per activation.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from stead.entities._definition.entity_type import Operation
from stead.entities._definition.registry import Registry
from stead.entities._measures.measures import Measures
from stead.entities._message.due import Due
from stead.entities._message.envelope import LOCK, RELEASE, Failure, Firing, Message
from stead.entities._message.ids import BUILT_IN, KEY_LENGTH_MAX, EntityId, check_key
from stead.entities._message.record import BriefRecords, decode_record, encode_record
from stead.entities._message.reminders import EXPIRY
from stead.entities._message.shards import check_target_key, logical_target
from stead.entities._partition.activation import Activation, Blocked, Locked, Queue
from stead.entities._partition.effects import Effects
from stead.entities._partition.pending import Pending
from stead.entities._partition.slice import Slice
from stead.entities._tracing import switch
from stead.transport import InvalidInput, PayloadLimit, get_logger

from .batch import MessageBatch
from .batching import end_batch, next_batch, note_refused, run_alone, run_batch, undo_batch
from .body import EntityBody
from .cell import Cell, cells_of
from .expiry import drop_reminder, is_use, keep_alive, note_end, passes_expiry
from .held import Stepped
from .known import BRIEF_S, Known
from .locks import LockState
from .outcomes import HAS_SHARDS, fail, is_sharded, succeed, why_not_loaded
from .reminding import Reminders, begin_firing
from .spans import begin_span, drop_span, end_span, goes_on
from .turn import NO_REMINDERS, Turn

logger = get_logger("stead.worker")


class EntityKind:
    """The kind of class and function entities: see the module's head. Implements `Kind`."""

    def __init__(
        self,
        registry: Registry,
        now_ms: Callable[[], int],
        state_bytes_max: int | PayloadLimit,
        measures: Measures | None = None,
        elapsed: Callable[[], float] | None = None,
    ) -> None:
        """`elapsed`, in seconds, is what operations are timed by that wait for something."""
        self._registry = registry
        self._measures = measures or Measures()
        self._elapsed = elapsed or (lambda: 0.0)
        self._now_ms = now_ms
        self._limit = PayloadLimit(state_bytes_max) if isinstance(state_bytes_max, int) else state_bytes_max
        self._known: dict[str, Known] = {}  # by canonical name
        self._turn = Turn(registry, now_ms)  # that of all operations that are not asynchronous
        self._records = BriefRecords()
        self.eager: set[str] = set()  # targets whose state has to be packed after each operation

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        parts = target.split("@", 2)
        known = self._known.get(parts[1]) if len(parts) == 3 and not parts[0] else None
        if known is None:
            known = self._know(target)
        else:
            key = parts[2]
            if not (len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()):  # most are
                check_target_key(key)
        eager = bool(self.eager) and target in self.eager
        try:
            if record is None:
                return EntityBody(known, known.cell_of(None, eager))
            packed, _, stored, more = decode_record(record)
            lock = None if stored is None else LockState.of(stored)
            reminders = Reminders.of(more) if more else None
            body = EntityBody(known, known.cell_of(packed, eager))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # validators and `migrate` are the user's
            raise Blocked(why_not_loaded(error)) from error
        body.reminders = reminders
        if lock is None:
            return body
        body.lock = lock
        return body if lock.request is None else Locked(body)

    def takes_offer(self, activation: Activation, message: Message) -> bool:
        if message.operation in (LOCK, RELEASE):
            return True
        body: EntityBody = activation.body
        operation = body.known.operations.get(message.operation)
        return operation is not None and not operation.is_async

    def _know(self, target: str) -> Known:
        """What is known of a target's entity. Raises `InvalidInput` if it is no target, `Blocked` if nothing is known."""
        if target.startswith(f"@{BUILT_IN}"):
            name, _, key = target[1:].partition("@")
            check_key(key)
        else:
            logical = logical_target(target)
            check_target_key(target.partition("@")[2].partition("@")[2])
            entity_id = EntityId.parse(logical)
            if str(entity_id) != logical:
                raise InvalidInput(f"target {target!r}", f"its canonical form is {str(entity_id)!r}")
            name = entity_id.canonical_name
        entity_type = self._registry.get(name)
        if entity_type is None:
            raise Blocked(f"no entity named {name!r} is registered in this worker", name)
        return self._known.setdefault(name, Known(entity_type, self._measures, cells_of(entity_type, self._limit)))

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        body: EntityBody = activation.body
        uses, used = activation.uses, False
        if uses is not None and (first := activation.next) is not None:
            used = is_use(activation, first.message)
            if used and body.cell.exists:
                keep_alive(activation, body, uses, effects)
        else:
            uses = None
        self._turn.serve(activation.target, effects, NO_REMINDERS if body.reminders is None else body.reminders)
        awaitable: Awaitable[object] | None = None
        done = False
        if activation.express:
            awaitable = self._take(activation, body, activation.express, effects, slice, express=True)
            slice.now = slice.elapsed()
            done = awaitable is not None or bool(activation.express) or slice.one_turn or slice.full
        if not (done or activation.locked) and activation.lost is None:
            awaitable = self._take(activation, body, activation.mailbox, effects, slice, express=False)
        if uses is not None:
            if used:
                keep_alive(activation, body, uses, effects)
            elif not body.cell.exists:
                note_end(activation, uses, effects)
        return awaitable

    def _take(
        self,
        activation: Activation,
        body: EntityBody,
        queue: Queue,
        effects: Effects,
        slice: Slice,
        *,
        express: bool,
    ) -> Awaitable[object] | None:
        """Take turns on the mailbox or on the express messages."""
        cell, turn, known, failure, stop = body.cell, self._turn, body.known, "", False
        find, elapsed, stop_at, one_turn = known.operations.get, slice.elapsed, slice.stop_at, slice.one_turn
        last: Operation | None = None  # that ran so often in a row, since then
        brief = usual = known.brief_s(activation.target) if known.recent.watched else BRIEF_S
        started, count, since, traced = slice.now, 0, 0.0, switch.on
        if not slice.going_on and cell.disturbed() and not self._resume(activation, cell):
            return None
        while queue:
            slice.running = pending = queue[0]
            message = pending.message
            operation = find(message.operation)
            try:
                if (operation is None or express) and self._is_done(activation, body, queue, effects):
                    effects.consume(activation, pending)
                    stop = activation.locked and not express
                else:
                    if operation is None:
                        message = (pending := queue[0]).message  # another one, if a reminder is due
                        operation = find(message.operation) or known.of(message)
                    if operation.apart:
                        known.ran_before(activation.target, last, count, since, started)
                        count = 0
                        return self._take_apart(activation, body, queue, effects, slice, operation, express=express)
                    if traced:
                        _run_spanned(activation, body, turn, pending, effects, operation)
                    else:
                        succeed(activation, body, turn, pending, effects, cell.invoke(turn, operation, message))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the operation's failure
                turn.end()
                end_span(turn, effects, error)
                failure, brief = fail(activation, body, pending, effects, error), -1.0
                stop = activation.lost is not None
            queue.popleft()
            ended = elapsed()
            if operation is not last or ended - started > brief:
                if count:
                    known.ran_before(activation.target, last, count, since, started)
                last, count, since = operation, 0, started
                if ended - started > brief:
                    last, count, brief, failed, failure = None, -1, usual, failure, ""  # it is counted, here
                    known.took(activation.target, operation, message, ended, ended - started, failed, slice.slow_s)
            count += 1
            started = ended
            if not queue or stop or one_turn or ended >= stop_at or slice.full:  # the dearest question last
                break
        known.ran_before(activation.target, last, count, since, started)
        return None

    def _take_apart(
        self,
        activation: Activation,
        body: EntityBody,
        queue: Queue,
        effects: Effects,
        slice: Slice,
        operation: Operation,
        *,
        express: bool,
    ) -> Awaitable[object] | None:
        """Take the turn of an operation that is asynchronous, or takes many messages. Raises what it raises."""
        batch = None if express or slice.one_turn else next_batch(body, operation, queue, slice)
        if operation.is_async:
            return self._start(activation, body, queue, effects, operation, batch)
        if batch is not None:
            run_batch(activation, body, self._turn, batch, effects, slice)
        else:
            run_alone(activation, body, self._turn, queue, effects, slice, operation)
        return None

    def _start(
        self,
        activation: Activation,
        body: EntityBody,
        queue: Queue,
        effects: Effects,
        operation: Operation,
        batch: MessageBatch | None,
    ) -> Awaitable[object]:
        """Start an asynchronous operation, in a turn of its own."""
        turn = body.turn = Turn(self._registry, self._now_ms)
        turn.serve(activation.target, effects, NO_REMINDERS if body.reminders is None else body.reminders)
        turn.take_over(self._turn)
        turn.began_s = self._elapsed()
        try:
            body.cell.detach()
            if switch.on:
                begin_span(turn, *([queue[0].message] if batch is None else batch.messages))
            if batch is None:
                awaitable = body.cell.invoke(turn, operation, queue[0].message)
            else:
                awaitable = body.cell.invoke(turn, batch.operation.whole, batch.message)
        except BaseException:
            turn.end()
            self._turn.span, turn.span = turn.span, None  # which ends it
            body.turn = None
            raise
        if operation.most > 1:
            awaitable = Stepped(awaitable, self._elapsed, turn.held)
        if batch is not None:
            body.batch = batch
            activation.taken = len(batch)
        activation.current = queue[0]
        return goes_on(turn, cast("Awaitable[object]", awaitable))

    def _resume(self, activation: Activation, cell: Cell) -> bool:
        """Undo what was done to the state since the last operation ended. False: it cannot be had any more."""
        try:
            if not cell.resume():
                _report_stray(activation.target)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - validators may have changed their mind
            activation.lost = why_not_loaded(error)
            logger.error("%s: between operations %s", activation.target, activation.lost)
        return activation.lost is None

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        body: EntityBody = activation.body
        turn = body.turn
        assert turn is not None, "an asynchronous operation has a turn of its own"
        queue = activation.runs
        pending, batch = queue[0], body.batch
        if error is None:
            try:
                if batch is None:
                    succeed(activation, body, turn, pending, effects, result)
                else:
                    end_batch(activation, body, turn, batch, effects, result)
            except KeyboardInterrupt:
                raise
            except BaseException as late:  # noqa: BLE001 - an invalid state or result is the operation's failure
                error = late
        if batch is not None and error is not None:
            drop_span(turn)
        end_span(turn, effects, error)
        failure = ""
        if error is not None:
            turn.end()
            if batch is None:
                failure = fail(activation, body, pending, effects, error)
            else:
                undo_batch(activation, body, batch, error)
        ran = 1 if batch is None else len(batch) * (error is None)
        if ran:
            now, refused = self._elapsed(), 0 if batch is None else len(batch.refused)
            took = now - turn.began_s
            body.known.ran_apart(activation.target, turn.operation, "", now, took, failure, count=ran, refused=refused)
            note_refused(activation, body, batch, now)
        operation = turn.operation if batch is None else batch.operation
        if operation.most > 1:
            body.known.pace(operation).took(1 if batch is None else len(batch), turn.held_s)
        body.turn = body.batch = None
        body.cell.leave(self._turn)
        if batch is None:
            queue.popleft()
        activation.taken = 1
        uses = activation.uses
        if uses is not None and (type(pending.message) is not Due or not body.cell.exists):
            keep_alive(activation, body, uses, effects)

    def hold(self, activation: Activation, result: object) -> object:
        body: EntityBody = activation.body
        body.cell.hold()
        assert body.turn is not None, "an asynchronous operation has a turn of its own"
        body.turn.close()
        try:
            return copy.deepcopy(result)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - whether it can be stored is found out when it is
            return result

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        body: EntityBody = activation.body
        packed = body.cell.record()
        if body.lock is None and not body.reminders:  # most
            return None if packed is None else self._records.encode(packed, now_ms)
        lock = None if body.lock is None else body.lock.as_record()
        more = {"r": body.reminders.as_record()} if body.reminders else None
        return None if packed is None and lock is None and more is None else encode_record(packed, now_ms, lock, more)

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> bytes | None:
        effects.refuse(pending, failure)
        reminders, message = cast("EntityBody", activation.body).reminders, pending.message
        if type(message) is Firing and reminders is not None:
            return reminders.poisoned(activation, message, effects)
        return None

    def forget(self, activation: Activation) -> None:
        pass  # an operation that still runs is cancelled by whoever awaits it

    def _is_done(self, activation: Activation, body: EntityBody, queue: Queue, effects: Effects) -> bool:
        """Carry out what concerns the lock, refuse calls by who does not hold it, and pass over reminders that do not stand
        any more. False: an operation is the first in the queue."""
        pending = queue[0]
        message = pending.message
        if type(message) is Firing:
            if message.reminder == EXPIRY:
                drop_reminder(activation, body, effects)
                return True
            due = begin_firing(body.reminders, pending, self._turn, effects)
            if due is None:
                return True
            queue[0] = due
            return False
        if type(message) is Due:
            return passes_expiry(activation, body, message, effects)
        if message.operation in (LOCK, RELEASE):
            if message.operation == LOCK and is_sharded(body, activation.target, effects):
                raise InvalidInput(f"the lock of {logical_target(activation.target)}", HAS_SHARDS)
            lock = body.lock = body.lock or LockState()
            (lock.asked if message.operation == LOCK else lock.released)(activation, message, effects)
            return True
        if message.lock is None or (body.lock is not None and body.lock.request == message.lock):
            return False
        effects.fail(pending, Failure("operation", "LockLost", f"{activation.target} is not locked by who calls it"))
        return True


def _run_spanned(
    activation: Activation, body: EntityBody, turn: Turn, pending: Pending, effects: Effects, operation: Operation
) -> None:
    """Run an operation of which is told when it ran. Raises what it raises."""
    begin_span(turn, pending.message)
    result = body.cell.invoke(turn, operation, pending.message)
    succeed(activation, body, turn, pending, effects, result)
    end_span(turn, effects)


def _report_stray(target: str) -> None:
    logger.warning(
        "%s: its state was changed after the operation had ended, by something that it left running or that kept a part of "
        "the state: that has no effect; await what you start inside the operation, and keep copies",
        target,
    )
