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

from collections import deque
from collections.abc import Awaitable

from stead.entities._message.envelope import Failure
from stead.entities._message.failures import failure_in_stead
from stead.transport import Acquired, Commit, Running
from stead.transport.describing import is_a

from .activation import BLOCKED, BUSY, LOCKED, READY, Activation, Kind
from .building import build_commit
from .careful import CarefulIntake
from .environment import Environment
from .eviction import drop_gone, forget, idle_of
from .holding import held
from .hops import Hopping
from .others import Spanned
from .pending import Pending
from .underway import Underway

__all__ = ["Environment", "Partition", "Started"]

_QUANTUM_S = 0.002  # how long one activation takes turns before the next one of its partition does


class Partition(CarefulIntake):
    """One tenure of a partition's lease: see the module's head."""

    def __init__(self, acquired: Acquired, environment: Environment) -> None:
        super().__init__(acquired, environment)
        self.token = acquired.token
        self.epoch = acquired.epoch
        self.next_due_ms = acquired.next_due_ms
        self.blamed = False  # a turn failed in stead itself, and what is to be left out of the next tenure is known
        self.draining = False  # a release is under way: no new turns
        self.unfinished = False  # the last turns ended in the middle of work that needs no further message
        self._commit_id = acquired.commit_id
        self._ended: deque[tuple[Activation, object, BaseException | None]] = deque()  # busy, and to be finished
        self._marked: Activation | None = None  # busy by a turn that was marked although the rest goes on
        self._flying: Commit | None = None
        self._flying_activations: frozenset[Activation] = frozenset()
        self._flying_spans: list[Spanned] = []
        self._due_meanwhile_ms: int | None = None  # set by commits while timers were being fired
        if environment.hops is not None:
            self.hopping = self.effects.road = Hopping(environment.hops, self, environment.blame)

    # -- turns ---------------------------------------------------------------------------------------------------------

    @property
    def has_turns(self) -> bool:
        """Whether `take_turns` would do something now."""
        return self._first_ready() is not None

    def _first_ready(self) -> Activation | None:
        """The activation whose turn it is, if one may be taken at all.

        Passes over those that were blocked or emptied since they were queued.
        """
        if not self._ready or self.draining or self.gone or self.slice.full:
            return None
        while self._ready:
            activation = self._ready[0]
            if activation.phase is READY:
                if activation.mailbox or activation.express or activation.more:
                    return activation
            elif activation.phase is LOCKED and (activation.express or activation.more):
                return activation
            self._ready.popleft()
            activation.queued = False
        return None

    def take_turns(self, stop_at: float) -> list[Started]:
        """Let ready activations take turns until none is left, `elapsed()` passes `stop_at`, a commit is full, or one has tasks that
        may begin at once.

        They do so one after the other, each for a quantum of time. One that has work left without a message ends the
        slice with its quantum (`unfinished`): it needs nothing but the processor, and the others wait for messages.
        """
        effects, time = self.effects, self.slice
        now = time.elapsed()
        self.unfinished = False
        blame, at_once = self._environment.blame, effects.at_once
        started: list[Started] = []
        last: Activation | None = None
        while (activation := self._first_ready()) is not None:
            end = now + _QUANTUM_S
            time.now, time.stop_at = now, end if end < stop_at else stop_at  # noqa: FURB136 - a call each time
            time.going_on = activation is last
            last = activation
            self._ready.popleft()
            activation.queued = False
            counted = len(activation.mailbox) if activation.phase is READY else 0
            kind = activation.kind
            assert kind is not None, "a ready activation has a kind"
            if self.hopping is not None:
                self.hopping.turning = activation
            try:
                awaitable = self._run_warily(activation, kind) if blame else kind.run(activation, effects, time)
            except BaseException as error:
                if not at_once.beginning:
                    self._blame(activation, time.running, error)
                for start in started:
                    start.close()
                raise
            if awaitable is None:
                self._rest(activation, counted)
                if activation.lost is not None:
                    self._block(activation, activation.lost)
            else:
                self.runnable -= counted
                activation.phase = BUSY
                self._busy[activation] = None
                started.append(Started.of(self, activation, awaitable))
                last = None
            now = time.elapsed()
            if activation.more and now >= time.stop_at:
                self.unfinished = True
                break
            if at_once.waiting or now >= stop_at:
                break
        return started

    def _run_warily(self, activation: Activation, kind: Kind) -> Awaitable[object] | None:
        """If a turn of it failed in stead itself: one turn at a time, until the message that ran then comes, and fails."""
        effects, time, blame = self.effects, self.slice, self._environment.blame
        blamed = blame.get(activation.target)
        if blamed is None:
            return kind.run(activation, effects, time)
        pending = activation.next
        if pending is not None and pending.stream_id:
            failure = blamed.failure_of(pending)
            if failure is not None:
                time.running = pending
                (activation.express or activation.mailbox).popleft()
                self._bury(activation, kind, pending, failure, 1)
                return None
            if self.settled and blamed.passed(pending):  # and nothing of what came before can be lost any more
                del blame[activation.target]
        before, time.one_turn = time.one_turn, True
        try:
            return kind.run(activation, effects, time)
        finally:
            time.one_turn = before

    def _blame(self, activation: Activation, pending: Pending | None, error: BaseException) -> None:
        """A turn failed in stead itself, or what ends the process was raised in it."""
        if not is_a(error, KeyboardInterrupt):
            self.blamed = True
            self._environment.blame.note(activation.target, pending, failure_in_stead(error))

    def finish(self, activation: Activation, result: object, error: BaseException | None) -> None:
        """An asynchronous operation has ended. Ignored if the tenure has ended. It waits while a commit is full."""
        if self.gone or activation not in self._busy:
            return
        if self.hopping is not None:
            self.hopping.came_in_memory()
        if self.slice.full:
            self._ended.append((activation, *held(activation, result, error)))
            return
        del self._busy[activation]
        assert activation.kind is not None, "a busy activation has a kind"
        try:
            activation.kind.finish(activation, self.effects, result, error)
        except BaseException as broken:
            self._blame(activation, activation.current, broken)
            raise
        if self.suspects.careful or activation is self._marked:
            self.effects.clear_running = True
        activation.current = None
        if activation.lost is not None:
            self._block(activation, activation.lost)
        if activation.blocked:
            activation.phase = BLOCKED
            self._stop_suspecting(activation)
        else:
            self._rest(activation, 0)

    @property
    def busy(self) -> bool:
        """Whether asynchronous operations run."""
        return bool(self._busy)

    # -- careful mode (HAZARDS 20) -------------------------------------------------------------------------------------

    @property
    def wants_decoding(self) -> bool:
        """In careful mode: whether `next_undecoded` may be asked for. What it names is to be marked before it is decoded,
        which would write over the marker of a turn that runs, or has not been committed."""
        return bool(self.undecoded) and not self.opens_first and self.settled and not self.draining and not self.gone

    @property
    def wants_opening(self) -> bool:
        """The same for what was loaded: whether `open_next` may be asked for."""
        return bool(self.unopened) and self.settled and not self.draining and not self.gone

    def decoded(self) -> None:
        """What was marked for it has been decoded: no death is to be blamed on it."""
        self.effects.clear_running = True

    def next_careful(self) -> tuple[Activation, Pending | None] | None:
        """In careful mode: the one turn to take next. Its marker has to be in the store before `take_careful`, unless it
        is a turn without a message from the store.

        The turn before has been committed by then: that commit would clear the marker of this one.
        """
        activation = self._first_ready()
        if activation is None or not self.settled:
            return None
        pending = activation.next
        return activation, pending if pending is not None and pending.stream_id else None

    def take_careful(self) -> list[Started]:
        """Take the turn that `next_careful` named."""
        self.slice.one_turn = True
        try:
            started = self.take_turns(float("-inf"))
        finally:
            self.slice.one_turn = False
        self.effects.clear_running = not started  # else it is cleared when the operation has ended
        return started

    @property
    def wants_waking(self) -> bool:
        """Whether `next_waking` may be asked for: its marker must not be cleared by a commit of what came before, nor be
        written over one that counts."""
        if self.draining or self.gone or self.slice.full or not self._aside or self.opens_first:
            return False
        if self.suspects.careful:
            return self.settled and not (self.suspects.turn_comes_first and self.has_turns)
        return self.markers_last and not self._busy

    @property
    def markers_last(self) -> bool:
        """Whether no commit is to come, or under way, that clears markers."""
        return not any(one and (one.clear_running or one.suspect_passed) for one in (self.effects, self._flying))

    def wake_next(self, marked: Running) -> list[Started]:
        """Take the turn that `next_waking` has marked, alone."""
        place = self._next_aside()
        if self.draining or place is None or self.marker_of_waking(self._aside[place][0]) != marked:
            self.effects.clear_running = True
            return []
        activation, message = self._take_aside(place)
        started = self.take_careful()
        self._marked = activation if started else None
        if message is None:
            self.deaths.forget(activation.target)
        return started

    def bury_next(self, activation: Activation, failure: Failure, tries: int) -> None:
        """Instead of a turn: the message has killed its worker too often."""
        pending = activation.next
        assert pending is not None, "a message has killed its worker"
        counted = len(activation.mailbox) if activation.phase is READY else 0
        (activation.express or activation.mailbox).popleft()
        assert activation.kind is not None, "a ready activation has a kind"
        self._bury(activation, activation.kind, pending, failure, tries)
        self.effects.clear_running = True
        self._ready.popleft()
        activation.queued = False
        self._rest(activation, counted)

    def _bury(self, activation: Activation, kind: Kind, pending: Pending, failure: Failure, tries: int) -> None:
        instead = kind.poisoned(activation, pending, failure, self.effects)
        self.effects.bury(instead or pending.envelope, failure, pending.stream_id, tries)
        self.effects.consume(activation, pending)

    # -- commits -------------------------------------------------------------------------------------------------------

    @property
    def wants_commit(self) -> bool:
        return self._flying is None and not self.gone and not self.effects.empty

    @property
    def settled(self) -> bool:
        """Nothing runs, nothing is in flight and nothing is left to commit, here or where something came from in memory."""
        idle = self._flying is None and not self._busy and self.effects.empty
        return idle and (self.hopping is None or not self.hopping.in_component)

    @property
    def flies(self) -> bool:
        """Whether a commit is in flight."""
        return self._flying is not None

    def next_commit(self, batch_id: bytes | None = None) -> Commit:
        """The commit to send, if it goes by itself. Raises `Unstorable`; the tenure has to start anew then."""
        commit = self.build(batch_id)
        self.finish_ended()
        return commit

    def build(self, batch_id: bytes | None = None, *, linked: bool = False) -> Commit:
        """`next_commit`, of which `finish_ended` is the second half. `linked`: to those of other partitions (see `hops`)."""
        assert self._flying is None, "one commit at a time"
        spans = self.effects.spans
        commit = Commit(self.number, self.token, self._commit_id, batch_id or self._environment.draw(16))
        written = build_commit(
            commit, self.effects, self.activations, self.effects.now_ms, self.indexing, linked=linked
        )
        self._flying, self._flying_spans = commit, spans
        self._flying_activations = frozenset(written)
        if commit.unparked:
            self.parking.flying = self._flying_activations
        if self.hopping is not None:
            self.hopping.built()
        return commit

    def finish_ended(self) -> None:
        """There is room again for what has ended meanwhile."""
        while self._ended and not self.slice.full:
            self.finish(*self._ended.popleft())

    def committed(self) -> None:
        """The commit in flight has been applied."""
        assert self._flying is not None, "a verdict belongs to a commit"
        self._commit_id = self._flying.commit_id
        due_ms = min((timer.due_ms for timer in self._flying.timers), default=None)
        if due_ms is not None:
            self.next_due_ms = _earlier(self.next_due_ms, due_ms)
            self._due_meanwhile_ms = _earlier(self._due_meanwhile_ms, due_ms)
        self._flying = None
        for span in self._flying_spans:
            span.committed()
        self.indexing.committed()
        self._flying_activations = self.parking.flying = frozenset()
        self.landed()

    # -- timers --------------------------------------------------------------------------------------------------------

    def fire_begins(self) -> None:
        """The store is about to be asked to fire what is due."""
        self._due_meanwhile_ms = None

    def fired(self, next_due_ms: int | None) -> None:
        """It was, and this is when the next timer is due, of those that were in the store then."""
        self.next_due_ms = _earlier(next_due_ms, self._due_meanwhile_ms)

    # -- memory --------------------------------------------------------------------------------------------------------

    def evict(self, idle_rounds: int) -> int:
        """Drop activations that have received nothing for some rounds and have nothing in flight; how many."""
        idle = idle_of(self.activations.values(), self.round - idle_rounds, self._flying_activations)
        for activation in idle:
            del self.activations[activation.target]
            forget(activation)
        return len(idle)

    def forget_gone(self, activation: Activation) -> None:
        """Drop one that does not exist any more, if nothing of it is in flight: many may end at once."""
        drop_gone(self.activations, activation, self._flying_activations)

    def abandon(self) -> None:
        """Give up the asynchronous operations that still run: their messages stay in the store."""
        self._busy.clear()

    def end(self) -> None:
        """The tenure has ended: nothing of it counts any more."""
        self.gone = True
        if self.hopping is not None:
            self.hopping.end()
        self._busy.clear()
        self._ready.clear()
        for activation in self.activations.values():
            forget(activation)
        self.activations.clear()


Started = Underway[Partition]


def _earlier(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)
