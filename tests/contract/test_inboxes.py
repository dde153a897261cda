"""Reading inboxes: from a position, in order, waiting while there is nothing."""

from __future__ import annotations

import asyncio

import pytest

from stead.transport import Entry, Store, stream_order
from support.redis_steps import batch, commit, put, read, take
from support.store_twins import Twin, soon

pytestmark = pytest.mark.anyio


def contents(entries: list[Entry]) -> list[bytes]:
    return [entry[1][1] for entry in entries]


async def test_an_entry_is_its_stream_id_and_its_envelope_under_m(store: Store) -> None:
    [stream_id] = await put(store, [b"a"])
    [(partition, entries)] = await store.read_inboxes({0: b"0"}, 10, 0)
    assert partition == 0
    assert [(entry[0], list(entry[1])) for entry in entries] == [(stream_id, [b"m", b"a"])]


async def test_stream_ids_ascend(store: Store) -> None:
    ids = await put(store, [b"a", b"b"]) + await put(store, [b"c"])
    orders = [stream_order(stream_id) for stream_id in ids]
    assert orders == sorted(set(orders))


async def test_a_read_goes_on_after_its_position(store: Store) -> None:
    ids = await put(store, [b"a", b"b", b"c"])
    [(_, entries)] = await store.read_inboxes({0: ids[0]}, 10, 0)
    assert contents(list(entries)) == [b"b", b"c"]
    assert await store.read_inboxes({0: ids[2]}, 10, 0) == []


async def test_a_read_brings_no_more_than_asked_for_from_each_partition(store: Store) -> None:
    for partition in (0, 1):
        await put(store, [b"a", b"b", b"c"], partition)
    found = await store.read_inboxes({0: b"0", 1: b"0"}, 2, 0)
    assert {partition: contents(list(entries)) for partition, entries in found} == {0: [b"a", b"b"], 1: [b"a", b"b"]}


async def test_partitions_without_new_messages_are_left_out(store: Store) -> None:
    await put(store, [b"a"], 2)
    assert [partition for partition, _ in await store.read_inboxes(dict.fromkeys(range(4), b"0"), 10, 0)] == [2]


async def test_reading_takes_nothing_away(store: Store) -> None:
    """Only commits remove messages, so recovery is to read from the start."""
    await put(store, [b"a", b"b"])
    assert contents(list(await read(store))) == contents(list(await read(store))) == [b"a", b"b"]


async def test_a_message_consumed_out_of_order_is_passed_over(store: Store) -> None:
    ids = await put(store, [b"a", b"b", b"c"])
    owner = await take(store)
    await store.commit([commit(owner, consumed=[ids[1]])], store.generation)
    assert contents(list(await read(store))) == [b"a", b"c"]


async def test_an_emptied_inbox_never_gives_an_id_twice(store: Store) -> None:
    """HAZARDS, facts: an emptied stream keeps its last ID; a position must stay valid."""
    [first] = await put(store, [b"a"])
    owner = await take(store)
    await store.commit([commit(owner, consumed=[first])], store.generation)
    await store.enqueue([batch([b"b"])])
    [(_, entries)] = await store.read_inboxes({0: first}, 10, 0)
    assert contents(list(entries)) == [b"b"]


async def test_without_messages_a_read_that_may_not_wait_returns_at_once(store: Store) -> None:
    assert await store.read_inboxes({0: b"0"}, 10, 0) == []
    assert await store.read_inboxes({}, 10, 0) == []


async def test_a_waiting_read_ends_when_its_time_is_over(twin: Twin) -> None:
    before = twin.store.clock.monotonic()
    assert await twin.wait_for(twin.store.read_inboxes({0: b"0", 1: b"0"}, 10, 60)) == []
    assert twin.store.clock.monotonic() - before >= 0.055


async def test_a_waiting_read_ends_when_a_message_comes(store: Store) -> None:
    reading = asyncio.ensure_future(store.read_inboxes({0: b"0", 1: b"0"}, 10, 20_000))
    await asyncio.sleep(0.01)
    await store.enqueue([batch([b"elsewhere"], partition=2)])
    await store.enqueue([batch([b"a", b"b"], partition=1)])
    [(partition, entries)] = await soon(reading)
    assert (partition, contents(list(entries))) == (1, [b"a", b"b"])


async def test_a_waiting_read_ends_when_another_partition_sends(store: Store) -> None:
    owner = await take(store, 0)
    reading = asyncio.ensure_future(store.read_inboxes({1: b"0"}, 10, 20_000))
    await asyncio.sleep(0.01)
    await store.commit([commit(owner, sends=[(1, b"sent")])], store.generation)
    [(_, entries)] = await soon(reading)
    assert contents(list(entries)) == [b"sent"]


async def test_a_read_that_is_cancelled_leaves_the_next_one_in_order(store: Store) -> None:
    reading = asyncio.ensure_future(store.read_inboxes({0: b"0"}, 10, 20_000))
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await store.enqueue([batch([b"a"])])
    [(_, entries)] = await store.read_inboxes({0: b"0"}, 10, 20_000)
    assert contents(list(entries)) == [b"a"]
