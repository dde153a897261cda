"""A partition in a worker: what it has received, who may take turns, what has to be committed. It does no I/O.

One `Partition` object is one tenure of one lease. The worker (the shell) carries entries, records and verdicts in, and
commits, loads and parks out:

    inbox entries ── receive ──▶ mailboxes ── take_turns ──▶ effects ── next_commit ──▶ (store) ──▶ committed
                                    ▲  ▲
                   records ── loaded┘  └── refilled ── parked entries

Rules:

1. Every message is in exactly one place: the mailbox of its target, the target's park (or on its way there), or the
   effects of a commit that is not acknowledged yet. Only commits remove messages from the store.
2. At most one commit is in flight. What turns bring about meanwhile goes into the next one (group commit).
3. An activation is dropped from memory only when nothing of it is in flight (HAZARDS 8).
4. A tenure that ended is never revived: `Partition` objects are thrown away with all they hold (HAZARDS 9).
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from stead.transport import Acquired, Commit, Entry, InvalidInput, Settings, StreamId, stream_order

from ._activation import Activation, Blocked, Kind, Park, Pending, Phase
from ._effects import Effects
from ._envelope import Failure, Message, UnknownEnvelope, decode_message
from ._parking import Parking, goes_behind
from ._refusals import Refusal
from ._suspects import Suspects

_BEGINNING: StreamId = b"0"
_WAITING = (Phase.BUSY, Phase.BLOCKED)


@dataclass(frozen=True, slots=True)
class Started:
    """An asynchronous operation that the shell has to await, and to `finish` with what comes of it."""

    partition: Partition
    activation: Activation
    awaitable: Awaitable[object]

    def close(self) -> None:
        """Nobody will await it any more. A coroutine that was cancelled before it began would complain otherwise."""
        if inspect.iscoroutine(self.awaitable):
            self.awaitable.close()


@dataclass(slots=True)
class Environment:
    """What a partition needs of the world, handed in so that tests can choose it."""

    settings: Settings
    partitions: int
    find_kind: Callable[[str], Kind]  # raises Blocked for a kind that this worker does not know
    now_ms: Callable[[], int]
    elapsed: Callable[[], float]
    draw: Callable[[int], bytes]  # random bytes
    pack_each_turn: Callable[[str], None]  # a state of this target could not be stored: find the operation at fault


class Partition:
    """One tenure of a partition's lease: see the module's head."""

    def __init__(self, acquired: Acquired, environment: Environment) -> None:
        self.number = acquired.partition
        self.token = acquired.token
        self.epoch = acquired.epoch
        self.next_due_ms = acquired.next_due_ms
        self.position: StreamId = _BEGINNING  # the inbox has been read up to here
        self.caught_up = False  # the last read came back with less than it could have
        self.draining = False  # a release is under way: no new turns
        self.gone = False  # the tenure has ended
        self.round = 0
        self.runnable = 0  # messages in the mailboxes of READY activations
        self.activations: dict[str, Activation] = {}
        self.unknown_kinds: set[str] = set()
        self.suspects = Suspects(acquired)
        self._environment = environment
        self._settings = environment.settings
        self._commit_id = acquired.commit_id
        self._blocked_before = dict(acquired.blocked)
        self._ready: deque[Activation] = deque()
        self._busy: dict[Activation, None] = {}
        self._ended: deque[tuple[Activation, object, BaseException | None]] = deque()  # busy, and to be finished
        self._to_load: list[Activation] = []
        self._flying: Commit | None = None
        self._flying_activations: frozenset[Activation] = frozenset()
        self._due_meanwhile_ms: int | None = None  # set by commits while timers were being fired
        self.parking = Parking()
        self.effects = Effects(
            environment.partitions, environment.settings, environment.now_ms, environment.elapsed, environment.draw(8)
        )
        self.effects.suspects = self.suspects if self.suspects.active else None
        for target, first in acquired.parked.items():
            activation = self._activation(target)
            activation.park = Park(first)
            self.parking.needs(activation)

    # -- messages come in ----------------------------------------------------------------------------------------------

    def receive(self, entries: Sequence[Entry], caught_up: bool) -> None:
        """Entries of the inbox after `position`, in order; `caught_up` if there were no more."""
        self.round += 1
        self.caught_up = caught_up
        now_ms = self._environment.now_ms()
        for stream_id, fields in entries:
            envelope: bytes = fields[1]
            try:
                message = decode_message(envelope)
            except InvalidInput as error:
                self.effects.bury(envelope, _unreadable(error), stream_id)
                self.effects.consume_entry(stream_id)
                continue
            except UnknownEnvelope as error:
                message = Message(error.target, "", (), b"", None, None, None, None, None)
                self._receive_unreadable(Pending(stream_id, envelope, message, False), str(error))
                continue
            if message.delay_ms is not None or message.due_ms is not None:
                due_ms = _due_ms(stream_id, message)
                if due_ms > now_ms:
                    self.effects.schedule(stream_id, message, due_ms)
                    continue
            activation = self.activations.get(message.target)
            if activation is None:
                activation = self._activation(message.target)
            self._deliver(activation, Pending(stream_id, envelope, message, False), now_ms)
        if entries:
            self.position = entries[-1][0]
        self.suspects.scanned(self.position, caught_up)

    @property
    def wants_catching_up(self) -> bool:
        """Something waits for the end of the inbox to be seen."""
        return not self.caught_up and (self.suspects.active or self.wants_parking)

    def _deliver(self, activation: Activation, pending: Pending, now_ms: int) -> None:
        activation.used = self.round
        mailbox = activation.mailbox
        park = activation.park
        if park is not None and goes_behind(park, pending.stream_id):
            park.waiting.append(pending.stream_id)
            self.parking.needs(activation)
            return
        if not mailbox:
            activation.heard_ms = now_ms
        mailbox.append(pending)
        if self.suspects.active:
            self.suspects.heard(pending.stream_id)
        if activation.phase is Phase.READY:
            self.runnable += 1
            self._queue(activation)
        if len(mailbox) > self._settings.mailbox_length_max:
            self._overflow(activation, self._settings.mailbox_length_max // 2)

    def _queue(self, activation: Activation) -> None:
        if not activation.queued:
            activation.queued = True
            self._ready.append(activation)

    def _receive_unreadable(self, pending: Pending, reason: str) -> None:
        activation = self._activation(pending.message.target)
        self._block(activation, reason)
        self._deliver(activation, pending, self._environment.now_ms())

    def _activation(self, target: str) -> Activation:
        activation = self.activations.get(target)
        if activation is None:
            activation = self.activations[target] = Activation(target)
            self._to_load.append(activation)
        return activation

    # -- loading -------------------------------------------------------------------------------------------------------

    def take_loads(self) -> list[Activation]:
        """The activations whose records are needed; each is named once."""
        loads, self._to_load = self._to_load, []
        return loads

    def loaded(self, activation: Activation, record: bytes | None) -> None:
        """The record of an activation has come, `None` if there is none."""
        if activation.phase is not Phase.LOADING:
            return  # blocked by an unreadable message meanwhile
        activation.stored = record is not None
        target = activation.target
        try:
            activation.kind = self._environment.find_kind(target)
            activation.body = activation.kind.activate(target, record)
        except Blocked as blocked:
            if blocked.kind is not None:
                self.unknown_kinds.add(blocked.kind)
                activation.phase = Phase.BLOCKED
            else:
                self._block(activation, blocked.reason)
            return
        except InvalidInput as error:  # the target is not one that can exist
            activation.kind = Refusal(str(error))
        if self._blocked_before.pop(target, None) is not None:
            self.effects.unblock(target)
        activation.phase = Phase.READY
        if activation.mailbox:
            self.runnable += len(activation.mailbox)
            self._queue(activation)

    def _block(self, activation: Activation, reason: str) -> None:
        if activation.phase is Phase.READY:
            self.runnable -= len(activation.mailbox)
        activation.blocked = True
        if activation.phase is not Phase.BUSY:  # what runs may end
            activation.phase = Phase.BLOCKED
        if self._blocked_before.get(activation.target) != reason:
            self._blocked_before[activation.target] = reason
            self.effects.block(activation.target, reason)

    # -- turns ---------------------------------------------------------------------------------------------------------

    @property
    def has_turns(self) -> bool:
        """Whether `take_turns` would do something now."""
        return self._first_ready() is not None

    def _first_ready(self) -> Activation | None:
        """The activation whose turn it is, if one may be taken at all.

        Passes over those that were blocked or emptied since they were queued.
        """
        if self.draining or self.gone or self.effects.full:
            return None
        while self._ready:
            activation = self._ready[0]
            if activation.phase is Phase.READY and activation.mailbox:
                return activation
            self._ready.popleft()
            activation.queued = False
        return None

    def take_turns(self, stop_at: float) -> list[Started]:
        """Let ready activations take turns until none is left, `elapsed()` passes `stop_at`, or a commit is full."""
        effects = self.effects
        effects.stop_at = stop_at
        started: list[Started] = []
        while (activation := self._first_ready()) is not None:
            self._ready.popleft()
            activation.queued = False
            before = len(activation.mailbox)
            assert activation.kind is not None, "a ready activation has a kind"
            awaitable = activation.kind.run(activation, effects)
            self._ran(activation, before, awaitable is not None)
            if awaitable is not None:
                started.append(Started(self, activation, awaitable))
            if effects.elapsed() >= stop_at:
                break
        return started

    def _ran(self, activation: Activation, before: int, busy: bool) -> None:
        self.runnable -= before - len(activation.mailbox)
        if busy:
            self.runnable -= len(activation.mailbox)
            activation.phase = Phase.BUSY
            self._busy[activation] = None
        elif activation.mailbox:
            self._queue(activation)
        elif activation.park is not None:
            self.parking.needs(activation)

    def finish(self, activation: Activation, result: object, error: BaseException | None) -> None:
        """An asynchronous operation has ended. Ignored if the tenure has ended. It waits while a commit is full."""
        if self.gone or activation not in self._busy:
            return
        if self.effects.full:
            self._ended.append((activation, result, error))
            return
        del self._busy[activation]
        assert activation.kind is not None, "a busy activation has a kind"
        activation.kind.finish(activation, self.effects, result, error)
        self.effects.clear_running = self.suspects.careful
        if activation.blocked:
            activation.phase = Phase.BLOCKED
        else:
            activation.phase = Phase.READY
            self.runnable += len(activation.mailbox)
            self._ran(activation, len(activation.mailbox), False)

    @property
    def busy(self) -> bool:
        """Whether asynchronous operations run."""
        return bool(self._busy)

    # -- careful mode (HAZARDS 20) -------------------------------------------------------------------------------------

    def next_careful(self) -> tuple[Activation, Pending] | None:
        """In careful mode: the one turn to take next. Its marker has to be in the store before `take_careful`.

        The turn before has been committed by then: that commit would clear the marker of this one.
        """
        activation = self._first_ready()
        if activation is None or not self.settled:
            return None
        return activation, activation.mailbox[0]

    def take_careful(self) -> list[Started]:
        """Take the turn that `next_careful` named."""
        self.effects.one_turn = True
        try:
            started = self.take_turns(float("-inf"))
        finally:
            self.effects.one_turn = False
        self.effects.clear_running = not started  # else it is cleared when the operation has ended
        return started

    def bury_next(self, activation: Activation, failure: Failure, tries: int) -> None:
        """Instead of a turn: the message has killed its worker too often."""
        pending = activation.mailbox.popleft()
        self.effects.fail(pending, failure, tries)
        if pending.message.reply_to is not None:  # a caller is told, and people can see it too
            self.effects.bury(pending.envelope, failure, pending.stream_id, tries)
        self.effects.consume(activation, pending)
        self.effects.clear_running = True
        self.runnable -= 1
        self._ready.popleft()
        activation.queued = False
        self._ran(activation, len(activation.mailbox), False)

    def settle_suspects(self) -> None:
        """Leave careful mode, or forget an unclean end, once every message from before it has been dealt with."""
        if not self.suspects.active or self._busy:
            return
        if self.suspects.passed and not self._to_load and not self.parking.unread(self.suspects.until):
            self.suspects.settle()
            self.effects.suspects = None
            self.effects.suspect_passed = True

    # -- commits -------------------------------------------------------------------------------------------------------

    @property
    def wants_commit(self) -> bool:
        return self._flying is None and not self.gone and not self.effects.empty

    @property
    def settled(self) -> bool:
        """Nothing runs, nothing is in flight and nothing is left to commit."""
        return self._flying is None and not self._busy and self.effects.empty

    def next_commit(self) -> Commit:
        """The commit to send. Raises `Unstorable`; the tenure has to start anew then."""
        assert self._flying is None, "one commit at a time"
        commit, written = self.effects.build(self.number, self.token, self._commit_id, self._environment.draw(16))
        self._flying = commit
        self._flying_activations = frozenset(written)
        if commit.unparked:
            self.parking.flying = self._flying_activations
        while self._ended and not self.effects.full:
            self.finish(*self._ended.popleft())
        return commit

    def committed(self) -> None:
        """The commit in flight has been applied."""
        assert self._flying is not None, "a verdict belongs to a commit"
        self._commit_id = self._flying.commit_id
        due_ms = min((timer.due_ms for timer in self._flying.timers), default=None)
        if due_ms is not None:
            self.next_due_ms = _earlier(self.next_due_ms, due_ms)
            self._due_meanwhile_ms = _earlier(self._due_meanwhile_ms, due_ms)
        self._flying = None
        self._flying_activations = self.parking.flying = frozenset()

    # -- timers --------------------------------------------------------------------------------------------------------

    def fire_begins(self) -> None:
        """The store is about to be asked to fire what is due."""
        self._due_meanwhile_ms = None

    def fired(self, next_due_ms: int | None) -> None:
        """It was, and this is when the next timer is due, of those that were in the store then."""
        self.next_due_ms = _earlier(next_due_ms, self._due_meanwhile_ms)

    # -- parks ---------------------------------------------------------------------------------------------------------

    @property
    def wants_parking(self) -> bool:
        return self.parking.busy

    def _overflow(self, activation: Activation, keep: int) -> None:
        """Move all but the first `keep` messages of a mailbox towards the park."""
        moved = self.parking.overflow(activation, keep)
        if activation.phase is Phase.READY:
            self.runnable -= len(moved)
        if self.suspects.active:
            for pending in moved:
                self.suspects.done(pending.stream_id)

    def park_the_old(self) -> None:
        """Park what has waited too long, so that old entries do not pin the inbox in the server's memory."""
        now_ms = self._environment.now_ms()
        oldest_ms = now_ms - self._settings.mailbox_age_ms_max
        for activation in self.activations.values():
            if activation.mailbox and activation.phase in _WAITING and activation.heard_ms <= oldest_ms:
                activation.heard_ms = now_ms
                self._overflow(activation, 0)

    def take_refills(self) -> list[tuple[Activation, StreamId]]:
        """Activations whose mailboxes are empty and whose parks are not: where to read on. Answer with `refilled`."""
        return self.parking.take_refills(self.position, self.caught_up)

    def refilled(self, activation: Activation, entries: Sequence[Entry], count: int) -> None:
        """The next parked messages of a target; fewer than `count` if there are no more."""
        park = activation.park
        assert park is not None, "a park was read"
        park.moving = False
        for stream_id, fields in entries:
            envelope: bytes = fields[1]
            try:
                message = decode_message(envelope)
            except UnknownEnvelope as error:
                activation.phase = Phase.BLOCKED  # it was READY with an empty mailbox: nothing to count
                self._block(activation, str(error))
                break
            except InvalidInput as error:  # whoever parked it could read it
                message = Message(activation.target, "", (), b"", None, None, None, None, None)
                self.effects.bury(envelope, _unreadable(error), stream_id)
                self._take_from_park(activation, park, Pending(stream_id, envelope, message, True))
                self.effects.consume(activation, activation.mailbox.pop())
                continue
            self._take_from_park(activation, park, Pending(stream_id, envelope, message, True))
        activation.heard_ms = self._environment.now_ms()
        activation.used = self.round
        if activation.phase is not Phase.READY:
            return
        if len(entries) < count and not park.waiting:
            self.parking.exhausted(activation, park)
            if not park.outstanding:
                self.effects.drain(activation)
        if activation.mailbox:
            self.runnable += len(activation.mailbox)
            self._queue(activation)

    def _take_from_park(self, activation: Activation, park: Park, pending: Pending) -> None:
        activation.mailbox.append(pending)
        if self.suspects.active:
            self.suspects.heard(pending.stream_id)
        park.outstanding += 1
        park.after = pending.stream_id

    # -- memory --------------------------------------------------------------------------------------------------------

    def evict(self, idle_rounds: int) -> int:
        """Drop activations that have received nothing for some rounds and have nothing in flight; how many."""
        before = self.round - idle_rounds
        flying = self._flying_activations
        idle = [
            activation
            for activation in self.activations.values()
            if activation.used <= before
            and activation.phase is Phase.READY
            and not activation.mailbox
            and not activation.dirty
            and activation.park is None
            and activation not in flying
        ]
        for activation in idle:
            del self.activations[activation.target]
        return len(idle)

    def abandon(self) -> None:
        """Give up the asynchronous operations that still run: their messages stay in the store."""
        self._busy.clear()

    def end(self) -> None:
        """The tenure has ended: nothing of it counts any more."""
        self.gone = True
        self._busy.clear()
        self._ready.clear()
        self.activations.clear()


def _unreadable(error: InvalidInput) -> Failure:
    return Failure("invalid_input", "InvalidInput", str(error))


def _earlier(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)


def _due_ms(stream_id: StreamId, message: Message) -> int:
    """When a scheduled signal is due: its due time, or its acceptance plus its delay (HAZARDS 24)."""
    if message.due_ms is not None:
        return message.due_ms
    assert message.delay_ms is not None, "a scheduled signal has a delay or a due time"
    return stream_order(stream_id)[0] + message.delay_ms
