"""Entities in shards, in a hub of a test: spread by their senders, read as one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Self

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import DeadLetters, Entity, EntityId, InvalidInput, field
from stead.orchestrations import OrchestrationContext, RuntimeStatus

app = App("shards")


@app.entity(shards=8)
class Clicks(Entity):
    count: int = 0
    places: list[int] = []

    def hit(self, times: int = 1) -> None:
        assert self.context.shard is not None
        assert str(self.context.entity_id) == "@clicks@home"
        self.count += times
        if self.context.shard not in self.places:
            self.places = [*self.places, self.context.shard]

    def peek(self) -> int:
        return self.count

    def remember(self) -> None:
        self.context.reminder("later", after=timedelta(minutes=1)).signal(Clicks.hit)

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return cls(
            count=sum(shard.count for shard in shards), places=[place for shard in shards for place in shard.places]
        )


@app.entity
class Page(Entity):
    def seen(self, times: int) -> None:
        for _ in range(times):
            self.context.signal_entity(Clicks.hit, "home")

    def forget(self) -> None:
        self.context.signal_entity(Clicks.delete, "home")


@app.orchestration
async def campaign(context: OrchestrationContext, times: int) -> int:
    for _ in range(times):
        context.signal_entity(Clicks.hit, "home")
        await context.create_timer(timedelta(seconds=1))
    return times


@app.orchestration
async def asking(context: OrchestrationContext, _: None) -> int:
    return await context.call_entity(Clicks.peek, "home")


@app.orchestration
async def locking(context: OrchestrationContext, _: None) -> None:
    async with context.lock_entities(EntityId(Page, "p"), EntityId(Clicks, "home")):
        pass


@pytest.mark.hazard(111)
async def test_one_sender_comes_to_one_shard_and_many_to_many() -> None:
    async with TestHub(app) as hub:
        client = hub.client
        for _ in range(5):
            await client.signal_entity(Clicks.hit, "home")
        await hub.run_until_idle()
        one = await client.read_entity(Clicks, "home")
        assert one is not None and one.count == 5
        assert len(one.places) == 1
        for number in range(40):
            await client.signal_entity(Page.seen, f"page-{number}", 2)
        await hub.run_until_idle()
        many = await client.read_entity(Clicks, "home")
        assert many is not None and many.count == 85
        assert many.places == sorted(many.places) and len(many.places) > 4
        assert [(str(entity_id), each.count) async for entity_id, each in client.list_entities(Clicks)] == [
            ("@clicks@home", 85)
        ]
        assert await client.read_entity(EntityId("Clicks", "home")) == {"count": 85, "places": many.places}
        page = await client.page_entities()
        assert [str(each.entity_id) for each in page.items].count("@clicks@home") == 1
        assert await client.query(Clicks).count() == 1
        assert await client.query(Clicks).signal(Clicks.hit, 5) == 1
        await client.signal_entity(Page.forget, "page-1")
        await hub.run_until_idle()
        assert await client.read_entity(Clicks, "home") is None
        assert [each async for each in client.list_entities(Clicks)] == []


@pytest.mark.parametrize("every_turn", [False, True])
async def test_an_instance_comes_to_one_shard_however_often_it_is_replayed(every_turn: bool) -> None:
    async with TestHub(app, replay_every_turn=every_turn) as hub:
        ids = [await hub.client.start_new(campaign, 3) for _ in range(12)]
        assert [await hub.client.wait_for_completion(each) for each in ids]
        await hub.run_until_idle()
        clicks = await hub.client.read_entity(Clicks, "home")
        assert clicks is not None and clicks.count == 36
        assert len(clicks.places) > 2


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_doubled_by_workers_that_are_killed(seed: int) -> None:
    async with TestHub(app, kill_seed=seed) as hub:
        ids = [await hub.client.start_new(campaign, 2) for _ in range(5)]
        for number in range(10):
            await hub.client.signal_entity(Page.seen, f"page-{number}", 3)
        for each in ids:
            await hub.client.wait_for_completion(each)
        await hub.run_until_idle()
        clicks = await hub.client.read_entity(Clicks, "home")
        assert clicks is not None and clicks.count == 40


async def test_what_cannot_be_had_of_shards_is_refused_where_it_is_asked_for() -> None:
    async with TestHub(app) as hub:
        client = hub.client
        for subject, operation in ((Clicks.peek, "home"), (EntityId("clicks", "home"), "peek")):
            with pytest.raises(InvalidInput, match="it has shards, none of which can answer for the others"):
                await client.call_entity(subject, operation)
        with pytest.raises(InvalidInput, match="no index of it"):
            client.query(Clicks).order_by(field("count"))
        with pytest.raises(InvalidInput, match="it has shards, and no index knows"):
            await client.query("Clicks").where(field("count") >= 1).count()
        with pytest.raises(InvalidInput, match="it keeps none"):
            await client.changes_position(Clicks)
        for asked in (asking, locking):
            status = await client.wait_for_completion(await client.start_new(asked, None))
            assert status.runtime_status is RuntimeStatus.FAILED
            assert "it has shards, none of which can speak for the others" in str(status.failure)
        await client.signal_entity(Page.seen, "p", 1)  # its lock was given back
        await client.signal_entity(Clicks.remember, "home")
        await hub.run_until_idle()
        letters = [each async for each in DeadLetters(client.store).all()]
        assert [(each.operation, each.failure.type) for each in letters] == [
            ("remember", "stead.transport.InvalidInput")
        ]
        assert "use a schedule" in letters[0].failure.message
        clicks = await client.read_entity(Clicks, "home")
        assert clicks is not None and clicks.count == 1


async def test_schedules_and_later_signals_come_to_a_shard() -> None:
    async with TestHub(app) as hub:
        client = hub.client
        await client.schedules.create("tick", every=timedelta(minutes=1)).signal_entity(Clicks.hit, "home", 2)
        await client.after(timedelta(minutes=5)).signal_entity(Clicks.hit, "home")
        await hub.advance(timedelta(minutes=10))
        clicks = await client.read_entity(Clicks, "home")
        assert clicks is not None and clicks.count == 21


async def test_a_dead_letter_is_sent_again_to_the_shard_that_it_was_for() -> None:
    failing = App("failing")

    @failing.entity(shards=4)
    class Picky(Entity):
        took: list[int] = []
        shard: int = -1

        def take(self, number: int) -> None:
            if number < 0 and not self.took:
                raise ValueError(number)
            assert self.context.shard is not None
            self.took, self.shard = [*self.took, number], self.context.shard

        @classmethod
        def merge(cls, shards: Sequence[Self]) -> Self:
            return cls(took=[each for shard in shards for each in shard.took], shard=shards[-1].shard)

    async with TestHub(failing) as hub:
        letters = DeadLetters(hub.client.store)
        for _ in range(4):
            async with hub.client.producer() as producer:
                await producer.signal(Picky.take, "one", -1)
                await producer.flush()
                await hub.run_until_idle()
                await producer.signal(Picky.take, "one", 1)
            await hub.run_until_idle()
            found = [each async for each in letters.all()]
            for letter in found:
                assert await letters.resend(letter)
            await hub.run_until_idle()
            assert [each async for each in letters.all()] == []
            picky = await hub.client.read_entity(Picky, "one")
            assert picky is not None and picky.took.count(-1) >= 1
        picky = await hub.client.read_entity(Picky, "one")
        assert picky is not None and picky.took.count(-1) == 4


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


async def test_signals_of_one_sender_keep_their_order_with_a_delete_between_them() -> None:
    async with TestHub(app) as hub:
        for _ in range(6):
            async with hub.client.producer() as producer:
                for _ in range(3):
                    await producer.signal(Clicks.hit, "home")
                await producer.signal(Clicks.delete, "home")
                for _ in range(2):
                    await producer.signal(Clicks.hit, "home")
            await hub.run_until_idle()
            clicks = await hub.client.read_entity(Clicks, "home")
            assert clicks is not None and clicks.count == 2
