"""Reminders in virtual time, over both stores, and where entities are shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId, UnknownEntity
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

app = App("bells")
A = EntityId("Bell", "a")


@app.entity
class Bell(Entity):
    rung: list[datetime] = []

    def set_cron(self, rule: str, zone: str) -> None:
        self.context.reminder("rule", cron=rule, timezone=zone).signal(Bell.ring)

    def set_every(self, seconds: float) -> None:
        self.context.reminder("every", every=timedelta(seconds=seconds)).signal(Bell.ring)

    def set_at(self, at: datetime) -> None:
        self.context.reminder("at", at=at).signal(Bell.ring)

    def ring(self) -> None:
        self.rung.append(self.context.now)


@pytest.mark.hazard(108)
async def test_a_year_of_nights_in_seconds() -> None:
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Bell.set_cron, "a", "30 2 * * *", "Europe/Oslo")
        await hub.advance(timedelta(days=365))
        bell = await hub.client.read_entity(Bell, "a")
    assert bell is not None
    shown = [at.astimezone(ZoneInfo("Europe/Oslo")) for at in bell.rung]
    assert [at.date() for at in shown] == [datetime(2026, 1, 1).date() + timedelta(days=n) for n in range(365)]
    assert {at.strftime("%m-%d %H:%M") for at in shown if at.minute != 30} == {"03-29 03:00"}


async def test_it_goes_on_with_the_next_worker() -> None:
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Bell.set_every, "a", 60)
        await hub.advance(timedelta(seconds=90))
        await hub.restart_worker()
        await hub.advance(timedelta(seconds=90))
        bell = await hub.client.read_entity(Bell, "a")
        status = await hub.client.describe_entity(A)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert bell is not None and bell.rung == [begin + timedelta(minutes=n) for n in (1, 2, 3)]
    assert status is not None and status.reminders == {"every": begin + timedelta(minutes=4)}


async def test_what_is_shown_of_an_entity_without_a_state() -> None:
    async with TestHub(app) as hub:
        at = hub.now + timedelta(hours=1)
        await hub.client.signal_entity(Bell.set_at, "a", at)
        await hub.run_until_idle()
        assert await hub.client.read_entity(Bell, "a") is None
        assert [entity_id async for entity_id, _ in hub.client.list_entities(Bell)] == []
        status = await hub.client.describe_entity(A)
        assert status is not None and (status.exists, status.state, status.reminders) == (False, None, {"at": at})
        await hub.client.signal_entity(Bell.ring, "b")
        await hub.run_until_idle()
        page = await hub.client.page_entities("Bell")
        assert [(found.entity_id.key, found.reminders) for found in page.items] == [("b", {})]
        await hub.client.signal_entity(Bell.delete, "a")
        await hub.run_until_idle()
        assert await hub.client.describe_entity(A) is None
        with pytest.raises(UnknownEntity):
            await hub.client.describe_entity(EntityId("Nobody", "a"))


async def test_on_a_server_a_reminder_outlives_its_workers(server: ValkeyServer) -> None:
    async with app.connect(server.url) as client, asyncio.timeout(HANGS_S):
        async with app.worker(server.url):
            await client.call_entity(Bell.set_every, "a", 1.0)
        status = await client.describe_entity(A)
        assert status is not None and list(status.reminders) == ["every"]
        async with app.worker(server.url):
            while (bell := await client.read_entity(Bell, "a")) is None or len(bell.rung) < 2:
                await client.call_entity(Bell.delete, "b")
            await client.call_entity(Bell.delete, "a")
        assert await client.describe_entity(A) is None
        assert sum(info.timers for info in await client.store.info()) == 0
