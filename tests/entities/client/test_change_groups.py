"""Groups of readers of changes: the hub keeps their position, readers share the partitions, and nothing is left out (HAZARDS 98)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, cast

import pytest

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.entities import Change, ChangesLost, Entity, InvalidInput, UnknownEntity
from stead.transport import AcknowledgedLost, pack, partition_of
from support.guards import HANGS_S

pytestmark = pytest.mark.hazard(98)

SETTINGS = Settings(partitions=4, slot_groups=2, changes_poll_ms=20)
app = App("groups", settings=SETTINGS)
KEYS = [f"k{number}" for number in range(16)]


@app.entity(changes=timedelta(days=2))
class Station(Entity):
    value: int = 0

    def put(self, value: int) -> None:
        self.value = value


def reading(hub: TestHub, group: str = "billing", start: str | None = None) -> AsyncGenerator[Change[Station]]:
    return cast("AsyncGenerator[Change[Station]]", hub.client.changes(Station, group=group, start=start))


async def some(changes: AsyncGenerator[Change[Any]], count: int) -> list[Change[Any]]:
    async with asyncio.timeout(HANGS_S):
        return [await anext(changes) for _ in range(count)]


def said(changes: list[Change[Any]]) -> list[tuple[str, int]]:
    return [(change.entity_id.key, change.state.value) for change in changes if change.state is not None]


async def put_all(hub: TestHub, value: int, keys: list[str] = KEYS) -> None:
    for key in keys:
        await hub.client.signal_entity(Station.put, key, value)
    await hub.run_until_idle()


async def test_what_was_done_does_not_come_again_and_what_was_not_done_does() -> None:
    async with TestHub(app) as hub:
        for value in (1, 2, 3):
            await put_all(hub, value, ["a"])
        reader = reading(hub, start="oldest")
        found = await some(reader, 3)
        assert await found[0].done()
        assert await found[1].done()
        assert await found[0].done(), "it never moves back"
        await reader.aclose()
        reader = reading(hub, start="oldest")
        assert said(await some(reader, 1)) == [("a", 3)]
        await reader.aclose()
        other = reading(hub, "other", start="oldest")
        assert said(await some(other, 3)) == [("a", 1), ("a", 2), ("a", 3)]
        await other.aclose()


async def test_done_means_all_before_it_of_the_same_partition_within_a_commit_too() -> None:
    async with TestHub(app) as hub:
        await put_all(hub, 1)
        reader = reading(hub, start="oldest")
        found = await some(reader, len(KEYS))
        marked = found[9]
        assert await marked.done()
        await reader.aclose()
        again = reading(hub)
        rest = await some(again, len(KEYS) - len(_of_partition(found, marked)[: _place(found, marked) + 1]))
        assert set(said(rest)) == set(said(found)) - set(
            said(_of_partition(found, marked)[: _place(found, marked) + 1])
        )
        await again.aclose()


def _of_partition(found: list[Change[Any]], one: Change[Any]) -> list[Change[Any]]:
    own = partition_of(str(one.entity_id), SETTINGS.partitions)
    return [change for change in found if partition_of(str(change.entity_id), SETTINGS.partitions) == own]


def _place(found: list[Change[Any]], one: Change[Any]) -> int:
    return _of_partition(found, one).index(one)


async def test_a_new_group_starts_now_unless_it_is_told_otherwise() -> None:
    async with TestHub(app) as hub:
        await put_all(hub, 1, ["a"])
        position = await hub.client.changes_position(Station)
        await put_all(hub, 2, ["a"])
        now, later = reading(hub, "now"), reading(hub, "later", start=position)
        waiting = asyncio.ensure_future(some(now, 1))
        await hub.run_until_idle()
        await put_all(hub, 3, ["a"])
        await hub.advance(timedelta(seconds=1))
        assert said(await waiting) == [("a", 3)]
        assert said(await some(later, 2)) == [("a", 2), ("a", 3)]
        for reader in (now, later):
            await reader.aclose()


async def shared_out(hub: TestHub) -> None:
    """Let readers look some times: what one gives back another one has to see."""
    for _ in range(6):
        await hub.advance(timedelta(milliseconds=100))


async def test_readers_share_the_partitions_and_what_one_leaves_the_others_take() -> None:
    async with TestHub(app) as hub:
        readers = [reading(hub, start="oldest") for _ in range(3)]
        seen: Counter[tuple[str, int]] = Counter()
        by_reader: list[set[str]] = [set() for _ in readers]

        async def read(nth: int) -> None:
            async for change in readers[nth]:
                seen[change.entity_id.key, change.state.value if change.state else 0] += 1
                by_reader[nth].add(change.entity_id.key)
                await change.done()

        tasks = [asyncio.ensure_future(read(nth)) for nth in range(3)]
        await shared_out(hub)
        await put_all(hub, 1)
        await shared_out(hub)
        assert seen == Counter({(key, 1): 1 for key in KEYS})
        assert sum(map(len, by_reader)) == len(KEYS) and sum(map(bool, by_reader)) >= 2
        [group] = await hub.client.changes_groups(Station)
        assert (group.entity, group.group, group.readers, group.partitions) == ("station", "billing", 3, 4)
        assert (group.behind, group.lost) == (0, 0)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        await put_all(hub, 2)
        await shared_out(hub)
        assert {key for key in KEYS if seen[key, 2]} == set(KEYS)
        assert not [key for key in KEYS if seen[key, 2] > 1]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert (await hub.client.changes_groups())[0].readers == 0


async def test_what_is_lost_is_raised_once_and_the_group_goes_on_behind_it() -> None:
    short = App("short-groups", settings=SETTINGS)

    @short.entity(changes=timedelta(seconds=60))
    class Brief(Entity):
        value: int = 0

        def put(self, value: int) -> None:
            self.value = value

    async with TestHub(short) as hub:
        client = hub.client
        await client.call_entity(Brief.put, "a", 1)
        first = cast("AsyncGenerator[Change[Any]]", client.changes(Brief, group="g", start="oldest"))
        await some(first, 1)
        await first.aclose()
        await hub.advance(timedelta(minutes=5))
        await client.call_entity(Brief.put, "a", 2)
        assert [group.lost for group in await client.changes_groups()] == [1]
        behind = cast("AsyncGenerator[Change[Any]]", client.changes(Brief, group="g"))
        with pytest.raises(ChangesLost) as lost:
            await some(behind, 1)
        assert (lost.value.missing, lost.value.went_back) == (1, False)
        on = cast("AsyncGenerator[Change[Any]]", client.changes(Brief, after=lost.value.resume))
        assert said(await some(on, 1)) == [("a", 2)]
        await on.aclose()
        for _ in range(2):
            going_on = cast("AsyncGenerator[Change[Any]]", client.changes(Brief, group="g"))
            assert said(await some(going_on, 1)) == [("a", 2)]
            await going_on.aclose()


@pytest.mark.hazard(95)
async def test_a_group_whose_server_has_gone_back_says_so_and_goes_on() -> None:
    async with TestHub(app) as hub:
        store = hub._driver.store
        await put_all(hub, 1, ["a"])
        reader = reading(hub, start="oldest")
        past = store.snapshot()
        await put_all(hub, 2, ["a"])
        found = await some(reader, 2)
        assert await found[-1].done()
        store.restore(past)
        await hub.restart_worker()
        with contextlib.suppress(AcknowledgedLost):
            await put_all(hub, 0, ["a"])
        await put_all(hub, 3, ["a"])
        with pytest.raises(ChangesLost):
            await some(reader, 1)
        assert await found[-1].done() is False
        reader = reading(hub, start="oldest")
        assert said(await some(reader, 2)) == [("a", 1), ("a", 3)]
        await reader.aclose()


async def test_a_group_is_forgotten_when_nobody_reads_it_and_deleted_when_nobody_does() -> None:
    brief = App("kept-groups", settings=SETTINGS.model_copy(update={"changes_group_keep": timedelta(hours=1)}))
    brief.entity(changes=timedelta(days=2))(Station)
    async with TestHub(brief) as hub:
        client = hub.client
        await put_all(hub, 1, ["a"])
        reader = reading(hub, start="oldest")
        await (await some(reader, 1))[0].done()
        with pytest.raises(InvalidInput, match="readers"):
            await client.delete_changes_group(Station, "billing")
        await reader.aclose()
        assert [group.group for group in await client.changes_groups("Station")] == ["billing"]
        assert await client.delete_changes_group("Station", "billing")
        assert not await client.delete_changes_group(Station, "billing")
        reader = reading(hub, start="oldest")
        await (await some(reader, 1))[0].done()
        await reader.aclose()
        await hub.advance(timedelta(hours=1))
        assert await client.changes_groups() == []
        reader = reading(hub, start="oldest")
        assert said(await some(reader, 1)) == [("a", 1)]
        await reader.aclose()


async def test_a_change_is_marked_from_elsewhere_by_its_receipt() -> None:
    async with TestHub(app) as hub:
        client = hub.client
        for value in (1, 2):
            await put_all(hub, value, ["a"])
        reader = reading(hub, start="oldest")
        found = await some(reader, 2)
        assert await client.mark_change_done(Station, "billing", found[0].receipt)
        await reader.aclose()
        assert not await client.mark_change_done("station", "billing", found[1].receipt), "its claim is over"
        huge = base64.urlsafe_b64encode(pack([0, b"fence", 2**62])).decode()  # of which `bytes` would make so many
        for wrong in ("", "nonsense", found[0].receipt[:-4], huge):
            with pytest.raises(InvalidInput, match="receipt"):
                await client.mark_change_done(Station, "billing", wrong)
        reader = reading(hub)
        assert said(await some(reader, 1)) == [("a", 2)]
        await reader.aclose()


async def test_what_is_wrong_is_refused() -> None:
    async with TestHub(app) as hub:
        client = hub.client
        wrong: list[dict[str, Any]] = [
            {"group": ""},
            {"group": "a b"},
            {"group": "x" * 129},
            {"group": 5},
            {"group": "g", "after": "oldest"},
            {"start": "oldest"},
            {"group": "g", "start": "nonsense"},
        ]
        for options in wrong:
            with pytest.raises(InvalidInput):
                await anext(client.changes(Station, **options))
        with pytest.raises(UnknownEntity):
            await anext(client.changes("Ship", group="g"))
        assert await client.changes_groups() == []
        await put_all(hub, 1, ["a"])
        plain = client.changes(Station, after="oldest")
        change = await anext(plain)
        with pytest.raises(InvalidInput, match="group"):
            await change.done()
        with pytest.raises(InvalidInput, match="group"):
            _ = change.receipt
        await cast("Any", plain).aclose()


@pytest.mark.parametrize("seed", range(4))
async def test_readers_that_are_killed_leave_no_gap_for_any_entity(seed: int) -> None:
    """Workers die too. What each key's changes come to, without what came again, is all of its states in order."""
    chance = random.Random(seed)
    async with TestHub(app, kill_seed=seed) as hub:
        done: dict[str, list[int]] = {key: [] for key in KEYS}

        async def read() -> None:
            async for change in reading(hub, start="oldest"):
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
                assert change.state is not None
                done[change.entity_id.key].append(change.state.value)
                if chance.random() < 0.7:
                    await change.done()

        tasks = [asyncio.ensure_future(read()) for _ in range(2)]
        for value in range(1, 9):
            await put_all(hub, value)
            await hub.advance(timedelta(milliseconds=chance.choice([0, 30, 300])))
            if chance.random() < 0.6:
                killed = tasks.pop(chance.randrange(len(tasks)))
                killed.cancel()
                await asyncio.wait([killed])
                tasks.append(asyncio.ensure_future(read()))
        for _ in range(6):  # what was not done is given up, and taken
            await hub.advance(timedelta(seconds=4))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert not [task for task in tasks if not task.cancelled()]
    for key, values in done.items():
        new: list[int] = []
        for value in values:
            if value not in new:
                new.append(value)
        assert new == sorted(new) and new[-1] == 8 and len(new) == 8, (key, values)
