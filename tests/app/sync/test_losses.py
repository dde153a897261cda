"""The client without `await`, and a server that lost what it had acknowledged."""

from __future__ import annotations

import asyncio

import pytest

from stead.app import App, Settings
from stead.entities import Entity
from stead.transport import AcknowledgedLost, open_store
from stead.transport._memory.store import MemoryStore

SETTINGS = Settings(partitions=8, slot_groups=1, producer_buffer_length_max=64)
app = App("lossy-sync", settings=SETTINGS)
KEYS = [f"k{number}" for number in range(40)]


@app.entity
class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> None:
        self.value += amount


def test_a_producer_without_await_tells_all_and_takes_what_is_given_meanwhile() -> None:
    store = asyncio.run(open_store("memory://", "lossy-sync", SETTINGS))
    assert isinstance(store, MemoryStore)
    waited = sum(len(state.inbox) for state in store._state.partitions)
    told: set[tuple[int, int, int]] = set()
    with app.connect_sync("memory://") as client, client.producer() as producer:
        lagging = store.snapshot()
        for key in KEYS:
            producer.signal(Counter.add, key, 1)
        producer.flush()
        store.restore(lagging)
        for number in range(1_000):
            try:
                producer.signal(Counter.add, KEYS[number % len(KEYS)], 2)
            except AcknowledgedLost as error:
                told.update(error.losses)
        try:
            producer.flush()
        except AcknowledgedLost as error:
            told.update(error.losses)
    assert {partition for partition, _, _ in told} == set(range(8))
    assert sum(lost_to - lost_from + 1 for _, lost_from, lost_to in told) == len(KEYS)
    assert sum(len(state.inbox) for state in store._state.partitions) == waited + 1_000


def test_the_error_is_raised_once() -> None:
    store = asyncio.run(open_store("memory://", "lossy-sync", SETTINGS))
    assert isinstance(store, MemoryStore)
    with app.connect_sync("memory://") as client:
        lagging = store.snapshot()
        client.signal_entity(Counter.add, "a", 1)
        store.restore(lagging)
        with pytest.raises(AcknowledgedLost):
            client.signal_entity(Counter.add, "a", 2)
        client.signal_entity(Counter.add, "a", 3)
