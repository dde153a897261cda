"""Messages that free memory: a full store takes them, in the order of sending and once, whatever else is sent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from stead.transport import BacklogFull, Batch, EnqueueResult, MemoryStore, Sender, Settings, StoreUnavailable
from stead.transport._sender.lane import FREEING_BYTES_MAX
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=4, slot_groups=2)


class RecordingStore(MemoryStore):
    """Keeps every batch that was sent."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        super().__init__("test", settings)
        self.sent: list[tuple[list[bytes], bool]] = []

    async def enqueue(self, batches: Sequence[Batch]) -> list[EnqueueResult]:
        self.sent += [(list(batch.payloads), batch.freeing) for batch in batches]
        return await super().enqueue(batches)


async def inbox(store: MemoryStore) -> list[bytes]:
    found = await store.read_inboxes({0: b"0"}, 100_000, 0)
    return [entry[1][1] for _, entries in found for entry in entries]


async def send(sender: Sender, payload: bytes, *, freeing: bool) -> None:
    ticket = sender.put_freeing(0, payload) if freeing else sender.put(0, payload)
    await sender.wait(0, ticket)


async def outcomes(sender: Sender, messages: Sequence[tuple[bytes, bool]]) -> list[type[BaseException] | None]:
    """What becomes of messages that are put at the same time."""
    waits = [asyncio.ensure_future(send(sender, payload, freeing=freeing)) for payload, freeing in messages]
    return [None if result is None else type(result) for result in await asyncio.gather(*waits, return_exceptions=True)]


async def test_batches_are_cut_where_the_sort_changes() -> None:
    store = RecordingStore()
    sender = Sender(store, SETTINGS)
    messages = [(b"a", False), (b"b", False), (b"C", True), (b"D", True), (b"e", False), (b"F", True)]
    assert await outcomes(sender, messages) == [None] * 6
    assert store.sent == [([b"a", b"b"], False), ([b"C", b"D"], True), ([b"e"], False), ([b"F"], True)]
    assert await inbox(store) == [payload for payload, _ in messages]
    await sender.aclose()


async def test_a_full_store_refuses_what_was_put_before_and_after_but_not_what_frees() -> None:
    store = RecordingStore()
    store.faults.full = True
    sender = Sender(store, SETTINGS)
    messages = [(b"a", False), (b"B", True), (b"c", False), (b"D", True)]
    assert await outcomes(sender, messages) == [BacklogFull, None, BacklogFull, None]
    assert await inbox(store) == [b"B", b"D"]
    store.faults.full = False
    assert await outcomes(sender, [(b"e", False)]) == [None]
    assert await inbox(store) == [b"B", b"D", b"e"]
    await sender.aclose()


async def test_what_frees_follows_a_message_in_doubt_and_doubles_nothing() -> None:
    store = RecordingStore()
    store.faults.lose_answers("enqueue", 1)
    sender = Sender(store, SETTINGS)
    both = asyncio.ensure_future(outcomes(sender, [(b"a", False), (b"B", True)]))
    async with asyncio.timeout(HANGS_S):
        while not await inbox(store):
            await asyncio.sleep(0)
    store.faults.full = True
    assert await both == [StoreUnavailable, None]
    assert await inbox(store) == [b"a", b"B"]
    await sender.aclose()


async def test_what_frees_does_not_overtake_what_a_producer_holds_back() -> None:
    store = RecordingStore()
    store.faults.full = True
    sender = Sender(store, SETTINGS, patient=True)
    sender.put(0, b"a")
    sender.put_freeing(0, b"B")
    async with asyncio.timeout(HANGS_S):
        while len(store.sent) < 3:
            await asyncio.sleep(0.001)
    assert await inbox(store) == []
    store.faults.full = False
    await sender.flush()
    assert await inbox(store) == [b"a", b"B"]
    await sender.aclose()


async def test_a_large_message_frees_nothing() -> None:
    store = RecordingStore()
    store.faults.full = True
    sender = Sender(store, SETTINGS)
    large = b"x" * (FREEING_BYTES_MAX + 1)
    assert await outcomes(sender, [(large, True), (large[:-1], True)]) == [BacklogFull, None]
    await sender.aclose()


async def test_blocks_of_what_frees_keep_to_the_limits_of_a_batch() -> None:
    settings = SETTINGS.model_copy(update={"batch_length_max": 3, "batch_bytes_max": 64 * 1024})
    store = RecordingStore(settings)
    sender = Sender(store, settings)
    small = [(b"%d" % number, True) for number in range(7)]
    assert await outcomes(sender, small) == [None] * 7
    assert [len(payloads) for payloads, _ in store.sent] == [3, 3, 1]
    assert await inbox(store) == [payload for payload, _ in small]
    await sender.aclose()


async def test_a_broken_sender_says_so() -> None:
    sender = Sender(RecordingStore(), SETTINGS)
    await sender.aclose()
    with pytest.raises(StoreUnavailable):
        sender.put_freeing(0, b"a")


@pytest.mark.parametrize("seed", range(10))
async def test_in_any_order_with_lost_answers_on_a_server_that_fills_and_empties(seed: int) -> None:
    draw = random.Random(seed)
    store = RecordingStore(SETTINGS)
    sender = Sender(store, SETTINGS)
    accepted: list[int] = []
    doubtful: set[int] = set()

    async def one(number: int, freeing: bool) -> None:
        try:
            await send(sender, b"%d" % number, freeing=freeing)
        except BacklogFull:
            assert not freeing
        except StoreUnavailable:
            assert not freeing
            doubtful.add(number)
        else:
            accepted.append(number)

    tasks: list[asyncio.Task[None]] = []
    for number in range(200):
        tasks.append(asyncio.ensure_future(one(number, draw.random() < 0.5)))
        if draw.random() < 0.3:
            store.faults.full = not store.faults.full
        if draw.random() < 0.015:
            store.faults.lose_answers("enqueue", parts=draw.choice([None, 0]))
        if draw.random() < 0.3:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    there = [int(payload) for payload in await inbox(store)]
    assert there == sorted(set(there))
    assert set(accepted) <= set(there) <= set(accepted) | doubtful
    await sender.aclose()
