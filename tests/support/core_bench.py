"""One partition on a bench: the pure core, the pure steps of a hub in memory, and a kind that only keeps a list.

Nothing here waits, and nothing happens by itself: a test carries entries, records, commits and verdicts by hand, in the
order in which it wants to see them.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from stead.entities._index.catalogue import NOTHING
from stead.entities._message.envelope import Failure, ReplyAddress, TaskAddress, encode_message, message_extras
from stead.entities._message.letters import Letter, decode_letter
from stead.entities._message.record import decode_record, encode_record
from stead.entities._partition.activation import Activation, Blocked, Kind
from stead.entities._partition.building import build_commit
from stead.entities._partition.effects import Effects
from stead.entities._partition.indexing import Indexing
from stead.entities._partition.partition import Environment, Partition, Started
from stead.entities._partition.pending import Pending
from stead.entities._partition.slice import Slice
from stead.transport import (
    Commit,
    CommitAnswer,
    CommitVerdict,
    Entry,
    HubLayout,
    Loaded,
    Settings,
    StreamId,
    pack,
    unpack,
)
from stead.transport._memory import steps
from stead.transport._memory.commits import commit as write_commits
from stead.transport._memory.state import HubState, PartitionState
from stead.transport._memory.streams import format_id

LEASE_MS = 10_000


class Awaited:
    """Stands for an asynchronous operation that runs: the core only hands it on."""

    def __await__(self) -> Any:
        raise AssertionError("the core awaits nothing")


class Died(BaseException):
    """Stands for the end of the process: whoever holds the partition does nothing any more."""


class ListKind:
    """Targets whose state is a list of what was added to it. Implements `Kind`."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, object]] = []  # every turn that began, in order
        self.reasons: dict[str, Blocked] = {}  # targets that cannot be activated

        self.forgotten: list[str] = []
        self.kills: set[str] = set()  # targets whose activation ends the process
        self.deadly: set[object] = set()  # arguments of turns, or targets that go on without one, that end it

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        if target in self.kills:
            raise Died(target)
        if target in self.reasons:
            raise self.reasons[target]
        return [] if record is None else unpack(decode_record(record).packed_state or b"")

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        if activation.more:
            activation.more = False
            self.ran.append((activation.target, "more"))
            if activation.target in self.deadly:
                raise Died(activation.target)
            if slice.one_turn:
                return None
        while (pending := activation.next) is not None:
            slice.running = activation.current = pending
            self.ran.append((activation.target, pending.message.args[0]))
            if self.deadly and pending.message.args[0] in self.deadly:
                raise Died(activation.target)
            if pending.message.operation == "wait":
                return Awaited()
            self._end(activation, effects, None)
            if slice.over:
                break
        return None

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        self._end(activation, effects, error)

    def _end(self, activation: Activation, effects: Effects, error: BaseException | None) -> None:
        pending = activation.runs.popleft()
        activation.current = None
        message = pending.message
        if error is not None or message.operation == "fail":
            effects.fail(pending, Failure("operation", "ValueError", str(error)))
        else:
            cast("list[object]", activation.body).append(message.args[0])
            effects.changed(activation)
            if message.operation in ("lock", "unlock"):
                activation.locked = message.operation == "lock"
            if message.operation == "tell":
                target = cast("str", message.args[1])
                envelope = encode_message(target, "add", [message.args[0]], effects.next_message_id())
                effects.send(target, envelope)
            if message.reply_to is not None:
                effects.reply(effects.answer(message.reply_to, message.args[0]))
        effects.consume(activation, pending)

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        body = cast("list[object]", activation.body)
        return encode_record(pack(body), now_ms) if body else None

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        effects.refuse(pending, failure)

    def forget(self, activation: Activation) -> None:
        self.forgotten.append(activation.target)


class Bench:
    """A hub of one partition, its clock, and whoever holds its lease."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(partitions=1, **settings)
        self.hub = HubState(HubLayout("hub", "id", 1, 1, "direct", 1, 0), [PartitionState()])
        self.kind = ListKind()
        self.now_ms = 1_000_000
        self.elapsed = 0.0
        self.random = itertools.count(1)
        self.program = "0a"
        self.catalogue = NOTHING
        self.find_kind: Callable[[str], Kind] = lambda target: self.kind
        self._message_ids = itertools.count(1)

    @property
    def store(self) -> PartitionState:
        return self.hub.partitions[0]

    # -- clients -------------------------------------------------------------------------------------------------------

    def put(
        self,
        target: str,
        *args: object,
        operation: str = "add",
        delay_ms: int | None = None,
        due_ms: int | None = None,
        reply_to: ReplyAddress | None = None,
        task: TaskAddress | None = None,
        lock: bytes | None = None,
    ) -> StreamId:
        """Put a message for a target into the inbox."""
        message_id = next(self._message_ids).to_bytes(4, "big")
        extras = message_extras(delay_ms=delay_ms, due_ms=due_ms, reply_to=reply_to, task=task, lock=lock)
        return self.put_raw(encode_message(target, operation, list(args), message_id, extras))

    def put_raw(self, envelope: bytes) -> StreamId:
        return format_id(self.store.inbox.append(self.now_ms, envelope))

    def put_range(self, target: str, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.put(target, number)

    def state(self, target: str) -> list[Any]:
        """The committed state of a target."""
        record = self.store.records.get(target)
        return [] if record is None else unpack(decode_record(record).packed_state or b"")

    @property
    def letters(self) -> list[Letter]:
        return [decode_letter(letter) for letter in self.store.dead.entries.values()]

    # -- leases --------------------------------------------------------------------------------------------------------

    def draw(self, length: int) -> bytes:
        return next(self.random).to_bytes(length, "big")

    def acquire(self) -> Partition:
        """Begin a tenure, taking the lease from whoever has it."""
        acquired = steps.acquire(0, self.store, "worker", self.draw(16), self.store.lease.token, LEASE_MS, self.now_ms)
        assert acquired is not None
        acquired = acquired.adopted(self.catalogue.version, self.store.built)
        environment = Environment(
            settings=self.settings,
            partitions=1,
            find_kind=self.find_kind,
            now_ms=lambda: self.now_ms,
            elapsed=lambda: self.elapsed,
            draw=self.draw,
            pack_each_turn=lambda target: None,
            program=self.program,
            catalogue=self.catalogue,
        )
        return Partition(acquired, environment)

    def release(self, partition: Partition) -> None:
        assert steps.release(self.store, partition.token, self.now_ms)
        partition.end()

    # -- what a worker's parts do --------------------------------------------------------------------------------------

    def read(self, partition: Partition, count: int = 1_000) -> int:
        """Read on in the inbox."""
        entries: Sequence[Entry] = self.store.inbox.read(partition.position, count)
        partition.receive(entries, caught_up=not entries)
        return len(entries)

    def load(self, partition: Partition) -> int:
        """Load the records of new activations, as soon as they may be looked into."""
        loads = partition.take_loads()
        for activation in loads:
            if partition.suspects.careful:
                partition.put_loaded_aside(activation, self.stored(activation.target))
            else:
                partition.loaded(activation, self.stored(activation.target))
        while partition.wants_opening:
            running = partition.marker_of_next()
            if running is not None:
                assert steps.mark_running(self.store, partition.token, running)
            done = partition.open_next()
            while not done:
                done = partition.open_on()
        return len(loads)

    def stored(self, target: str) -> Loaded:
        """What the store has of a target."""
        return Loaded(self.store.records.get(target), tuple(self.store.logs.get(target, ())))

    def turn(self, partition: Partition) -> list[Started]:
        return partition.take_turns(float("inf"))

    def apply(self, commit: Commit) -> CommitAnswer:
        [answer] = write_commits(self.hub, [commit], self.now_ms, self.settings.dead_letters_max, 1_000)
        return answer

    def commit(self, partition: Partition) -> Commit:
        """Build the next commit, apply it and say so."""
        commit = partition.next_commit()
        assert self.apply(commit) is CommitVerdict.APPLIED
        partition.committed()
        return commit

    def park(self, partition: Partition) -> int:
        """Move what waits to be moved to parks."""
        moves = partition.parking.take_parks()
        for activation, stream_ids in moves:
            assert steps.park(0, self.store, partition.token, activation.target, stream_ids)
            partition.parking.parked(activation)
        return len(moves)

    def refill(self, partition: Partition, count: int = 1_000) -> int:
        """Read parks back where that is wanted."""
        refills = partition.take_refills()
        for activation, after in refills:
            park = self.store.parks.get(activation.target)
            partition.refilled(activation, park.read(after, count) if park is not None else [], count)
        return len(refills)

    def fire(self, partition: Partition) -> int:
        """Fire what is due."""
        partition.fire_begins()
        fired = steps.fire_timers(0, self.store, partition.token, 100, self.now_ms)
        assert fired is not None
        partition.fired(fired[1])
        return fired[0]

    def deliver(self, partition: Partition) -> None:
        """Read and load all there is."""
        while self.read(partition) or self.load(partition):
            pass

    def work(self, partition: Partition) -> list[Started]:
        """Do all there is to do; gives the asynchronous operations that began."""
        started: list[Started] = []
        for _ in range(10_000):
            did = self.read(partition) + self.load(partition) + self.wake(partition, started)
            if partition.suspects.careful:
                did += self.careful_turn(partition, started)
            else:
                turns = len(self.kind.ran)
                started += self.turn(partition)
                did += len(self.kind.ran) - turns
            partition.settle_suspects()
            if partition.wants_commit:
                self.commit(partition)
                did += 1
            did += self.park(partition) + self.refill(partition)
            if not did:
                return started
        raise AssertionError("it never ends")

    def careful_turn(self, partition: Partition, started: list[Started]) -> int:
        """Mark and take one turn in careful mode, or bury its message."""
        turn = partition.next_careful()
        if turn is None:
            return 0
        activation, pending = turn
        if pending is not None:
            running = partition.suspects.marker_for(activation.target, pending.stream_id)
            if running.tries > self.settings.poison_tries_max:
                partition.bury_next(activation, Failure("poison", "PoisonMessage", "it kills"), running.tries - 1)
                return 1
        else:
            running = partition.marker_of_waking(activation.target)
        assert steps.mark_running(self.store, partition.token, running)
        started += partition.take_careful()
        return 1

    def wake(self, partition: Partition, started: list[Started]) -> int:
        """Mark and take one turn that no message of the store brings about, and have the lease know of deaths."""
        if not (partition.suspects.careful or partition.wants_care):
            return 0  # nobody asks then
        if partition.deaths.unsaid:
            assert steps.mark_running(self.store, partition.token, None, partition.deaths.said())
        running = partition.next_waking() if partition.wants_waking else None
        if running is None:
            return 0
        assert steps.mark_running(self.store, partition.token, running)
        started += partition.wake_next(running)
        return 1


class _Anyone(dict[str, Activation]):
    """Activations by target: one that nobody made is made when it is asked for."""

    def __missing__(self, target: str) -> Activation:
        made = self[target] = Activation(target)
        made.kind = ListKind()
        made.body = [1]
        return made


def built(effects: Effects, *activations: Activation, commit: Commit | None = None) -> tuple[Commit, list[Activation]]:
    """A commit of effects, and what it writes; activations whose state does not matter need not be given."""
    commit = commit or Commit(0, b"token", b"", b"id")
    known = _Anyone({activation.target: activation for activation in activations})
    return commit, build_commit(commit, effects, known, effects.now_ms, Indexing(NOTHING, {}))
