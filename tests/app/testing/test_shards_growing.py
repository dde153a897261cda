"""More shards than before, with data in place: what is read stays exact, and sources are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Self

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId


class Counted(Entity):
    """Without a hub of its own: each version of the code registers a class that derives from it."""

    count: int = 0
    places: list[int] = []

    def hit(self) -> None:
        self.count += 1
        place = self.context.shard or 0
        self.places = sorted({*self.places, place})

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return cls(count=sum(s.count for s in shards), places=[p for s in shards for p in s.places])


def version(shards: int | None) -> tuple[App, type[Counted]]:
    made = App("growing")
    name = type("Counter", (Counted,), {"__module__": __name__})
    made.entity(name="Counter", shards=shards)(name) if shards else made.entity(name="Counter")(name)
    return made, name


async def send_from_many(hub: TestHub, count: int) -> None:
    for _ in range(count):
        async with hub.client.producer() as producer:
            await producer.signal(EntityId("Counter", "one"), "hit")
    await hub.run_until_idle()


@pytest.mark.hazard(111)
@pytest.mark.parametrize("first", [None, 2])
async def test_shards_grow_with_data_in_place(first: int | None, caplog: pytest.LogCaptureFixture) -> None:
    old, _ = version(first)
    new, _ = version(8)
    async with TestHub(old) as hub:
        await send_from_many(hub, 20)
        assert (await hub.client.read_entity(EntityId("Counter", "one")))["count"] == 20
        await hub.restart_worker(new)
        await send_from_many(hub, 20)
        state = await hub.client.read_entity(EntityId("Counter", "one"))
        # Until everyone has learned of the larger number, the old one is sent to.
        assert state["count"] == 40 and max(state["places"]) < (first or 1)
        await hub.advance(timedelta(minutes=1))
        assert (await hub.client.read_entity(EntityId("Counter", "one")))["count"] == 40
        await send_from_many(hub, 40)
        state = await hub.client.read_entity(EntityId("Counter", "one"))
        assert state["count"] == 80 and max(state["places"]) >= (first or 1)
        # Back to the code of before: the number stays, and it is said.
        await hub.restart_worker(old)
        assert "can only grow" in caplog.text
        await send_from_many(hub, 20)
        state = await hub.client.read_entity(EntityId("Counter", "one"))
        assert state["count"] == 100
        await hub.client.signal_entity(EntityId("Counter", "one"), "delete")
        await hub.run_until_idle()
        assert await hub.client.read_entity(EntityId("Counter", "one")) is None


@pytest.mark.hazard(111)
@pytest.mark.parametrize("first", [None, 2])
async def test_a_source_stays_with_its_shard_when_they_grow(first: int | None) -> None:
    """Its numbers are known by partition: in another one they would be accepted once more."""
    old, _ = version(first)
    new, _ = version(16)

    async def send(hub: TestHub, numbers: range) -> None:
        for source in range(10):
            async with hub.client.producer(source=f"s{source}") as producer:
                for number in numbers:
                    await producer.signal_once(number, EntityId("Counter", "one"), "hit")

    async with TestHub(old) as hub:
        await send(hub, range(5))
        await hub.restart_worker(new)
        await hub.advance(timedelta(minutes=1))
        await send(hub, range(8))  # the first five again
        await hub.run_until_idle()
        assert (await hub.client.read_entity(EntityId("Counter", "one")))["count"] == 80


@pytest.mark.hazard(111)
async def test_a_source_deletes_once_though_shards_come_later() -> None:
    old, _ = version(2)
    new, _ = version(16)
    one = EntityId("Counter", "one")
    async with TestHub(old) as hub:
        await send_from_many(hub, 10)
        async with hub.client.producer(source="s") as producer:
            await producer.signal_once(1, one, "hit")
            await producer.signal_once(2, one, "delete")
            await producer.signal_once(3, one, "hit")
        await hub.run_until_idle()
        assert (await hub.client.read_entity(one))["count"] == 1
        await hub.restart_worker(new)
        await hub.advance(timedelta(minutes=1))
        await send_from_many(hub, 40)
        async with hub.client.producer(source="s") as producer:
            await producer.signal_once(2, one, "delete")
            await producer.signal_once(3, one, "hit")
        await hub.run_until_idle()
        assert (await hub.client.read_entity(one))["count"] == 41
