"""What an instance waits for, told from its history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext, Wait


class Account(Entity):
    cents: int = 0

    def pay(self, cents: int) -> None:
        self.cents += cents


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
        assert await waits() == []  # for an event, which no history names
        plain = await client.get_status("p")
        assert plain is not None and plain.waiting_for is None  # not asked for
        await client.raise_event("p", "end")
        await hub.run_until_idle()
        assert await waits() == []


def test_a_wait_in_words() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert str(Wait("activity", "book", now)) == "activity book"
    assert str(Wait("timer", "", now, now)) == "timer"
