"""What comes out of a turn all the same, which is a bug of stead, costs one message: no worker holds leases and does nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stead.entities import (
    ClassEntityType,
    DeadLetters,
    Entity,
    EntityClient,
    OperationFailed,
    Registry,
    Worker,
)
from stead.entities._turns import entity_kind
from stead.entities.extending import Activation, Effects, EntityKind, Failure, Partition, Pending
from stead.transport import MemoryStore, ServerClock, Settings

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=1, slot_groups=1, call_timeout_ms=60_000, drain_ms=200, lease_ms=1_500)


class Bug(BaseException):
    """What nobody has thought of."""


class Counter(Entity):
    n: int = 0

    def add(self) -> int:
        self.n += 1
        return self.n

    def fail(self) -> int:
        raise ValueError("as meant")

    async def fail_later(self) -> int:
        raise ValueError("as meant")


@asynccontextmanager
async def running() -> AsyncGenerator[tuple[Worker, EntityClient, MemoryStore]]:
    registry = Registry()
    registry.add(ClassEntityType(Counter))
    store = MemoryStore("nets", SETTINGS, ServerClock())
    async with Worker(store, registry, SETTINGS) as worker:
        client = EntityClient(store, registry, SETTINGS)
        try:
            yield worker, client, store
        finally:
            await client.aclose()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of an operation cannot be dealt with."""

    def fail(activation: Activation, body: Any, pending: Pending, effects: Effects, error: Any) -> None:
        effects.fail(pending, Failure("operation", "Half", "half of a turn"))
        raise Bug("not thought of")

    monkeypatch.setattr(entity_kind, "fail", fail)


@pytest.mark.invariant(12)
@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("operation", [Counter.fail, Counter.fail_later])
async def test_a_turn_that_breaks_costs_its_message_and_nothing_else(
    operation: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as (worker, client, store):
        assert await client.call_entity(Counter.add, "x") == 1
        with pytest.raises(OperationFailed, match="not thought of"):
            await client.call_entity(operation, "x")
        assert await client.call_entity(Counter.add, "x") == 2
        assert await client.call_entity(Counter.add, "y") == 1
        await client.signal_entity(operation, "x")
        await client.signal_entity(Counter.add, "x")
        await client.signal_entity(operation, "y")
        assert await client.call_entity(Counter.add, "x") == 4
        assert await client.call_entity(Counter.add, "y") == 2
        letters = [letter async for letter in DeadLetters(store).all()]
        assert len(letters) == 3
        assert worker.failure is None
        assert worker.partitions == {0}
    assert "a bug of stead" in caplog.text


@pytest.mark.usefixtures("broken")
async def test_a_target_whose_message_cannot_even_be_refused_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(self: Any, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        raise Bug("nor that")

    monkeypatch.setattr(EntityKind, "poisoned", poisoned)
    async with running() as (worker, client, store):
        await client.signal_entity(Counter.fail, "x")
        await client.signal_entity(Counter.add, "x")
        assert await client.call_entity(Counter.add, "y") == 1
        while "@counter@x" not in (info := await store.info())[0].blocked:
            assert await client.call_entity(Counter.add, "y") > 1
        assert "a bug of stead" in info[0].blocked["@counter@x"]
        assert worker.failure is None


async def test_a_partition_that_breaks_again_and_again_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known that could be left out."""

    def settle(self: Partition, batch_id: bytes) -> Any:
        raise Bug("everywhere")

    with pytest.raises(Bug):
        async with running() as (worker, client, _):
            assert await client.call_entity(Counter.add, "x") == 1
            monkeypatch.setattr(Partition, "next_commit", settle)
            await client.signal_entity(Counter.add, "x")
            await worker._stopping.wait()
            assert isinstance(worker.failure, Bug)
            assert worker.partitions == frozenset()
