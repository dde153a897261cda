"""The sender around its chains: gathering, trying again, back-pressure, and who is told what."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stead.transport import (
    AcknowledgedLost,
    BacklogFull,
    Batch,
    Commit,
    EnqueueResult,
    MemoryStore,
    Sender,
    Settings,
    SourceSuperseded,
    StoreClosed,
    StoreUnavailable,
)
from stead.transport._memory.faults import Fault

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=4, slot_groups=2, store_tries_ms=100)


class RecordingStore(MemoryStore):
    """Keeps every batch that was sent, whatever became of it."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        super().__init__("test", settings)
        self.sent: list[list[Batch]] = []
        self.closed = False

    async def enqueue(self, batches: Sequence[Batch]) -> list[EnqueueResult]:
        if self.closed:
            raise StoreClosed("the store is closed")
        self.sent.append(list(batches))
        return await super().enqueue(batches)


async def inbox(store: MemoryStore, partition: int) -> list[bytes]:
    found = await store.read_inboxes({partition: b"0"}, 100_000, 0)
    return [entry[1][1] for _, entries in found for entry in entries]


async def drain(store: MemoryStore, partition: int) -> None:
    """Empty an inbox, as a worker would."""
    token = b"token-%d" % partition
    acquired = await store.acquire(partition, "worker", token, b"", 10_000)
    assert acquired is not None
    found = await store.read_inboxes({partition: b"0"}, 100_000, 0)
    consumed = [entry[0] for _, entries in found for entry in entries]
    await store.commit([Commit(partition, token, acquired.commit_id, b"commit", consumed=consumed)], store.generation)
    await store.release(partition, token)


@asynccontextmanager
async def sender_of(
    store: MemoryStore, settings: Settings = SETTINGS, source: str | None = None, *, patient: bool = False
) -> AsyncGenerator[Sender, None]:
    sender = Sender(store, settings, source, patient=patient)
    try:
        yield sender
    finally:
        await sender.aclose()


def numbers(count: int) -> list[bytes]:
    return [b"%06d" % number for number in range(count)]


# -- gathering -----------------------------------------------------------------------------------------------------------


async def test_one_message_when_idle_is_one_request() -> None:
    store = RecordingStore()
    async with sender_of(store) as sender:
        await sender.wait(1, sender.put(1, b"m"))
        assert [[batch.payloads for batch in batches] for batches in store.sent] == [[[b"m"]]]


async def test_what_arrives_during_a_request_goes_into_the_next_one_together() -> None:
    store = RecordingStore()
    store.faults.delay("enqueue", 0.02)
    async with sender_of(store) as sender:
        first = asyncio.ensure_future(sender.wait(0, sender.put(0, b"first")))
        while not store.sent:
            await asyncio.sleep(0)
        waits = [sender.wait(number % 4, sender.put(number % 4, b"%d" % number)) for number in range(100)]
        await asyncio.gather(first, *waits)
    assert len(store.sent) == 2
    assert sorted(len(batch.payloads) for batch in store.sent[1]) == [25, 25, 25, 25]


async def test_everything_put_is_durable_after_flush_in_order() -> None:
    store = RecordingStore()
    async with sender_of(store, patient=True) as sender:
        for payload in numbers(10_000):
            sender.put(2, payload)
        await sender.flush()
        assert await inbox(store, 2) == numbers(10_000)
    assert max(len(batch.payloads) for batches in store.sent for batch in batches) <= SETTINGS.batch_length_max


async def test_a_batch_is_bounded_in_bytes_but_a_single_large_message_still_goes() -> None:
    settings = SETTINGS.model_copy(update={"batch_bytes_max": 10_000})
    store = RecordingStore(settings)
    async with sender_of(store, settings, patient=True) as sender:
        for size in (4_000, 4_000, 4_000, 50_000, 10):
            sender.put(0, b"x" * size)
        await sender.flush()
    assert [len(batch.payloads) for batches in store.sent for batch in batches] == [2, 1, 1, 1]


async def test_a_full_buffer_makes_producers_wait() -> None:
    settings = SETTINGS.model_copy(update={"producer_buffer_length_max": 10})
    store = RecordingStore(settings)
    async with sender_of(store, settings, patient=True) as sender:
        for payload in numbers(10):
            assert not sender.crowded
            sender.put(0, payload)
        assert sender.crowded
        await sender.room()
        assert not sender.crowded
        assert await inbox(store, 0) == numbers(10)


# -- no room -------------------------------------------------------------------------------------------------------------


async def test_a_single_message_is_refused_when_the_partition_is_full_and_others_are_not() -> None:
    settings = SETTINGS.model_copy(update={"backlog_length_max": 2})
    store = RecordingStore(settings)
    async with sender_of(store, settings) as sender:
        for payload in (b"a", b"b"):
            await sender.wait(0, sender.put(0, payload))
        results = await asyncio.gather(
            sender.wait(0, sender.put(0, b"c")), sender.wait(1, sender.put(1, b"d")), return_exceptions=True
        )
        assert isinstance(results[0], BacklogFull)
        assert results[1] is None
        await drain(store, 0)
        await sender.wait(0, sender.put(0, b"e"))
        assert await inbox(store, 0) == [b"e"]


async def test_a_full_server_refuses_single_messages() -> None:
    store = RecordingStore()
    store.faults.full = True
    async with sender_of(store) as sender:
        with pytest.raises(BacklogFull, match="memory"):
            await sender.wait(0, sender.put(0, b"a"))


async def test_no_room_after_a_lost_answer_does_not_claim_that_nothing_was_accepted() -> None:
    store = RecordingStore()
    store.faults.lose_answers("enqueue", 1)
    async with sender_of(store) as sender:
        waiting = asyncio.ensure_future(sender.wait(0, sender.put(0, b"a")))
        while not store.sent:
            await asyncio.sleep(0)
        store.faults.full = True
        with pytest.raises(StoreUnavailable) as caught:
            await waiting
        assert caught.value.outcome == "unknown"


async def test_a_producer_waits_for_room_while_other_partitions_go_on() -> None:
    settings = SETTINGS.model_copy(update={"backlog_length_max": 8})
    store = RecordingStore(settings)
    async with sender_of(store, settings, patient=True) as sender:
        for payload in numbers(9):
            sender.put(0, payload)
        flushing = asyncio.ensure_future(sender.flush())
        while len(await inbox(store, 0)) < 8:
            await asyncio.sleep(0.001)
        sender.put(1, b"elsewhere")
        while not await inbox(store, 1):
            await asyncio.sleep(0.001)
        assert not flushing.done()
        await drain(store, 0)
        await flushing
        assert await inbox(store, 0) == numbers(9)[8:]


# -- sources -------------------------------------------------------------------------------------------------------------


async def test_a_source_continues_where_the_store_knows_it_to_be() -> None:
    store = RecordingStore()
    for start in (0, 3):
        async with sender_of(store, source="gateway") as sender:
            await sender.open(0)
            for sequence in range(start, start + 6):
                sender.put_once(0, sequence, b"%d" % sequence)
            await sender.flush()
    assert await inbox(store, 0) == [b"%d" % sequence for sequence in range(9)]


async def test_lost_answers_of_a_source_double_nothing() -> None:
    store = RecordingStore()
    store.faults.lose_answers("open_source", 2)
    async with sender_of(store, source="gateway") as sender:
        await asyncio.gather(*[sender.open(partition) for partition in range(4)])
        for sequence in range(0, 100, 5):
            store.faults.lose_answers("enqueue", 1)
            assert sender.put_once(sequence % 4, sequence, b"%d" % sequence)
            assert not sender.put_once(sequence % 4, sequence, b"again")
            await sender.flush()
        for partition in range(4):
            expected = [b"%d" % sequence for sequence in range(0, 100, 5) if sequence % 4 == partition]
            assert await inbox(store, partition) == expected


async def test_the_later_producer_of_a_source_ends_the_earlier_one() -> None:
    store = RecordingStore()
    async with sender_of(store, source="gateway") as old, sender_of(store, source="gateway") as new:
        await old.open(0)
        await new.open(0)
        old.put_once(0, 1, b"old")
        with pytest.raises(SourceSuperseded):
            await old.flush()
        new.put_once(0, 1, b"new")
        await new.flush()
        with pytest.raises(SourceSuperseded):
            await old.open(1)
    assert await inbox(store, 0) == [b"new"]


async def test_a_rolled_back_source_stops_so_that_its_producer_can_repeat_what_was_lost() -> None:
    store = RecordingStore()
    async with sender_of(store, source="gateway") as sender:
        await sender.open(0)
        sender.put_once(0, 1, b"1")
        await sender.flush()
        lagging = store.snapshot()
        sender.put_once(0, 2, b"2")
        await sender.flush()
        store.restore(lagging)
        sender.put_once(0, 3, b"3")
        with pytest.raises(AcknowledgedLost):
            await sender.flush()
    async with sender_of(store, source="gateway") as sender:
        await sender.open(0)
        for sequence in (1, 2, 3):
            sender.put_once(0, sequence, b"%d" % sequence)
        await sender.flush()
    assert await inbox(store, 0) == [b"1", b"2", b"3"]


# -- ending --------------------------------------------------------------------------------------------------------------


async def test_closing_tells_everybody_who_waits() -> None:
    store = RecordingStore()
    store.faults.delay("enqueue", 10)
    sender = Sender(store, SETTINGS)
    waiting = asyncio.ensure_future(sender.wait(0, sender.put(0, b"a")))
    while not store.sent:
        await asyncio.sleep(0)
    await sender.aclose()
    with pytest.raises(StoreUnavailable):
        await waiting
    with pytest.raises(StoreUnavailable):
        sender.put(0, b"b")


async def test_who_stops_waiting_does_not_disturb_the_others() -> None:
    store = RecordingStore()
    store.faults.delay("enqueue", 0.02)
    async with sender_of(store) as sender:
        waits = [asyncio.ensure_future(sender.wait(0, sender.put(0, payload))) for payload in numbers(3)]
        while not store.sent:
            await asyncio.sleep(0)
        waits[1].cancel()
        await asyncio.gather(waits[0], waits[2])
        assert await inbox(store, 0) == numbers(3)


async def test_a_bug_in_the_store_reaches_who_waits() -> None:
    class Broken(MemoryStore):
        async def enqueue(self, batches: Sequence[Batch]) -> list[EnqueueResult]:
            raise KeyError("bug")

    async with sender_of(Broken("test", SETTINGS)) as sender:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="bug"):
                await sender.wait(0, sender.put(0, b"a"))


async def test_random_faults_lose_and_double_nothing() -> None:
    store = RecordingStore()
    count = itertools.count()

    def choose(method: str) -> Any:
        kind = next(count) % 5
        if method != "enqueue" or kind > 2:
            return None
        return (Fault(lost=True), Fault(refused=True), Fault(lost=True, parts=1))[kind]

    store.faults.choose = choose
    settings = SETTINGS.model_copy(update={"store_tries_ms": 20_000})
    async with sender_of(store, settings, patient=True) as sender:
        for round_number in range(10):
            for payload in numbers(100)[round_number * 10 : round_number * 10 + 10]:
                sender.put(0, b"0" + payload)
                sender.put(1, b"1" + payload)
            await sender.flush()
        for partition in (0, 1):
            assert await inbox(store, partition) == [b"%d" % partition + payload for payload in numbers(100)]


# -- withdrawing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", [0.0, 0.05])
async def test_what_is_withdrawn_is_not_written_and_what_is_not_is(waiting: float) -> None:
    settings = SETTINGS.model_copy(update={"backlog_length_max": 40})
    store = RecordingStore(settings)
    async with sender_of(store, settings, patient=True) as sender:
        for payload in numbers(100):
            sender.put(1, payload)
        sender.put(2, b"other")
        await asyncio.sleep(waiting)
        assert sender.held == (waiting > 0)
        left = await sender.withdraw()
        written = await inbox(store, 1)
        assert written == numbers(100)[: len(written)]
        assert left.get(1, 0) == 100 - len(written)
        assert sender.accepted == len(written) + len(await inbox(store, 2))
        with pytest.raises(StoreUnavailable):
            await sender.flush()
    await asyncio.sleep(0.02)
    assert await inbox(store, 1) == written


async def test_nothing_is_left_to_withdraw_when_all_is_written() -> None:
    store = RecordingStore()
    async with sender_of(store, patient=True) as sender:
        assert sender.accepted == 0
        sender.put(1, b"one")
        await sender.flush()
        assert (sender.accepted, await sender.withdraw()) == (1, {})
