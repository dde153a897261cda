"""What an instance waits for, told from its history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext, Wait
from stead.orchestrations._history.waits import AWAITED_LENGTH_MAX


class Account(Entity):
    cents: int = 0

    def pay(self, cents: int) -> None:
        self.cents += cents


@pytest.mark.parametrize("anew", [False, True], ids=["kept", "replayed every turn"])
async def test_the_events_that_are_awaited_are_named_since_they_are(anew: bool) -> None:
    app = App("waits")

    @app.orchestration
    async def gathers(context: OrchestrationContext, count: int) -> None:
        first = context.wait_for_external_event("First")
        others = [context.wait_for_external_event(f"other {number}") for number in range(count)]
        again = context.wait_for_external_event("FIRST")
        await first
        await context.create_timer(timedelta(hours=1))
        for other in others:
            other.cancel()
        await again
        context.continue_as_new(0)

    async with TestHub(app, replay_every_turn=anew) as hub:
        client = hub.client
        began = hub.now

        async def waits(instance_id: str) -> list[tuple[str, str, timedelta]]:
            status = await client.get_status(instance_id, show_history=True)
            assert status is not None and status.waiting_for is not None
            return [(wait.kind, wait.name, wait.since - began) for wait in status.waiting_for]

        async def raised(instance_id: str) -> None:
            await client.raise_event(instance_id, "first")
            await hub.run_until_idle()

        await client.start_new(gathers, 2, instance_id="few")
        await client.start_new(gathers, 2 * AWAITED_LENGTH_MAX, instance_id="many")
        await hub.run_until_idle()
        none, minute, hour = timedelta(0), timedelta(minutes=1), timedelta(hours=1)
        others = [("event", "other 0", none), ("event", "other 1", none)]
        assert await waits("few") == [("event", "First", none), *others]
        assert len(await waits("many")) == AWAITED_LENGTH_MAX
        await hub.advance(minute)
        await raised("few")  # the second still waits for one of this name
        assert await waits("few") == [("timer", "", minute), ("event", "FIRST", minute), *others]
        await hub.restart_worker()
        await hub.advance(hour)
        assert await waits("few") == [("event", "FIRST", minute)]
        await raised("few")
        assert await waits("few") == [("event", "First", hour + minute), ("event", "FIRST", hour + minute)][:1]
        await client.suspend("few")
        await hub.run_until_idle()
        assert await waits("few") == [("event", "First", hour + minute)]
        await client.terminate("few")
        await hub.run_until_idle()
        assert await waits("few") == []


async def test_each_kind_is_named_with_its_times_until_it_is_answered() -> None:
    app = App("waits")
    app.entity(Account)

    @app.orchestration
    async def child(context: OrchestrationContext) -> None:
        await context.wait_for_external_event("go")

    @app.orchestration
    async def parent(context: OrchestrationContext) -> None:
        waiting = context.call_sub_orchestrator(child)
        await context.create_timer(timedelta(hours=1))
        await waiting
        async with context.lock_entities(EntityId("Account", "a")):
            await context.wait_for_external_event("end")

    async with TestHub(app) as hub:
        client = hub.client
        began = hub.now
        await client.start_new(parent, instance_id="p")
        await hub.run_until_idle()

        async def waits() -> list[Wait]:
            status = await client.get_status("p", show_history=True)
            assert status is not None and status.waiting_for is not None
            return status.waiting_for

        first, second = await waits()
        assert (first.kind, first.since, first.until) == ("sub-orchestration", began, None)
        name, _, child_id = first.name.removesuffix(")").partition(" (")
        assert name == "child"
        assert (second.kind, second.since, second.until) == ("timer", began, began + timedelta(hours=1))
        await hub.advance(timedelta(hours=2))
        assert [wait.kind for wait in await waits()] == ["sub-orchestration"]
        await client.raise_event(child_id, "go")
        await hub.run_until_idle()
        (third,) = await waits()
        assert (third.kind, third.name, third.since) == ("event", "end", began + timedelta(hours=2))
        plain = await client.get_status("p")
        assert plain is not None and plain.waiting_for is None  # not asked for
        await client.raise_event("p", "end")
        await hub.run_until_idle()
        assert await waits() == []


def test_a_wait_in_words() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert str(Wait("activity", "book", now)) == "activity book"
    assert str(Wait("timer", "", now, now)) == "timer"
