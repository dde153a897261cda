"""One worker that holds several partitions, on a bench: the pure core with local hops, and the pure steps of a hub in memory.

Nothing happens by itself, and nothing is chosen: a test carries reads, turns, commits and verdicts by hand, and two halves of a
read or of a commit may lie as far apart as it wants.

Entities keep a list of the tags of what was done to them. What they are sent is a small program: a tag to note, and what to send
on to whom, which is a program again.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from stead.entities._message.envelope import Failure, Message, decode_message, encode_message, message_extras
from stead.entities._message.letters import Letter, decode_letter
from stead.entities._message.record import decode_record, encode_record
from stead.entities._partition.activation import Activation, Kind
from stead.entities._partition.effects import Effects
from stead.entities._partition.hops import Hops
from stead.entities._partition.partition import Environment, Partition, Started
from stead.entities._partition.pending import Pending
from stead.entities._partition.slice import Slice
from stead.entities._partition.well_formed import ill_formed
from stead.transport import (
    Commit,
    CommitAnswer,
    CommitVerdict,
    Entry,
    HubLayout,
    Loaded,
    Settings,
    pack,
    partition_of,
    unpack,
)
from stead.transport._memory import steps
from stead.transport._memory.commits import commit as write_commits
from stead.transport._memory.state import HubState, PartitionState

LEASE_MS = 10_000

Send = tuple[Any, ...]
"""Whom, which operation, which tag, and what that is to send on."""


def send(target: str, tag: str, *sends: Send, operation: str = "do", **extras: Any) -> Send:
    """What a program sends."""
    return (target, operation, tag, list(sends), extras)


@cache
def target_in(partition: int, partitions: int, name: str) -> str:
    """A target of a partition."""
    names = (f"@list@{name}{number}" for number in itertools.count())
    return next(target for target in names if partition_of(target, partitions) == partition)


class Awaited:
    """Stands for an asynchronous operation that runs: the core only hands it on."""

    def __await__(self) -> Any:
        raise AssertionError("the core awaits nothing")


class ProgramKind:
    """Carries out the programs. Implements `Kind` and `HoppingKind`."""

    def __init__(self) -> None:
        self.seen: list[Message] = []  # every message that has had a turn

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return [] if record is None else unpack(decode_record(record).packed_state or b"")

    def takes_offer(self, activation: Activation, message: Message) -> bool:
        return message.operation != "wait"

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        while (pending := activation.next) is not None:
            slice.running = activation.current = pending
            if pending.message.operation == "wait":
                return Awaited()
            self._end(activation, effects)
            if slice.over:
                break
        return None

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        self._end(activation, effects)

    def _end(self, activation: Activation, effects: Effects) -> None:
        pending = activation.runs[0]
        message = pending.message
        self.seen.append(message)
        tag, sends = cast("tuple[str, list[Any]]", message.args)
        if message.operation == "refuse":
            effects.fail(pending, Failure("operation", "ValueError", tag))
        elif message.operation != "ignore":
            cast("list[str]", activation.body).append(tag)
            effects.changed(activation)
            activation.locked = message.operation == "lock" or (activation.locked and message.operation != "unlock")
            if message.operation == "rally":
                left = int(tag) - 1
                args = [str(left), [activation.target]]
                if left >= 0:
                    effects.send(sends[0], encode_message(sends[0], "rally", args, effects.next_message_id(), None))
                sends = []
            for target, operation, its_tag, its_sends, extras in sends:
                message_id = effects.next_message_id()
                if operation == "start":
                    envelope = encode_message(target, "do", [its_tag, its_sends], message_id)
                    effects.send_start(target, envelope, message_id)
                else:
                    more = message_extras(**extras)
                    effects.send(target, encode_message(target, operation, [its_tag, its_sends], message_id, more))
        activation.runs.popleft()
        activation.current = None
        effects.consume(activation, pending)

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        body = cast("list[str]", activation.body)
        return encode_record(pack(body), now_ms) if body else None

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        effects.refuse(pending, failure)

    def forget(self, activation: Activation) -> None:
        pass


@dataclass
class Read:
    """A read whose answer has not been received."""

    number: int
    count: int
    partitions: list[Partition]
    entries: dict[int, list[Entry]]


@dataclass
class Flight:
    """A batch whose verdicts have not been heard."""

    partitions: list[Partition]
    commits: list[Commit]
    answers: list[CommitAnswer] = field(default_factory=list["CommitAnswer"])


class HopBench:
    """See the module's head."""

    def __init__(self, partitions: int = 3, **settings: Any) -> None:
        self.settings = Settings(partitions=partitions, local_hops=True, **settings)
        states = [PartitionState() for _ in range(partitions)]
        self.hub = HubState(HubLayout("hub", "id", partitions, 1, "direct", 1, 0), states)
        self.kind = ProgramKind()
        self.now_ms = 1_000_000
        self.elapsed_s = 0.0  # what turns take
        self.hops = Hops(self.settings)
        self.held: dict[int, Partition] = {}
        self.restarted: list[int] = []  # partitions that began anew since they were linked to others
        self._random = itertools.count(1)
        self._message_ids = itertools.count(1)
        self._environment = Environment(
            settings=self.settings,
            partitions=partitions,
            find_kind=self.kind_of,
            now_ms=lambda: self.now_ms,
            elapsed=lambda: self.elapsed_s,
            draw=self._draw,
            pack_each_turn=lambda target: None,
            hops=self.hops,
        )

    def kind_of(self, target: str) -> Kind:
        """The kind that runs a target."""
        return self.kind

    def _draw(self, length: int) -> bytes:
        return next(self._random).to_bytes(length, "big")

    def target(self, partition: int, name: str = "a") -> str:
        return target_in(partition, self.settings.partitions, name)

    # -- clients, and other workers ------------------------------------------------------------------------------------

    def put(self, target: str, tag: str, *sends: Send | str, operation: str = "do", **extras: Any) -> None:
        """A client's message arrives."""
        message_id = next(self._message_ids).to_bytes(4, "big")
        envelope = encode_message(target, operation, [tag, list(sends)], message_id, message_extras(**extras))
        self.hub.partitions[partition_of(target, self.settings.partitions)].inbox.append(self.now_ms, envelope)

    def state(self, target: str) -> list[str]:
        """What was committed of a target."""
        record = self.hub.partitions[partition_of(target, self.settings.partitions)].records.get(target)
        return [] if record is None else unpack(decode_record(record).packed_state or b"")

    def waiting(self) -> int:
        """Messages in inboxes and parks."""
        return sum(
            len(state.inbox.entries) + sum(len(park.entries) for park in state.parks.values())
            for state in self.hub.partitions
        )

    def message(self, target: str, tag: str, *sends: Send) -> Message:
        """One that is in no inbox."""
        return decode_message(encode_message(target, "do", [tag, list(sends)], b"local", None))

    def letters(self, partition: int) -> list[Letter]:
        """The dead letters of a partition."""
        return [decode_letter(letter) for letter in self.hub.partitions[partition].dead.entries.values()]

    # -- tenures -------------------------------------------------------------------------------------------------------

    def hold(self, *numbers: int) -> None:
        """Take partitions, from whoever has them."""
        for number in numbers:
            state = self.hub.partitions[number]
            token = self._draw(16)
            acquired = steps.acquire(number, state, "worker", token, state.lease.token, LEASE_MS, self.now_ms)
            assert acquired is not None
            self.held[number] = Partition(acquired, self._environment)

    def steal(self, number: int) -> None:
        """Another worker takes a partition, and nobody here knows yet."""
        state = self.hub.partitions[number]
        assert steps.acquire(number, state, "other", self._draw(16), state.lease.token, LEASE_MS, self.now_ms)

    def give_back(self, number: int) -> None:
        """A partition is released, as planned."""
        steps.release(self.hub.partitions[number], self.held[number].token, self.now_ms)
        self.drop(number)

    def drop(self, number: int) -> None:
        """A tenure ends, and all that stand or fall with it."""
        partition = self.held.pop(number)
        linked = [self.held[other] for other in partition.linked]
        partition.end()
        for other in linked:
            if not other.gone:
                self.restarted.append(other.number)
                steps.release(self.hub.partitions[other.number], other.token, self.now_ms)
                self.drop(other.number)

    # -- reading -------------------------------------------------------------------------------------------------------

    def send_read(self, count: int = 1_000, without: Sequence[int] = ()) -> Read:
        """All inboxes are read, in one step."""
        number = self.hops.read_begins()
        partitions = [p for p in self.held.values() if not p.draining and p.number not in without]
        entries = {p.number: self.hub.partitions[p.number].inbox.read(p.position, count) for p in partitions}
        return Read(number, count, partitions, entries)

    def receive(self, read: Read, first: int | None = None) -> None:
        """What was read comes: of one partition, or (of) the rest."""
        self.hops.read_comes()
        for partition in list(read.partitions):
            if first is None or partition.number == first:
                read.partitions.remove(partition)
                if not partition.gone:
                    partition.receive(read.entries[partition.number], caught_up=not read.entries[partition.number])
                    self.load(partition)
        if first is None:
            seen = [number for number, entries in read.entries.items() if len(entries) < read.count]
            self.hops.read_ends(read.number, seen)

    def read(self, count: int = 1_000, without: Sequence[int] = ()) -> None:
        self.receive(self.send_read(count, without))

    def load(self, partition: Partition) -> None:
        for activation in partition.take_loads():
            records = self.hub.partitions[partition.number].records
            partition.loaded(activation, Loaded(records.get(activation.target), ()))

    def ready(self, *targets: str) -> None:
        """The targets are in memory, and everything was read: their partitions are held."""
        for target in targets:
            self.put(target, "ready", operation="ignore")
        self.settle()

    # -- turns and commits ---------------------------------------------------------------------------------------------

    def turn(self, number: int) -> list[Started]:
        """A partition takes all turns that it can take."""
        return self.held[number].take_turns(float("inf"))

    def one_turn(self, number: int) -> None:
        """It takes the next one, and no other."""
        partition = self.held[number]
        partition.slice.one_turn = True
        partition.take_turns(float("-inf"))
        partition.slice.one_turn = False

    def turns(self) -> None:
        """All do, until there is none left."""
        while any(partition.has_turns for partition in self.held.values()):
            for number in list(self.held):
                self.turn(number)

    def build(self, *numbers: int) -> Flight:
        """A batch of what these have to commit, and whoever they are linked to; of all, if none is named."""
        flight = Flight([], [])
        batch_id = self._draw(16)
        done: set[int] = set()
        for number in numbers or list(self.held):
            partition = self.held[number]
            group = [number, *partition.linked]
            if number in done or any(self.held[each].flies for each in group):
                continue
            done.update(group)
            hopping = partition.hopping
            if hopping is not None and hopping.in_component:
                commits = hopping.build(batch_id, number + 1)
            else:
                commits = [partition.build(batch_id)] if partition.wants_commit else []
            flight.commits += commits
            flight.partitions += [self.held[commit.partition] for commit in commits]
        for partition in flight.partitions:
            partition.finish_ended()
        return flight

    def apply(self, flight: Flight) -> list[CommitAnswer]:
        """The batch reaches the store."""
        if flight.commits:
            settings = self.settings
            flight.answers = write_commits(self.hub, flight.commits, self.now_ms, settings.dead_letters_max, 1_000)
        return flight.answers

    def hear(self, flight: Flight) -> None:
        """Its verdicts come."""
        for partition, answer in zip(flight.partitions, flight.answers, strict=True):
            if not partition.gone and answer in (CommitVerdict.APPLIED, CommitVerdict.ALREADY):
                partition.committed()
            elif not partition.gone:
                if answer is CommitVerdict.VOID:
                    self.restarted.append(partition.number)
                    steps.release(self.hub.partitions[partition.number], partition.token, self.now_ms)
                self.drop(partition.number)
            if partition.gone:
                partition.landed()

    def land(self, flight: Flight) -> None:
        """It reaches the store, and the verdicts come."""
        self.apply(flight)
        self.hear(flight)

    def commit(self, *numbers: int) -> list[CommitAnswer]:
        flight = self.build(*numbers)
        self.land(flight)
        return flight.answers

    # -- the end -------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything is read, done and committed, by whoever holds what is left."""
        still: deque[int] = deque(maxlen=6)
        while len(still) < 6 or any(still):
            self.hold(*(number for number in range(self.settings.partitions) if number not in self.held))
            self.read()
            for number, partition in self.held.items():
                self._parks(number, partition)
            self.turns()
            for partition in self.held.values():
                assert ill_formed(partition) is None, ill_formed(partition)
            still.append(len(self.commit()) + self.waiting())

    def _parks(self, number: int, partition: Partition) -> None:
        state = self.hub.partitions[number]
        for activation, stream_ids in partition.parking.take_parks():
            assert steps.park(number, state, partition.token, activation.target, stream_ids)
            partition.parking.parked(activation)
        for activation, after in partition.take_refills():
            park = state.parks.get(activation.target)
            partition.refilled(activation, park.read(after, 100) if park is not None else [], 100)
