"""Schedules after a loss: of what a server forgot, and of IDs that are taken."""

from __future__ import annotations

import pytest

from stead.app.testing import TestHub
from stead.entities import DeadLetters
from stead.transport import MemoryStore, pack, partition_of, unpack
from support.planned_app import HOUR, hours, make_app, seen, shown


@pytest.mark.hazard(106)
async def test_a_run_whose_end_was_lost_is_asked_for() -> None:
    """As with a server that lost its last writes: the instance is over, or gone, and nobody said so."""
    for purged in (False, True):
        async with TestHub(make_app()) as hub:
            client = hub.client
            await client.schedules.create("s", every=HOUR).start_new("work", 0.5)
            await hub.advance(HOUR)
            record, target = await stored(hub, "s"), "@!schedule@s"
            await hub.advance(0.9 * HOUR)
            if purged:
                assert await client.purge("s:2026-01-01T01:00:00Z")
            await put_back(hub, target, record)
            await hub.advance(1.5 * HOUR)
            schedule = await shown(hub, "s")
            assert (hours(schedule)[-1], schedule.skipped) == ((3, "Running"), 1)
            assert hours(schedule)[0] == (1, None if purged else "Completed")


async def stored(hub: TestHub, name: str) -> bytes:
    store = hub.client.store
    for partition in range(store.layout.partitions):
        [record] = await store.read_records(partition, [f"@!schedule@{name}"])
        if record is not None:
            return record
    raise AssertionError("it is not there")


async def put_back(hub: TestHub, target: str, record: bytes) -> None:
    """What the store has of a target is as it was; whoever has something else in memory forgets it."""

    store = hub.client.store
    assert isinstance(store, MemoryStore)
    state = store._state.partitions[partition_of(target, store.layout.partitions)]
    before = state.records[target]
    state.records[target] = with_due_of(record, before)
    await hub.restart_worker()


def with_due_of(record: bytes, other: bytes) -> bytes:
    """An old state with the reminders of a later one, whose timers are in the store."""

    old, new = unpack(record), unpack(other)
    state, later = unpack(old[1]), unpack(new[1])
    state["next_ms"] = later["next_ms"]
    return pack([*new[:1], pack(state), *new[2:]])


@pytest.mark.hazard(105)
async def test_an_id_that_is_taken_has_been_started_already() -> None:
    async with TestHub(make_app()) as hub:
        await hub.client.start_new("work", 1.5, instance_id="s:2026-01-01T01:00:00Z")
        await hub.client.schedules.create("s", every=HOUR).start_new("work", 0.25)
        await hub.advance(HOUR)
        assert len(await seen(hub, "work")) == 1
        assert [letter async for letter in DeadLetters(hub.client.store).all()] == []
        await hub.advance(0.75 * HOUR)
        assert hours(await shown(hub, "s")) == [(1, "Completed")]


def letters(hub: TestHub):  # type: ignore[no-untyped-def]
    from stead.entities import DeadLetters

    return DeadLetters(hub.client.store).all()
