"""Starts through a sender: whoever sent one learns whether the store took it or refused it, whatever gets lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stead.transport import BacklogFull, MemoryStore, Reuse, Sender, Settings, StoreUnavailable
from support.redis_steps import reservations

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=4, slot_groups=2, store_tries_ms=100, batch_length_max=8)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("test", SETTINGS)


@pytest.fixture
async def sender(store: MemoryStore) -> AsyncIterator[Sender]:
    sender = Sender(store, SETTINGS)
    yield sender
    await sender.aclose()


async def inbox(store: MemoryStore, partition: int = 0) -> list[bytes]:
    found = await store.read_inboxes({partition: b"0"}, 100_000, 0)
    return [entry[1][1] for _, entries in found for entry in entries]


async def outcomes(sender: Sender, *starts: tuple[str, bytes], partition: int = 0) -> list[bool]:
    """Put starts (target, message ID) at once, and wait for each."""
    tickets = [sender.put_start(partition, name, target, name, Reuse.FINISHED) for target, name in starts]
    return [await sender.wait_judged(ticket) for ticket in tickets]


async def test_the_second_start_of_an_instance_is_refused(store: MemoryStore, sender: Sender) -> None:
    assert await outcomes(sender, ("i", b"1"), ("i", b"2"), ("j", b"3")) == [True, False, True]
    assert await outcomes(sender, ("i", b"4")) == [False]
    assert await inbox(store) == [b"1", b"3"]
    assert await reservations(store, 0, ["i", "j"]) == [b"1", b"3"]


async def test_each_start_is_told_its_own_outcome_in_however_many_batches_it_goes(
    store: MemoryStore, sender: Sender
) -> None:
    starts = [(f"i{number // 3}", b"%d" % number) for number in range(60)]
    assert await outcomes(sender, *starts) == [number % 3 == 0 for number in range(60)]
    assert store.faults.calls["enqueue"] > 1


async def test_messages_around_a_refused_start_go_through_in_order(store: MemoryStore, sender: Sender) -> None:
    assert await outcomes(sender, ("i", b"1")) == [True]
    before = sender.put(0, b"a")
    ticket = sender.put_start(0, b"2", "i", b"2", Reuse.NEVER)
    after = sender.put(0, b"b")
    assert not await sender.wait_judged(ticket)
    await sender.wait(0, before)
    await sender.wait(0, after)
    assert await inbox(store) == [b"1", b"a", b"b"]


async def test_a_lost_answer_changes_no_outcome(store: MemoryStore, sender: Sender) -> None:
    store.faults.lose_answers("enqueue", 3)
    assert await outcomes(sender, ("i", b"1"), ("i", b"2")) == [True, False]
    store.faults.lose_answers("enqueue", 2)
    assert await outcomes(sender, ("i", b"3"), ("j", b"4")) == [False, True]
    assert await inbox(store) == [b"1", b"4"]


async def test_who_waits_for_a_start_is_told_why_it_was_not_written(store: MemoryStore) -> None:
    sender = Sender(store, SETTINGS.model_copy(update={"backlog_length_max": 1}))
    assert await outcomes(sender, ("i", b"1")) == [True]
    with pytest.raises(BacklogFull):
        await outcomes(sender, ("j", b"2"))
    store.faults.refuse("enqueue", 1_000)
    with pytest.raises(StoreUnavailable) as caught:
        await outcomes(sender, ("k", b"3"), partition=1)
    assert caught.value.args
    await sender.aclose()
