"""Operations that are not asynchronous share one turn: what is kept of one entity sees nothing of another one's."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities import ClassEntityType, ContextEnded, Entity, FunctionEntityType, Registry
from stead.entities._message.envelope import decode_message, encode_message
from stead.entities._partition.partition import Partition
from stead.entities._turns.entity_kind import EntityKind
from support.core_bench import Bench

KEPT: dict[str, Any] = {}


class Keeper(Entity):
    """Leaves itself where others find it."""

    tried: list[str] = []

    def keep(self, name: str) -> None:
        KEPT[name] = self

    def fail(self, name: str) -> None:
        KEPT[name] = self
        self.context.signal_entity(Keeper.keep, "lost", name)
        raise ValueError(name)

    def interrupt(self, name: str) -> None:
        self.context.signal_entity(Keeper.keep, "lost", name)
        raise KeyboardInterrupt

    async def keep_later(self, name: str) -> None:
        KEPT[name] = self

    def send(self, name: str) -> None:
        self.context.signal_entity(Keeper.keep, "other", name)

    def use(self, name: str) -> None:
        """Try to be somebody else."""
        try:
            KEPT[name].context.signal_entity(Keeper.keep, "stolen", name)
        except ContextEnded as error:
            self.tried = [*self.tried, str(error)]
        KEPT[name].tried = ["not mine"]


def function(context: Any) -> None:
    if context.operation_name == "keep":
        KEPT[context.args[0]] = context
        return
    try:
        KEPT[context.args[0]].signal_entity(Keeper.keep, "stolen", "")
    except ContextEnded as error:
        context.set_state(str(error))


class Hub:
    """A partition with keepers in it."""

    def __init__(self) -> None:
        KEPT.clear()
        self.bench = Bench()
        registry = Registry()
        registry.add(ClassEntityType(Keeper))
        registry.add(FunctionEntityType("Free", function))
        self.kind = EntityKind(registry, lambda: self.bench.now_ms, 1_000_000)
        self.bench.find_kind = lambda target: self.kind
        self.partition: Partition = self.bench.acquire()
        self.sent: list[str] = []

    def run(self, target: str, operation: str, *args: object) -> None:
        self.bench.put_raw(encode_message(target, operation, list(args), b"m", None))
        self.bench.read(self.partition)
        self.bench.load(self.partition)
        for start in self.bench.turn(self.partition):
            with pytest.raises(StopIteration):
                start.awaitable.__await__().send(None)
            self.partition.finish(start.activation, None, None)
        commit = self.partition.next_commit()
        self.sent += [decode_message(envelope).target for _, envelope in commit.sends]
        self.partition.committed()


@pytest.mark.parametrize("how", ["keep", "keep_later", "fail"])
def test_an_instance_that_was_kept_has_no_part_in_another_ones_operation(how: str) -> None:
    hub = Hub()
    hub.run("@keeper@a", how, "a")
    hub.run("@keeper@b", "use", "a")
    assert hub.sent == []
    (refused,) = instance_of(hub, "@keeper@b").tried
    assert "no operation of this Keeper is running" in refused or "copy" in refused


def test_what_a_failed_operation_sent_is_nobody_elses() -> None:
    hub = Hub()
    hub.run("@keeper@a", "fail", "a")
    hub.run("@keeper@b", "send", "b")
    assert hub.sent == ["@keeper@other"]


def test_a_context_that_was_kept_is_of_no_use_in_another_ones_operation() -> None:
    hub = Hub()
    hub.run("@free@a", "keep", "a")
    hub.run("@free@b", "use", "a")
    assert hub.sent == []


def test_the_next_operation_of_the_same_entity_has_a_context_again() -> None:
    hub = Hub()
    for operation in ("send", "keep_later", "send", "fail", "send"):
        hub.run("@keeper@a", operation, "a")
    assert hub.sent == ["@keeper@other"] * 3


def test_what_an_operation_sent_that_ended_the_worker_is_nobody_elses() -> None:
    hub = Hub()
    with pytest.raises(KeyboardInterrupt):
        hub.run("@keeper@a", "interrupt", "a")
    hub.bench.store.inbox.entries.clear()
    hub.partition = hub.bench.acquire()
    hub.run("@keeper@b", "keep", "b")
    assert hub.sent == []


def instance_of(hub: Hub, target: str) -> Keeper:
    """The instance of an entity, as it is in memory."""
    body: Any = hub.partition.activations[target].body
    instance: Keeper = body.cell._instance
    return instance
