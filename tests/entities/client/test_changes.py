"""Changes of entities, read on and on: each committed state once, in order, or it is said what is missing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.entities import Change, ChangesLost, Entity, EntityId, InvalidDefinition, InvalidInput, UnknownEntity
from stead.entities._client.cursor import Place, read_cursor, write_cursor
from stead.entities._index.catalogue import NOTHING, Catalogue
from stead.entities._index.feeds import KindFeed, read_entry
from stead.entities._partition.indexing import Indexing
from stead.transport import READY, AcknowledgedLost, Commit, FeedWrite, pack, unpack
from support.guards import HANGS_S
from support.user_folder import WorkerThread

SETTINGS = Settings(partitions=4, slot_groups=2, changes_poll_ms=20)
app = App("changes", settings=SETTINGS)


@app.entity(changes=timedelta(days=2))
class Station(Entity):
    value: int = 0

    def put(self, value: int) -> None:
        self.value = value

    def look(self) -> int:
        return self.value

    def remind(self) -> None:
        self.context.reminder("later", after=timedelta(days=1)).signal(Station.look)


@app.entity
class Silent(Entity):
    value: int = 0

    def put(self, value: int) -> None:
        self.value = value


async def take(changes: AsyncIterator[Change[Any]], count: int) -> list[Change[Any]]:
    """The first changes of a reading, which ends there."""
    found: list[Change[Any]] = []
    async with asyncio.timeout(HANGS_S):
        while len(found) < count:
            found.append(await anext(changes))
    await changes.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType]
    return found


def said(changes: list[Change[Any]]) -> list[tuple[str, Any]]:
    return [(change.entity_id.key, None if change.state is None else change.state.value) for change in changes]


async def test_each_commit_that_changes_a_state_is_a_change_and_nothing_else_is() -> None:
    async with TestHub(app) as hub:
        client = hub.client
        for value in (1, 1, 2):
            await client.call_entity(Station.put, "a", value)
        await client.call_entity(Station.look, "b")
        await client.call_entity(Station.remind, "a")
        await client.call_entity(EntityId(Station, "a"), "delete")
        await client.call_entity(Station.put, "a", 3)
        found = await take(client.changes(Station, after="oldest"), 4)
        assert said(found) == [("a", 1), ("a", 2), ("a", None), ("a", 3)]
        assert found[0].time == datetime(2026, 1, 1, tzinfo=UTC) and found[0].entity_id == EntityId("Station", "a")
        again = await take(client.changes("station", after=found[1].cursor), 2)
        assert [change.state for change in again] == [None, {"value": 3}]
        position = await client.changes_position(Station)
        await client.call_entity(Station.put, "c", 9)
        assert said(await take(client.changes(Station, after=position), 1)) == [("c", 9)]


@pytest.mark.hazard(94)
async def test_a_cursor_stands_between_two_changes_of_one_commit() -> None:
    async with TestHub(app) as hub:
        keys = [f"k{number}" for number in range(40)]
        for key in keys:
            await hub.client.signal_entity(Station.put, key, 1)
        await hub.run_until_idle()
        whole = await take(hub.client.changes(Station, after="oldest"), len(keys))
        assert sorted(said(whole)) == sorted((key, 1) for key in keys)
        for place, change in enumerate(whole[:-1]):
            rest = await take(hub.client.changes(Station, after=change.cursor), len(keys) - place - 1)
            assert sorted(said(rest)) == sorted(said(whole[place + 1 :])), place


async def test_without_after_a_reading_begins_where_the_hub_is_and_waits_for_more() -> None:
    async with TestHub(app) as hub:
        await hub.client.call_entity(Station.put, "a", 1)
        reading = asyncio.ensure_future(take(hub.client.changes(Station), 1))
        await hub.run_until_idle()
        await hub.client.call_entity(Station.put, "a", 2)
        await hub.advance(timedelta(seconds=1))
        assert said(await reading) == [("a", 2)]


@pytest.mark.hazard(97)
async def test_what_is_trimmed_is_said_once_and_the_reading_goes_on_from_there() -> None:
    short = App("short", settings=SETTINGS)

    @short.entity(changes=timedelta(seconds=60))
    class Brief(Entity):
        value: int = 0

        def put(self, value: int) -> None:
            self.value = value

    async with TestHub(short) as hub:
        client = hub.client
        await client.call_entity(Brief.put, "a", 1)
        [first] = await take(client.changes(Brief, after="oldest"), 1)
        begin = await client.changes_position(Brief)
        await client.call_entity(Brief.put, "a", 2)
        await hub.advance(timedelta(minutes=5))  # nothing is added: the owner trims it all the same
        for after in (first.cursor, begin):
            with pytest.raises(ChangesLost) as lost:
                await take(client.changes(Brief, after=after), 1)
            assert (lost.value.missing, lost.value.went_back) == (1, False)
            await client.call_entity(Brief.put, "a", int(after == begin) + 3)
            assert said(await take(client.changes(Brief, after=lost.value.resume), 1))[0][0] == "a"
        quiet = await client.changes_position(Brief)
        await hub.advance(timedelta(days=1))
        await client.call_entity(Brief.put, "a", 9)
        assert said(await take(client.changes(Brief, after=quiet), 1)) == [("a", 9)]  # old, and nothing is missing
        assert said(await take(client.changes(Brief, after="oldest"), 1)) == [("a", 9)]


async def test_what_is_wrong_is_refused() -> None:
    async with TestHub(app) as hub:
        client = hub.client
        for subject, wrong in (
            (Silent, None),
            ("silent", None),
            (Station, "nonsense"),
            (Station, ""),
            (Station, write_cursor("another", "station", [Place()] * 4)),
            (Station, write_cursor(hub._driver.store.layout.hub_id, "silent", [Place()] * 4)),
        ):
            with pytest.raises(InvalidInput):
                await take(client.changes(subject, after=wrong), 1)
        with pytest.raises(UnknownEntity):
            await take(client.changes("ship"), 1)
        ahead = write_cursor(hub._driver.store.layout.hub_id, "station", [Place(1, 0, 7)] * 4)
        with pytest.raises(ChangesLost, match="gone back"):
            await take(client.changes(Station, after=ahead), 1)
    for bad in (timedelta(0), 5):
        with pytest.raises(InvalidDefinition, match="changes"):
            App("bad", settings=SETTINGS).entity(changes=bad)(Silent)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.hazard(97)
def test_a_feed_that_nobody_wants_any_more_is_emptied() -> None:
    feed = KindFeed("brief", 5)
    gone, kept = Indexing(NOTHING, {feed.name: READY, "an index": READY}), Indexing(Catalogue(1, (), [feed]), {}, 7)
    for indexing, written in ((gone, FeedWrite("brief", b"", 0, 0)), (kept, FeedWrite("brief", b"", 5, 7))):
        assert indexing.active and indexing.is_trim_due(10)  # what a feed holds when a tenure begins is not known
        indexing.trim = True
        commit = Commit(0, b"token", b"", b"id")
        indexing.build(commit, [], 10, {})
        assert (commit.feeds, indexing.trim) == ([written], False)
        assert [indexing.is_trim_due(now_ms) for now_ms in (10, 14, 15, 16)] == [False, False, indexing is kept, False]
    assert not Indexing(NOTHING, {"an index": READY}).is_trim_due(10)


PLACES = st.builds(
    Place,
    st.integers(1, 2**48),
    st.integers(0, 2**64 - 1) | st.just(0),
    st.integers(1, 2**40),
    st.integers(0, 10_000) | st.just(0),
    st.integers(0, 255),
) | st.integers(0, 2**40).map(lambda number: Place(number=number))


@pytest.mark.hazard(95)
@given(st.lists(PLACES, min_size=1, max_size=8))
def test_a_cursor_holds_places(places: list[Place]) -> None:
    assert read_cursor(write_cursor("hub", "kind", places), "hub", "kind", len(places)) == places
    with pytest.raises(InvalidInput):
        read_cursor(write_cursor("hub", "kind", places), "hub", "kind", len(places) + 1)


@pytest.mark.parametrize("number", [2**31, 2**62, -1, 0])
def test_a_number_in_place_of_bytes_is_refused_and_takes_no_memory(number: int) -> None:
    """In a cursor, which anybody may send, and in an entry of a feed, which another program may have written."""
    cursor = write_cursor("hub", "kind", [Place()])
    for place in (1, 6):  # the feed's ID, and the places
        found: Any = unpack(base64.urlsafe_b64decode(f"{cursor}==="))
        found[place] = number
        with pytest.raises(InvalidInput, match="no cursor"):
            read_cursor(base64.urlsafe_b64encode(pack(found)).decode(), "hub", "kind", 1)
    with pytest.raises(InvalidInput, match="entry"):
        read_entry(pack([["key", number]]))


@pytest.mark.hazard(95)
@pytest.mark.parametrize(("partitions", "length_max"), [(64, 620), (256, 2_450), (1_024, 9_800)])
def test_a_cursor_is_short(partitions: int, length_max: int) -> None:
    """Of a kind whose partitions have changed at any time of two days, some hundred thousand times each."""
    chance, now = random.Random(1), 1_800_000_000_000
    places = [
        Place(now - chance.randrange(2 * 86_400_000), 0, 300_000 + chance.randrange(5_000), 0, chance.randrange(256))
        for _ in range(partitions)
    ]
    places[0] = places[0]._replace(sequence=3, changes=17)
    assert len(write_cursor("0" * 16, "station", places)) <= length_max


def values(changes: list[Change[Any]]) -> list[int]:
    return [change.state.value for change in changes if change.state is not None]


async def put(hub: TestHub, value: int) -> None:
    await hub.client.signal_entity(Station.put, "a", value)
    await hub.run_until_idle()


@pytest.mark.hazard(95)
async def test_a_cursor_outlives_a_restart() -> None:
    async with TestHub(app) as hub:
        await put(hub, 1)
        running = hub.client.changes(Station, after="oldest")
        first = await anext(running)
        hub._driver.store.restart()
        await hub.restart_worker()
        await put(hub, 2)
        for changes in (running, hub.client.changes(Station, after=first.cursor)):
            assert values(await take(changes, 1)) == [2]


@pytest.mark.hazard(95)
async def test_a_cursor_knows_a_history_that_is_gone() -> None:
    """Whether the server has gone back is seen by what stands where the reader was, however much has come since."""
    async with TestHub(app) as hub:
        client, store = hub.client, hub._driver.store
        for value in (1, 2):
            await put(hub, value)
        past = store.snapshot()
        await put(hub, 3)
        of_past, of_present = [change.cursor for change in (await take(client.changes(Station, after="oldest"), 3))[1:]]
        await put(hub, 4)
        running = client.changes(Station, after=of_present)
        assert values([await anext(running)]) == [4]
        store.restore(past)
        await hub.restart_worker()
        with contextlib.suppress(AcknowledgedLost):
            await put(hub, 0)
        for value in (5, 6, 7, 8):  # as many as there were, and more
            await put(hub, value)
        with pytest.raises(ChangesLost, match="gone back"):
            await take(running, 1)
        with pytest.raises(ChangesLost, match="gone back") as lost:
            await take(client.changes(Station, after=of_present), 1)
        assert lost.value.went_back
        assert values(await take(client.changes(Station, after=lost.value.resume), 6)) == [1, 2, 5, 6, 7, 8]
        assert values(await take(client.changes(Station, after=of_past), 2)) == [
            5,
            6,
        ]  # it has seen nothing that is gone


@pytest.mark.hazard(95)
async def test_a_history_of_the_same_ids_and_numbers_is_told_apart_by_what_is_in_it() -> None:
    async with TestHub(app) as hub:
        client, store = hub.client, hub._driver.store
        past = store.snapshot()
        await put(hub, 1)
        [change] = await take(client.changes(Station, after="oldest"), 1)
        store.restore(past)  # time stands still: the next entry has the same ID
        await hub.restart_worker()
        with contextlib.suppress(AcknowledgedLost):
            await put(hub, 0)
        await put(hub, 2)
        with pytest.raises(ChangesLost, match="gone back"):
            await take(client.changes(Station, after=change.cursor), 1)


@pytest.mark.hazard(94)
async def test_what_goes_into_a_feed_counts_in_the_limits_of_a_commit() -> None:
    """Each state is written twice: entries are not larger than a commit may be, but for one state."""
    small = App("small", settings=SETTINGS.model_copy(update={"batch_bytes_max": 1_024}))

    @small.entity(changes=timedelta(days=2))
    class Wide(Entity):
        text: str = ""

        def fill(self, length: int) -> None:
            self.text = "x" * length  # messages are small: it is what they make that counts

    async with TestHub(small) as hub:
        for number in range(40):
            await hub.client.signal_entity(Wide.fill, f"k{number}", 300)
        await hub.run_until_idle()
        entries = [
            entry
            for state in hub._driver.store.snapshot().partitions
            for entry in state.feeds["wide"].stream.entries.values()
        ]
        assert max(map(len, entries)) < 1_024 + 400 and len(entries) > 8


@pytest.mark.hazard(96)
async def test_a_worker_of_an_app_that_does_not_know_of_it_writes_changes_too() -> None:
    before = App("changes", settings=SETTINGS)

    @before.entity(name="Station")
    class Old(Entity):
        value: int = 0

        def put(self, value: int) -> None:
            self.value = value

    async with TestHub(app) as hub:
        await hub.client.call_entity(Station.put, "a", 1)
        await hub.restart_worker(before)
        await hub.client.call_entity(Station.put, "a", 2)
        assert said(await take(hub.client.changes(Station, after="oldest"), 2)) == [("a", 1), ("a", 2)]


@pytest.mark.hazard(95)
@pytest.mark.parametrize("seed", range(3))
async def test_a_reader_that_is_killed_sees_every_state_that_follows(seed: int) -> None:
    """It stores its cursor with what it did, and goes on from there: no gap for any entity, and nothing twice."""
    async with TestHub(app, kill_seed=seed) as hub:
        client, keys = hub.client, ["a", "b", "c", "d", "e"]
        kept: tuple[str, list[tuple[str, Any]]] = (await client.changes_position(Station), [])
        for value in range(1, 13):
            for key in keys:
                await client.signal_entity(Station.put, key, value)
            await hub.run_until_idle()
            cursor, seen = kept
            lives = (value * 7 + seed) % 5 + 1  # changes that it sees before it is killed
            for change in await take(client.changes(Station, after=cursor), min(lives, len(keys) * value - len(seen))):
                seen = [*seen, *said([change])]
                kept = (change.cursor, seen)
        cursor, seen = kept
        seen = seen + said(await take(client.changes(Station, after=cursor), len(keys) * 12 - len(seen)))
        for key in keys:
            assert [value for name, value in seen if name == key] == list(range(1, 13))


def test_over_a_server_and_without_await(server_url: str) -> None:
    thread = WorkerThread(app, server_url)
    with app.connect_sync(server_url) as client:
        position = client.changes_position(Station)
        changes = client.changes(Station, after=position)
        for value in range(1, 4):
            client.call_entity(Station.put, "a", value)
        found = [next(changes) for _ in range(3)]
        states = [(change.entity_id.key, change.state.value) for change in found if change.state is not None]
        assert states == [("a", 1), ("a", 2), ("a", 3)]
        assert found[2].cursor and found[2].time.tzinfo is UTC and "value=3" in repr(found[2])
        grouped = client.changes(Station, group="g", start=position)
        first = next(grouped)
        assert first.done() is True and first.receipt
        next(grouped)  # and is not marked
        assert client.changes_groups(Station)[0].readers == 1
        grouped.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType]
        assert first.done() is False
        again = next(client.changes("station", group="g"))
        assert again.state == {"value": 2}
        del again
        assert client.delete_changes_group(Station, "g")
    thread.end()
