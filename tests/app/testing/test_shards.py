"""Entities in shards, in a hub of a test: spread by their senders, read as one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Self

import pytest

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.entities import (
    DeadLetters,
    Entity,
    EntityClient,
    EntityId,
    InvalidInput,
    InvalidState,
    Registry,
    field,
)
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


async def test_listings_in_pages_show_each_entity_once_wherever_a_page_ends() -> None:
    small = App("pages", settings=Settings(list_page_length=2, partitions=3, slot_groups=1))

    @small.entity(shards=5)
    class Many(Entity):
        count: int = 0

        def hit(self) -> None:
            self.count += 1

        @classmethod
        def merge(cls, shards: Sequence[Self]) -> Self:
            return cls(count=sum(shard.count for shard in shards))

    @small.entity
    class Other(Entity):
        count: int = 0

        def hit(self) -> None:
            self.count += 1

    keys = ["a", "a b", "aa", "b", "b\u00e9", "c"]
    async with TestHub(small) as hub:
        client = hub.client
        for key in keys:
            await client.signal_entity(Other.hit, key)
            for _ in range(9):
                async with client.producer() as producer:
                    await producer.signal(Many.hit, key)
        await hub.run_until_idle()
        expected = [(key, 9) for key in sorted(keys)]
        assert [(each.key, many.count) async for each, many in client.list_entities(Many)] == expected
        assert [each.key async for each, _ in client.list_entities("Many", prefix="a", after="a")] == ["a b", "aa"]
        for length in (1, 2, 4, 50):
            found: list[tuple[str, int]] = []
            after: str | None = ""
            while after is not None:
                page = await client.page_entities(length=length, after=after)
                assert len(page.items) <= length and not page.left_out
                found += [(str(each.entity_id), each.state["count"]) for each in page.items]
                after = page.after
            assert found == [(f"@many@{k}", 9) for k in sorted(keys)] + [(f"@other@{k}", 1) for k in sorted(keys)]
        pages: list[str] = []
        token: str | None = None
        while True:
            part = await client.query(Many).page(2, continuation=token)
            pages += [each.key for each, _ in part.items]
            token = part.continuation
            if token is None:
                break
        assert pages == sorted(keys)
        table = await client.sql("select _key, count from Many order by 1")
        assert list(zip(table["_key"].to_pylist(), table["count"].to_pylist(), strict=True)) == expected


async def test_a_merge_that_cannot_be_is_said_to_who_reads_and_leaves_the_others_alone() -> None:
    odd = App("odd")

    @odd.entity(shards=3)
    class Odd(Entity):
        count: int = 0

        def hit(self, times: int) -> None:
            self.count += times

        @classmethod
        def merge(cls, shards: Sequence[Self]) -> Self:
            total = sum(shard.count for shard in shards)
            return cls(count=total) if total != 13 else total  # type: ignore[return-value]

    async with TestHub(odd) as hub:
        await hub.client.signal_entity(Odd.hit, "good", 1)
        await hub.client.signal_entity(Odd.hit, "bad", 13)
        await hub.run_until_idle()
        with pytest.raises(
            InvalidState, match=r"the shards of Odd cannot be merged: .*it gave int, and has to give Odd"
        ):
            await hub.client.read_entity(Odd, "bad")
        assert [each.key async for each, _ in hub.client.list_entities(Odd)] == ["good"]
        assert (await hub.client.page_entities("Odd")).left_out == 1


async def test_a_program_without_the_class_can_send_and_list_but_not_merge() -> None:
    async with TestHub(app) as hub:
        plain = EntityClient(hub.client.store, Registry(), app.settings)
        async with plain:
            for _ in range(3):
                await plain.signal_entity(EntityId("Clicks", "home"), "hit", 2)
            await hub.run_until_idle()
            with pytest.raises(InvalidInput, match="it has shards"):
                await plain.call_entity(EntityId("Clicks", "home"), "peek")
            with pytest.raises(InvalidState, match="only a program that has its class can merge"):
                await plain.read_entity(EntityId("Clicks", "home"))
        clicks = await hub.client.read_entity(Clicks, "home")
        assert clicks is not None and clicks.count == 6 and len(clicks.places) == 1
