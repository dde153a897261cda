"""Answers that a sender does not get, and a server that has lost what it had acknowledged."""

from __future__ import annotations

import asyncio

import pytest

from stead.transport import (
    AcknowledgedLost,
    Settings,
    StoreUnavailable,
)
from support.guards import HANGS_S
from transport.sender.test_sender import RecordingStore, inbox, sender_of

pytestmark = pytest.mark.anyio


# -- lost answers --------------------------------------------------------------------------------------------------------


async def test_lost_answers_double_nothing_and_the_same_bytes_are_sent_again() -> None:
    store = RecordingStore()
    store.faults.lose_answers("enqueue", 2)
    async with sender_of(store) as sender:
        await sender.wait(0, sender.put(0, b"a"))
        await sender.wait(0, sender.put(0, b"b"))
        assert await inbox(store, 0) == [b"a", b"b"]
    assert store.sent[0][0] is store.sent[1][0] is store.sent[2][0]


async def test_a_request_of_which_only_a_part_arrived_is_completed() -> None:
    store = RecordingStore()
    store.faults.lose_answers("enqueue", 1, parts=2)
    async with sender_of(store) as sender:
        await asyncio.gather(*[sender.wait(place, sender.put(place, b"%d" % place)) for place in range(4)])
        assert [await inbox(store, place) for place in range(4)] == [[b"0"], [b"1"], [b"2"], [b"3"]]


@pytest.mark.parametrize("arrived", [True, False])
async def test_after_an_unknown_outcome_the_sender_goes_on_and_doubles_nothing(arrived: bool) -> None:
    store = RecordingStore()
    if arrived:
        store.faults.lose_answers("enqueue", 1)
    store.faults.refuse("enqueue", 1_000)
    async with sender_of(store) as sender:
        with pytest.raises(StoreUnavailable) as caught:
            await sender.wait(0, sender.put(0, b"doubtful"))
        assert caught.value.outcome == "unknown"
        store.faults.clear()
        for payload in (b"b", b"c"):
            await sender.wait(0, sender.put(0, payload))
        assert await inbox(store, 0) == ([b"doubtful"] if arrived else []) + [b"b", b"c"]


async def test_what_was_never_sent_is_refused_not_unknown() -> None:
    store = RecordingStore()
    store.faults.refuse("enqueue", 1_000)
    async with sender_of(store) as sender:
        first = asyncio.ensure_future(sender.wait(0, sender.put(0, b"sent")))
        while not store.sent:
            await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable) as caught:
            await sender.wait(0, sender.put(0, b"never sent"))
        assert caught.value.outcome == "refused"
        with pytest.raises(StoreUnavailable):
            await first


async def test_a_producer_ends_at_an_unknown_outcome_because_the_rest_would_follow_a_hole() -> None:
    store = RecordingStore()
    store.faults.refuse("enqueue", 1_000)
    async with sender_of(store, patient=True) as sender:
        sender.put(0, b"a")
        with pytest.raises(StoreUnavailable):
            await sender.flush()
        store.faults.clear()
        with pytest.raises(StoreUnavailable):
            sender.put(1, b"b")
        with pytest.raises(StoreUnavailable):
            await sender.room()
        assert await inbox(store, 1) == []


@pytest.mark.parametrize("patient", [False, True])
async def test_a_closed_store_is_not_tried_again(patient: bool) -> None:
    store = RecordingStore(Settings(partitions=4, slot_groups=2, store_tries_ms=3_600_000))
    store.faults.lose_answers("enqueue")
    async with sender_of(store, patient=patient) as sender, asyncio.timeout(HANGS_S):
        waiting = asyncio.ensure_future(sender.wait(0, sender.put(0, b"doubtful")))
        while not store.sent:
            await asyncio.sleep(0)
        store.closed = True
        with pytest.raises(StoreUnavailable, match="the store is closed") as caught:
            await waiting
        assert caught.value.outcome == "unknown"
        if not patient:
            with pytest.raises(StoreUnavailable, match="the store is closed") as caught:
                await sender.wait(1, sender.put(1, b"never sent"))
            assert caught.value.outcome == "refused"


async def test_a_restart_of_the_server_is_survived() -> None:
    store = RecordingStore()
    async with sender_of(store) as sender:
        await sender.wait(0, sender.put(0, b"a"))
        store.restart()
        await sender.wait(0, sender.put(0, b"b"))
        assert await inbox(store, 0) == [b"a", b"b"]


# -- the server rolled back ----------------------------------------------------------------------------------------------


async def test_lost_acknowledged_messages_are_reported_to_who_sends_next_and_then_it_goes_on() -> None:
    store = RecordingStore()
    async with sender_of(store) as sender:
        await sender.wait(0, sender.put(0, b"a"))
        lagging = store.snapshot()
        await sender.wait(0, sender.put(0, b"b"))
        store.restore(lagging)
        with pytest.raises(AcknowledgedLost) as caught:
            await sender.wait(0, sender.put(0, b"c"))
        assert (caught.value.partition, caught.value.lost_from, caught.value.lost_to) == (0, 1, 1)
        await sender.wait(0, sender.put(0, b"d"))
        assert await inbox(store, 0) == [b"a", b"d"]  # c was reported as not accepted


async def test_a_producer_is_told_once_of_lost_messages_and_loses_no_further_one() -> None:
    store = RecordingStore()
    async with sender_of(store, patient=True) as sender:
        lagging = store.snapshot()
        sender.put(0, b"a")
        await sender.flush()
        store.restore(lagging)
        sender.put(0, b"b")
        with pytest.raises(AcknowledgedLost):
            await sender.flush()
        sender.put(0, b"c")
        await sender.flush()
        assert await inbox(store, 0) == [b"b", b"c"]


async def test_what_was_not_acknowledged_is_sent_again_after_a_fail_over() -> None:
    store = RecordingStore()
    async with sender_of(store) as sender:
        await sender.wait(0, sender.put(0, b"a"))
        lagging = store.snapshot()
        store.faults.lose_answers("enqueue", 1)
        waiting = asyncio.ensure_future(sender.wait(0, sender.put(0, b"b")))
        while len(store.sent) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        store.restore(lagging)
        await waiting
        assert await inbox(store, 0) == [b"a", b"b"]
