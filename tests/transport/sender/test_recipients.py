"""Messages through a sender for instances that have to go on: whoever sent one learns whether it was taken, whatever gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from stead.transport import BacklogFull, MemoryStore, Reuse, Sender, Settings, StoreUnavailable
from stead.transport._sender.lane import FREEING_BYTES_MAX
from support.redis_steps import payloads

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(14)]

SETTINGS = Settings(partitions=4, slot_groups=2, store_tries_ms=100, batch_length_max=8)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("test", SETTINGS)


@pytest.fixture
async def sender(store: MemoryStore) -> AsyncIterator[Sender]:
    sender = Sender(store, SETTINGS)
    ticket = sender.put_start(0, b"start", "i", b"start", Reuse.NEVER)
    assert await sender.wait_judged(ticket)
    yield sender
    await sender.aclose()


async def outcomes(sender: Sender, *targets: str, frees: bool = False) -> list[bool]:
    """Put a message to each at once, named as it is, and wait for each."""
    tickets = [sender.put_to_instance(0, target.encode(), target, frees=frees) for target in targets]
    return [await sender.wait_judged(ticket) for ticket in tickets]


async def test_who_is_refused_is_told_and_the_others_go_through_in_order(store: MemoryStore, sender: Sender) -> None:
    before = sender.put(0, b"a")
    refused = sender.put_to_instance(0, b"b", "nosuch")
    taken = sender.put_to_instance(0, b"c", "i")
    after = sender.put(0, b"d")
    assert [await sender.wait_judged(refused), await sender.wait_judged(taken)] == [False, True]
    await sender.wait(0, before)
    await sender.wait(0, after)
    assert await payloads(store) == [b"start", b"a", b"c", b"d"]


async def test_each_is_told_its_own_outcome_in_however_many_batches_it_goes(store: MemoryStore, sender: Sender) -> None:
    targets = ["i" if number % 3 == 0 else f"no{number}" for number in range(60)]
    assert await outcomes(sender, *targets) == [number % 3 == 0 for number in range(60)]
    assert store.faults.calls["enqueue"] > 2
    assert await payloads(store) == [b"start", *[b"i"] * 20]


@pytest.mark.hazard(3)
@pytest.mark.parametrize("frees", [False, True])
async def test_a_lost_answer_changes_no_outcome(store: MemoryStore, sender: Sender, frees: bool) -> None:
    store.faults.lose_answers("enqueue", 3)
    assert await outcomes(sender, "i", "nosuch", "i", frees=frees) == [True, False, True]
    assert await payloads(store) == [b"start", b"i", b"i"]


async def test_what_frees_memory_is_judged_among_its_like(store: MemoryStore, sender: Sender) -> None:
    long = b"x" * (FREEING_BYTES_MAX + 1)
    ordinary = sender.put_to_instance(0, b"ordinary", "i")
    tickets = [
        sender.put_to_instance(0, b"1", "nosuch", frees=True),
        sender.put_to_instance(0, b"2", "i", frees=True),
        sender.put_to_instance(0, long, "i", frees=True),
    ]
    assert [await sender.wait_judged(ticket) for ticket in tickets] == [False, True, True]
    assert await sender.wait_judged(ordinary)
    store.faults.full = True
    assert await outcomes(sender, "nosuch", "i", frees=True) == [False, True]
    with pytest.raises(BacklogFull):
        await outcomes(sender, "i")
    assert await payloads(store) == [b"start", b"ordinary", b"2", long, b"i"]


async def test_a_start_that_is_on_its_way_is_somebody(store: MemoryStore, sender: Sender) -> None:
    start = sender.put_start(0, b"new", "j", b"new", Reuse.NEVER)
    event = sender.put_to_instance(0, b"event", "j")
    assert [await sender.wait_judged(ticket) for ticket in (start, event)] == [True, True]
    store.faults.delay("enqueue", 0.02)
    start = sender.put_start(0, b"next", "k", b"next", Reuse.NEVER)
    await asyncio.sleep(0.01)  # it is in a batch of its own
    assert await outcomes(sender, "k") == [True]
    assert await sender.wait_judged(start)
    assert await payloads(store) == [b"start", b"new", b"event", b"next", b"k"]


async def test_who_waits_is_told_why_it_was_not_written(store: MemoryStore) -> None:
    sender = Sender(store, SETTINGS)
    store.faults.refuse("enqueue", 1_000)
    with pytest.raises(StoreUnavailable):
        await outcomes(sender, "i")
    store.faults.clear()
    assert await outcomes(sender, "i") == [False]
    ticket = sender.put_to_instance(0, b"late", "i")
    await sender.aclose()
    with pytest.raises(StoreUnavailable):
        await sender.wait_judged(ticket)
