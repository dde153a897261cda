"""Pages of entities and instances: each says where the next one begins, and none looks at too much."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.entities import EntityClient, EntityId, InvalidInput, Page, Registry
from stead.entities._client import listing
from stead.entities._message.envelope import Message
from stead.orchestrations import OrchestrationClient, OrchestrationRegistry, RuntimeStatus
from stead.transport import Settings, Store
from support.guards import HANGS_S
from support.scripted_instances import scripted_instances
from support.scripted_worker import scripted_worker

pytestmark = pytest.mark.anyio


async def write(store: Store, settings: Settings, targets: list[str]) -> None:
    def script(worker: Any, message: Message) -> None:
        worker.states[message.target] = {"of": message.target}

    async with scripted_worker(store, script), EntityClient(store, Registry(), settings) as client:
        for target in targets:
            await client.call_entity(EntityId.parse(target), "set")


async def test_entities_come_in_pages(store: Store, settings: Settings) -> None:
    targets = [*(f"@a@{number:02}" for number in range(7)), "@b@", "@b@x"]
    await write(store, settings, targets)

    async with EntityClient(store, Registry(), settings) as client:

        async def all_of(length: int, entity: str | None = None, **options: Any) -> tuple[list[str], int]:
            found: list[str] = []
            after: str | None = ""
            pages = 0
            while after is not None:
                page = await client.page_entities(entity, length=length, after=after, **options)
                assert len(page.items) <= length
                found += [str(entity.entity_id) for entity in page.items]
                after = page.after
                pages += 1
            return found, pages

        for length, pages in ((1, 9), (4, 3), (9, 1), (100, 1)):
            assert await all_of(length) == (targets, pages)
        assert await all_of(3, "A") == (targets[:7], 3)
        assert await all_of(3, "a", prefix="0") == (targets[:7], 3)
        assert await all_of(3, "a", prefix="06") == (["@a@06"], 1)
        assert await all_of(3, "nobody") == ([], 1)
        now = datetime.now(UTC)
        hour = timedelta(hours=1)
        assert await all_of(3, modified_from=now - hour, modified_to=now + hour) == (targets, 3)
        assert await all_of(3, modified_from=now + hour) == ([], 1)
        assert await all_of(3, modified_to=now - hour) == ([], 1)
        page = await client.page_entities("a", length=1)
        assert page.items[0].state == {"of": "@a@00"}
        assert abs(page.items[0].modified_time - now) < hour
        page = await client.page_entities("a", length=1, with_state=False)
        assert page.items[0].state is None
        with pytest.raises(InvalidInput):
            await client.page_entities("no name")


async def test_a_page_ends_when_it_has_looked_at_enough(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [f"@a@{number:02}" for number in range(9)]
    await write(store, settings, targets)
    monkeypatch.setattr(listing, "SCANNED_MAX", 4)
    hasty = settings.model_copy(update={"list_page_length": 2})
    async with EntityClient(store, Registry(), hasty) as client:
        after = "@a@03"
        later = datetime.now(UTC) + timedelta(hours=1)
        assert await client.page_entities(modified_from=later) == Page([], after)
        page = await client.page_entities(after=after)
        assert [str(entity.entity_id) for entity in page.items] == targets[4:8]
        assert page.after == targets[7]


async def test_instances_come_in_pages(store: Store, settings: Settings) -> None:
    registry = OrchestrationRegistry(settings)
    async with (
        scripted_instances(store),
        OrchestrationClient(store, Registry(), settings, registry) as client,
    ):
        for number in range(5):
            await client.start_new("work", {"number": number}, instance_id=f"i{number}")
        async with asyncio.timeout(HANGS_S):
            while sum((await client.count_instances(statuses=["Running"])).values()) < 5:
                await asyncio.sleep(0.01)
        page = await client.page_instances(length=2)
        assert [status.instance_id for status in page.items] == ["i0", "i1"]
        assert page.items[0].input is None
        page = await client.page_instances(length=3, after=page.after or "", show_input=True)
        assert [status.instance_id for status in page.items] == ["i2", "i3", "i4"]
        assert page.items[0].input == {"number": 2}
        assert page.after is None
        assert await client.page_instances(statuses=[RuntimeStatus.FAILED]) == Page([], None)
        assert (await client.page_instances(length=1, prefix="i3")).after is None
