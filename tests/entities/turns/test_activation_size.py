"""What an entity at rest takes of a worker's memory: a worker keeps hundreds of thousands of them."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Awaitable
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityContext, EntityType, FunctionEntityType, Registry
from stead.entities._measures.recent import RUNS_KEPT
from stead.entities._turns.entity_kind import EntityKind
from support.core_bench import Bench

SHARED = RUNS_KEPT + 100  # so many fill what all share: above all the rows of what ran last
COUNT = 4_000  # with those before nearly as many as fill a dictionary of 8,192 places: what those take counts too
BYTES_MAX = 1_000 if sys.version_info < (3, 13) else 1_500  # objects of later Pythons take more


class Counter(Entity):
    """The least that a class has."""

    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    async def add_later(self, amount: int) -> int:
        return self.add(amount)

    def remind(self, amount: int) -> None:
        self.context.signal_entity(Counter.add, "other", amount)


class Thermometer(Entity):
    """Some scalars."""

    name: str = ""
    last: float = 0.0
    highest: float = 0.0
    readings: int = 0
    broken: bool = False

    def add(self, amount: int) -> None:
        self.last = self.highest = float(amount)
        self.readings += 1


def adds(context: EntityContext) -> Any:
    context.set_state(context.get_state(int, 0) + context.get_input(int))


def bytes_each(entity: EntityType, operation: str) -> float:
    """What an activation takes once its message has been carried out and committed."""
    registry = Registry()
    registry.add(entity)
    bench = Bench()
    kind = EntityKind(registry, lambda: bench.now_ms, 1_000_000)
    bench.find_kind = lambda target: kind
    partition = bench.acquire()

    def work(first: int, last: int) -> None:
        for number in range(first, last):
            bench.put(f"@{entity.canonical}@{number:06}", 1, operation=operation)
        while bench.read(partition, 500):
            bench.load(partition)
            while partition.has_turns:
                for start in bench.turn(partition):
                    partition.finish(start.activation, result_of(start.awaitable), None)
                commit = partition.next_commit()
                assert not commit.dead
                partition.committed()

    def held() -> int:
        forget_inbox(bench)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        work(0, SHARED)
        shared = held()
        work(SHARED, SHARED + COUNT)
        own = held() - shared
    finally:
        tracemalloc.stop()
    assert len(partition.activations) == COUNT + SHARED
    return own / COUNT


def result_of(awaitable: Awaitable[Any]) -> Any:
    """What one that waits for nothing gives. Not by `pytest.raises`: while memory is traced, that takes most of the time."""
    try:
        awaitable.__await__().send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("it waits for something")


def forget_inbox(bench: Bench) -> None:
    """What the store in memory takes is not the worker's."""
    bench.store.inbox.entries.clear()
    bench.store.inbox.order.clear()


@pytest.mark.parametrize("operation", ["add", "remind"])
def test_an_entity_at_rest_takes_less_than_a_thousand_bytes(operation: str) -> None:
    assert bytes_each(ClassEntityType(Counter), operation) <= BYTES_MAX


def test_so_does_one_with_some_fields() -> None:
    assert bytes_each(ClassEntityType(Thermometer), "add") <= BYTES_MAX


def test_so_does_one_whose_operation_was_asynchronous() -> None:
    assert bytes_each(ClassEntityType(Counter), "add_later") <= BYTES_MAX


def test_so_does_a_function_entity() -> None:
    assert bytes_each(FunctionEntityType("Adds", adds), "add") <= BYTES_MAX
