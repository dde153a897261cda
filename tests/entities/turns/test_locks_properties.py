"""Critical sections in any order of events (HAZARDS 12): entities as islands, with nothing but ordered channels between.

Instances ask for locks, use them, release them, or give up at any time before they have seen the grant; others send
signals and calls meanwhile. Channels keep the order of what one sender sends to one receiver, and nothing else; entities
are put out of memory and loaded again at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities import ClassEntityType, Entity, Registry
from stead.entities._message.envelope import TaskAddress, decode_message, encode_message, message_extras
from stead.entities._message.record import decode_record
from stead.entities._partition.activation import Activation, Locked
from stead.entities._partition.effects import Effects
from stead.entities._partition.pending import Pending
from stead.entities._partition.slice import Slice
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import Settings
from support.core_bench import built


class Book(Entity):
    """What was written into it, in order."""

    entries: list[str] = []

    def write(self, tag: str) -> None:
        self.entries.append(tag)
        witness(str(self.context.entity_id), tag)


def witness(target: str, tag: str) -> None:
    """Somebody writes into a book. Set by the world."""


REGISTRY = Registry()
REGISTRY.add(ClassEntityType(Book))
TARGETS = ["@book@a", "@book@b", "@book@c"]
SETTINGS = Settings()
GRANT, CALL = 1, 2  # which tasks of an instance are answered


class Island:
    """One entity with its mailbox, wherever it is."""

    def __init__(self, target: str, send: Callable[[str, str, bytes], None]) -> None:
        self.target = target
        self.kind = EntityKind(REGISTRY, lambda: 1_000, 1_000_000)
        self.effects = Effects(1, SETTINGS, lambda: 1_000, target.encode())
        self.slice = Slice(self.effects, SETTINGS, lambda: 0.0)
        self.record: bytes | None = None
        self.arrived: list[str] = []  # what others than a holder wrote, in the order of its arrival
        self.written: list[tuple[str, bytes | None]] = []  # what was written, and who held the lock then
        self._send = send
        self.activation = self.load()

    def load(self) -> Activation:
        activation = Activation(self.target)
        activation.kind = self.kind
        body = self.kind.activate(self.target, self.record, ())
        activation.locked = isinstance(body, Locked)
        activation.body = body.body if isinstance(body, Locked) else body
        activation.stored = self.record is not None
        return activation

    def hear(self, envelope: bytes) -> None:
        message = decode_message(envelope)
        pending = Pending(b"1-0", envelope, message, False)
        if message.express:
            self.activation.hear_express(pending)
        else:
            self.activation.hear(pending)
            if message.operation == "write":
                self.arrived.append(cast("str", message.args[0]))

    def evict(self) -> None:
        """Out of memory, and back: the messages stay in the store meanwhile."""
        old = self.activation
        self.activation = self.load()
        self.activation.mailbox = old.mailbox
        for pending in old.express:
            self.activation.hear_express(pending)

    def witness(self, tag: str) -> None:
        body: Any = self.activation.body
        self.written.append((tag, None if body.lock is None else body.lock.request))

    def turn(self, *, one: bool) -> bool:
        """Take one turn or all, and commit."""
        if self.activation.next is None:
            return False
        self.slice.one_turn = one
        assert self.kind.run(self.activation, self.effects, self.slice) is None
        commit, _ = built(self.effects, self.activation)
        assert not commit.dead
        if commit.states:
            self.record = commit.states[0][1]
        elif commit.deleted:
            self.record = None
        for _, envelope in commit.sends:
            self._send(self.target, decode_message(envelope).target, envelope)
        return True


class Instance:
    """An orchestration that wants a lock set."""

    def __init__(self, number: int, targets: list[str]) -> None:
        self.name = f"instance {number}"
        self.lock = b"lock %d" % number
        self.targets = targets
        self.state = "new"  # then waiting, holding, released or withdrawn
        self.calls = 0
        self.failures: list[Any] = []


class World:
    """Islands, instances and channels."""

    def __init__(self, lock_sets: list[list[str]]) -> None:
        self.channels: dict[tuple[str, str], deque[bytes]] = {}
        self.islands = {target: Island(target, self.send) for target in TARGETS}
        self.instances = {i.name: i for i in (Instance(n, targets) for n, targets in enumerate(lock_sets))}
        self.signals = 0
        globals()["witness"] = self.witness

    def witness(self, target: str, tag: str) -> None:
        self.islands[target].witness(tag)

    def send(self, sender: str, receiver: str, envelope: bytes) -> None:
        self.channels.setdefault((sender, receiver), deque()).append(envelope)

    def say(self, instance: Instance, target: str, operation: str, args: list[object], **extras: Any) -> None:
        self.send(instance.name, target, encode_message(target, operation, args, b"m", message_extras(**extras)))

    # -- what happens --------------------------------------------------------------------------------------------------

    def deliver(self, number: int) -> bool:
        """The next message of some channel arrives."""
        full = sorted(key for key, channel in self.channels.items() if channel)
        if not full:
            return False
        key = full[number % len(full)]
        envelope = self.channels[key].popleft()
        if key[1] in self.islands:
            self.islands[key[1]].hear(envelope)
        else:
            self.answer(self.instances[key[1]], envelope)
        return True

    def answer(self, instance: Instance, envelope: bytes) -> None:
        _, task_id, ok, value = cast("list[Any]", decode_message(envelope).args)
        if not ok:
            instance.failures.append(value)
        elif task_id == GRANT and instance.state == "waiting":
            instance.state = "holding"

    def act(self, number: int, how: int) -> None:
        """An instance goes on with what it is about."""
        instance = list(self.instances.values())[number % len(self.instances)]
        task = TaskAddress(instance.name, "", GRANT)
        if instance.state == "new":
            instance.state = "waiting"
            self.say(instance, instance.targets[0], "!lock", [instance.lock, instance.targets, 0], task=task)
        elif instance.state == "waiting" and how == 0:
            self.give_up(instance)
        elif instance.state == "holding" and how in (1, 2):
            target = instance.targets[how % len(instance.targets)]
            instance.calls += 1
            tag = f"{instance.name} {instance.calls}"
            self.say(instance, target, "write", [tag], task=TaskAddress(instance.name, "", CALL), lock=instance.lock)
        elif instance.state == "holding":
            self.release(instance)

    def give_up(self, instance: Instance) -> None:
        instance.state = "withdrawn"
        self.say(instance, instance.targets[0], "!release", [instance.lock, instance.targets, 0, False])

    def release(self, instance: Instance) -> None:
        instance.state = "released"
        for position, target in enumerate(instance.targets):
            self.say(instance, target, "!release", [instance.lock, instance.targets, position, True])

    def signal(self, number: int, how: int) -> None:
        """Somebody writes into a book, by a signal or a call."""
        self.signals += 1
        target = TARGETS[number % len(TARGETS)]
        task = TaskAddress(next(iter(self.instances)), "", CALL) if how == 1 else None
        envelope = encode_message(target, "write", [f"signal {self.signals}"], b"m", message_extras(task=task))
        self.send(f"client {how}", target, envelope)

    def step(self, kind: str, number: int, how: int) -> None:
        if kind == "act":
            self.act(number, how)
        elif kind == "signal":
            self.signal(number, how)
        elif kind == "deliver":
            self.deliver(number)
        elif kind == "turn":
            self.islands[TARGETS[number % len(TARGETS)]].turn(one=how == 0)
        else:
            self.islands[TARGETS[number % len(TARGETS)]].evict()

    def settle(self) -> None:
        """Everybody who holds a lock releases it, until nothing happens any more."""
        for _ in range(10_000):
            moved = self.deliver(0) or any(island.turn(one=True) for island in self.islands.values())
            if moved:
                continue
            holding = [instance for instance in self.instances.values() if instance.state == "holding"]
            if not holding:
                return
            self.release(holding[0])
        raise AssertionError("it never ends")

    def check(self) -> None:
        states = {instance.state for instance in self.instances.values()}
        assert states <= {"new", "released", "withdrawn"}, "a request was never granted"
        for instance in self.instances.values():
            assert instance.failures == [], "a holder's call was refused"
        for island in self.islands.values():
            assert not island.activation.mailbox
            lock = None if island.record is None else decode_record(island.record).lock
            assert lock is None, f"{island.target} is left with {lock}"
            for tag, holder in island.written:
                if holder is not None:
                    assert tag.startswith(f"instance {holder.decode().removeprefix('lock ')} "), "written under a lock"
            others = [tag for tag, _ in island.written if not tag.startswith("instance")]
            assert others == island.arrived, "in the order of arrival"


SETS = st.lists(
    st.lists(st.sampled_from(TARGETS), min_size=1, max_size=3, unique=True).map(sorted), min_size=1, max_size=4
)
KINDS = ("act", "act", "act", "signal", "deliver", "deliver", "deliver", "turn", "turn", "turn", "evict")
STEPS = st.tuples(st.sampled_from(KINDS), st.integers(min_value=0, max_value=5), st.integers(min_value=0, max_value=3))


@pytest.mark.hazard(12)
@given(SETS, st.lists(STEPS, min_size=60, max_size=150))
def test_no_lock_is_left_behind_and_nobody_writes_under_anothers(
    lock_sets: list[list[str]], steps: list[tuple[str, int, int]]
) -> None:
    world = World(lock_sets)
    for step in steps:
        world.step(*step)
    world.settle()
    world.check()
