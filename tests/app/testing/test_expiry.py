"""Entities that expire: not before their time and not long after it, without a write for each use, and each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from stead.app import App, Client
from stead.app.testing import TestHub
from stead.entities import (
    Change,
    ClassEntityType,
    DeadLetters,
    Entity,
    EntityId,
    Indexed,
    InvalidDefinition,
    InvalidInput,
    UnknownOperation,
    indexed,
)
from stead.entities._index.expiries import KindExpiry
from stead.transport import ReadRange

DAY = timedelta(days=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Base(Entity):
    hits: int = 0

    def hit(self) -> int:
        self.hits += 1
        return self.hits

    def look(self) -> int:
        return self.hits

    def fail(self) -> None:
        raise ValueError("no")

    async def wait(self) -> None:
        await asyncio.sleep(0)

    def remind(self, days: float, repeat: bool) -> None:
        span = days * DAY
        self.context.reminder("r", after=span, every=span if repeat else None).signal(type(self).look)

    def stop(self) -> None:
        self.context.cancel_reminder("r")

    def visible(self) -> list[str]:
        return sorted(self.context.reminders)


class Plain(Base):
    """Simply goes."""


class Asked(Base):
    """Is asked before."""

    answers: list[float] = []  # days; none left: it goes
    asked: int = 0

    def prepare(self, *answers: float) -> None:
        self.answers = list(answers)

    def on_expire(self) -> timedelta | None:
        self.asked += 1
        if self.answers:
            days = self.answers.pop(0)
            if days == 13:
                raise ValueError("not now")
            return days * DAY
        self.context.signal_entity(EntityId("Log", "log"), "add", self.context.entity_id.key)
        return None


class Later(Base):
    """Waits for something before it goes."""

    async def on_expire(self) -> None:
        await asyncio.sleep(0)


class Log(Entity):
    gone: list[str] = []

    def add(self, key: str) -> None:
        self.gone.append(key)


def make_app(days: float | None = 10) -> App:
    app = App("expiring")
    app.registry.add(ClassEntityType(Log))
    for cls in (Plain, Asked, Later):
        app.registry.add(ClassEntityType(cls, expires_after=None if days is None else days * DAY))
    return app


async def due_times(hub: TestHub, cls: type[Base], days: float = 10) -> dict[str, float]:
    """What the sets say, by key."""
    store = hub.client.store
    name = KindExpiry(cls.__name__.lower(), round(days * 86_400_000)).name
    _, found = await store.look([ReadRange(number, name) for number in range(store.layout.partitions)])
    return {member.decode(): score for entries in found for score, member in entries}


async def age(hub: TestHub, cls: type[Base], key: str = "a", step: float = 0.125) -> float:
    """Days until it is gone."""
    for count in range(2_000):
        if await hub.client.read_entity(cls, key) is None:
            return count * step
        await hub.advance(step * DAY)
    raise AssertionError("it does not go")


@pytest.mark.hazard(103)
@pytest.mark.hazard(104)
@pytest.mark.parametrize("cls", [Plain, Asked, Later])
async def test_it_goes_in_its_time_and_at_most_a_tenth_later(cls: type[Base]) -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(cls.hit, "a")
        assert 10 <= await age(hub, cls) <= 11.25
        assert await hub.client.describe_entity(EntityId(cls, "a")) is None
        infos = await hub.client.store.info()
        assert (sum(info.timers for info in infos), sum(info.dead for info in infos)) == (0, 0)


class Noted(Entity):
    """Has all that an entity can have beside its state."""

    hits: Indexed[int] = indexed(0)

    def hit(self) -> None:
        self.hits += 1
        self.context.reminder("once", after=100 * DAY).signal(type(self).hit)

    def forget(self) -> None:
        self.context.cancel_reminder("once")


class NotedAndAsked(Noted):
    def on_expire(self) -> None: ...


@pytest.mark.hazard(103)
@pytest.mark.parametrize("cls", [Noted, NotedAndAsked])
@pytest.mark.parametrize("reminded", [True, False])
async def test_all_that_belongs_to_it_goes_with_it(cls: type[Noted], reminded: bool) -> None:
    app = App("expiring")
    app.registry.add(ClassEntityType(cls, expires_after=10 * DAY, changes=100 * DAY))
    async with TestHub(app) as hub:
        client = hub.client
        await client.signal_entity(cls.hit, "a")
        if not reminded:
            await client.signal_entity(cls.forget, "a")
        await hub.advance(5 * DAY)
        assert await client.query(cls).where(cls.hits == 1).count() == 1
        await hub.advance(7 * DAY)
        assert [key async for key, _ in client.query(cls).where(cls.hits >= 0)] == []
        assert sum(info.timers + info.entities for info in await client.store.info()) == 0
        told = [change.state async for change in until_now(client, cls)]
        assert [None if state is None else state.hits for state in told] == [1, None]
        await client.signal_entity(cls.hit, "a")
        await hub.run_until_idle()
        fresh = await client.read_entity(cls, "a")
        assert fresh is not None and fresh.hits == 1
        assert await client.query(cls).where(cls.hits == 1).count() == 1


async def until_now(client: Client, cls: type[Noted]) -> AsyncIterator[Change[Noted]]:
    """What a feed has of an entity that is gone."""
    async for change in client.changes(cls, after="oldest"):
        yield change
        if change.state is None:
            return


@pytest.mark.hazard(104)
@pytest.mark.parametrize("use", ["hit", "look", "fail", "wait"])
async def test_every_operation_counts_and_reading_does_not(use: str) -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(Plain.hit, "a")
        for _ in range(8):
            await hub.advance(5 * DAY)
            await hub.client.signal_entity(EntityId(Plain, "a"), use)
            assert await hub.client.read_entity(Plain, "a") is not None
        assert 10 <= await age(hub, Plain) <= 11.25


@pytest.mark.hazard(104)
async def test_most_uses_write_nothing() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(Plain.hit, "a")
        before = await due_times(hub, Plain)
        described = await hub.client.describe_entity(EntityId(Plain, "a"))
        writes = 0
        for _ in range(200):
            await hub.advance(0.05 * DAY)
            await hub.client.call_entity(Plain.look, "a")
            writes += await due_times(hub, Plain) != before
            before = await due_times(hub, Plain)
        assert 5 <= writes <= 10
        assert await hub.client.describe_entity(EntityId(Plain, "a")) == described  # its record is not written at all


@pytest.mark.hazard(104)
async def test_after_crashes_it_is_never_early() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(Plain.hit, "a")
        for _ in range(6):
            await hub.advance(0.9 * DAY)
            await hub.client.call_entity(Plain.look, "a")
            await hub.restart_worker()
        assert 10 <= await age(hub, Plain) <= 11.25


@pytest.mark.hazard(104)
async def test_on_expire_may_keep_it_for_a_while() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(Asked.prepare, "a", 2, 0, -5)
        await hub.advance(11 * DAY)
        assert (await kept(hub)).asked == 1
        await hub.advance(1.9 * DAY)
        assert (await kept(hub)).asked == 1
        await hub.advance(0.2 * DAY)
        assert (await kept(hub)).asked == 2
        await hub.advance(0.8 * DAY)  # nothing, or less, is a step
        assert (await kept(hub)).asked == 2
        await hub.advance(0.2 * DAY)
        assert (await kept(hub)).asked == 3
        await hub.advance(1.1 * DAY)
        assert await hub.client.read_entity(Asked, "a") is None
        log = await hub.client.read_entity(Log, "log")
        assert log is not None and log.gone == ["a"]


async def kept(hub: TestHub) -> Asked:
    asked = await hub.client.read_entity(Asked, "a")
    assert asked is not None
    return asked


async def test_if_on_expire_fails_it_stays_as_long_again() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(Asked.prepare, "a", 13)
        assert await hub.client.read_entity(Asked, "a") is not None
        await hub.advance(11 * DAY)
        assert (await kept(hub)).asked == 0  # undone
        letters = [letter async for letter in DeadLetters(hub.client.store).all()]
        assert [letter.failure.message for letter in letters] == ["not now"]
        await hub.advance(9.9 * DAY)
        assert len([letter async for letter in DeadLetters(hub.client.store).all()]) == 1
        await hub.advance(0.2 * DAY)
        assert len([letter async for letter in DeadLetters(hub.client.store).all()]) == 2


@pytest.mark.hazard(104)
async def test_a_reminder_that_repeats_keeps_it_however_rare_it_is() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(Plain.hit, "a")
        await hub.client.call_entity(Plain.remind, "a", 45.0, True)
        await hub.advance(60 * DAY)
        assert await hub.client.read_entity(Plain, "a") is not None
        assert await hub.client.call_entity(Plain.visible, "a") == ["r"]
        await hub.client.call_entity(Plain.stop, "a")
        assert 10 <= await age(hub, Plain) <= 11.25
        await hub.client.call_entity(Plain.hit, "b")
        await hub.client.call_entity(Plain.remind, "b", 45.0, False)
        assert await age(hub, Plain, "b") <= 11.25


@pytest.mark.hazard(103)
async def test_what_comes_at_the_moment_finds_the_old_or_a_fresh_one() -> None:
    """Never half of one, whatever is first, and a worker that dies changes nothing."""
    for seed in range(6):
        async with TestHub(make_app(), kill_seed=seed) as hub:
            await hub.client.call_entity(Asked.hit, "a")
            await hub.advance(11 * DAY - timedelta(milliseconds=1))
            moving = asyncio.create_task(hub.advance(timedelta(milliseconds=seed % 3)))
            hits = await hub.client.call_entity(Asked.hit, "a")
            await moving
            state = await kept(hub)
            assert state.hits == hits and hits in (1, 2)
            assert state.asked == 0
            log = await hub.client.read_entity(Log, "log")
            assert (log is not None) == (hits == 1)


async def test_an_entity_that_was_deleted_has_no_end_left() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.call_entity(Plain.hit, "a")
        await hub.client.call_entity(Plain.delete, "a")
        assert sum(info.timers for info in await hub.client.store.info()) == 0
        await hub.client.call_entity(Plain.look, "a")  # it does not exist, and does not by that
        assert sum(info.timers for info in await hub.client.store.info()) == 0


@pytest.mark.hazard(104)
async def test_a_class_may_begin_to_expire_expire_otherwise_and_not_at_all() -> None:
    async with TestHub(make_app(None)) as hub:
        await hub.client.call_entity(Plain.hit, "a")
        await hub.advance(100 * DAY)
        await hub.restart_worker(make_app(10))
        await hub.run_until_idle()
        assert 10 <= await age(hub, Plain) <= 11.25  # from then on: nobody knows when it was used
        await hub.client.call_entity(Plain.hit, "a")
        await hub.advance(5 * DAY)
        await hub.restart_worker(make_app(20))
        assert 15 <= await age(hub, Plain) <= 17.25
        await hub.client.call_entity(Plain.hit, "a")
        await hub.restart_worker(make_app(2))
        # That it was not used in the tenth of the twenty days after what was written last is known to nobody.
        assert 2 <= await age(hub, Plain) <= 4.35
        await hub.client.call_entity(Plain.hit, "a")
        await hub.restart_worker(make_app(None))
        await hub.advance(100 * DAY)
        assert await hub.client.read_entity(Plain, "a") is not None
        assert sum(info.timers for info in await hub.client.store.info()) == 0


@pytest.mark.hazard(79)
async def test_on_expire_is_no_operation() -> None:
    async with TestHub(make_app()) as hub:
        for name in ("on_expire", "On_Expire"):
            with pytest.raises(UnknownOperation):
                await hub.client.signal_entity(EntityId(Asked, "a"), name)
        for name in ("!expire", "!reminder"):
            with pytest.raises((UnknownOperation, InvalidInput)):
                await hub.client.signal_entity(EntityId(Asked, "a"), name)
        with pytest.raises(InvalidInput):
            await hub.client.signal_entity(Asked.on_expire, "a")


@pytest.mark.hazard(79)
def test_what_cannot_be_a_hook_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="the name is taken"):

        class Field(Entity):  # pyright: ignore[reportUnusedClass]
            on_expire: int = 0

    class Greedy(Entity):
        def on_expire(self, why: str) -> None: ...

    with pytest.raises(InvalidDefinition, match="nothing else"):
        ClassEntityType(Greedy, expires_after=DAY)
    for nonsense in (timedelta(0), timedelta(milliseconds=999), 5):
        with pytest.raises(InvalidDefinition, match="expires_after"):
            ClassEntityType(Plain, expires_after=nonsense)  # type: ignore[arg-type]
