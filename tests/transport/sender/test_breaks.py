"""What is told of messages that were not written, or of which nobody knows: to whoever waits, asks late, or withdraws."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stead.entities import EntityClient
from stead.entities._definition.registry import Registry
from stead.entities.extending import claim_number
from stead.transport import BacklogFull, ManualClock, MemoryStore, Sender, Settings, SourceSuperseded, StoreUnavailable
from stead.transport._sender import lane as lanes

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=4, slot_groups=2, store_tries_ms=100)


@asynccontextmanager
async def sender_of(store: MemoryStore, *, patient: bool, **changes: Any) -> AsyncGenerator[Sender]:
    sender = Sender(store, SETTINGS.model_copy(update=changes), patient=patient)
    try:
        yield sender
    finally:
        await sender.aclose()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("test", SETTINGS)


async def broken(sender: Sender) -> StoreUnavailable:
    """What a flush raises."""
    with pytest.raises(StoreUnavailable) as caught:
        await sender.flush()
    return caught.value


@pytest.mark.parametrize("blocks", [1, 3])
async def test_what_a_break_drops_can_be_withdrawn(store: MemoryStore, blocks: int) -> None:
    async with sender_of(store, patient=True, batch_length_max=5) as sender:
        for _ in range(5):
            sender.put(0, b"x")
        await sender.flush()
        store.faults.refuse("enqueue", 10_000)
        for _ in range(5 * blocks - 3):
            sender.put(0, b"y")
        sender.put(1, b"z")
        await broken(sender)
        assert sender.accepted == 5
        assert await sender.withdraw() == {0: 5 * blocks - 3, 1: 1}
        assert await sender.withdraw() == {0: 5 * blocks - 3, 1: 1}


async def test_what_was_never_sent_counts_as_well_when_it_is_what_breaks(store: MemoryStore) -> None:
    """One partition is held because it is full, and then the store no longer answers for another one."""
    async with sender_of(store, patient=True, backlog_length_max=4) as sender:
        for _ in range(9):
            sender.put(0, b"x")
        while not sender.held:
            await asyncio.sleep(0)
        store.faults.lose_answers("enqueue", 10_000)
        sender.put(1, b"y")
        assert (await broken(sender)).outcome == "unknown"
        written = sender.accepted
        assert await sender.withdraw() == {0: 9 - written, 1: 1}


async def test_a_withdrawal_in_doubt_does_not_say_that_nothing_was_written(store: MemoryStore) -> None:
    async with sender_of(store, patient=True, store_tries_ms=60_000) as sender:
        store.faults.lose_answers("enqueue", 10_000)
        sender.put(0, b"x")
        waiting = asyncio.create_task(sender.flush())
        while not any(lane.flying is not None and lane.flying.doubtful for lane in sender._lanes):
            await asyncio.sleep(0)
        sender.put(1, b"never sent")
        unsent = asyncio.create_task(sender.wait(1, 0))
        assert await sender.withdraw() == {0: 1, 1: 1}
        with pytest.raises(StoreUnavailable) as caught:
            await waiting
        assert caught.value.outcome == "unknown"
        with pytest.raises(StoreUnavailable) as caught:
            await unsent
        assert caught.value.outcome == "refused"
        assert (await broken(sender)).outcome == "unknown"


@pytest.mark.parametrize("late", [False, True])
async def test_a_refusal_is_told_whenever_it_is_asked_for(store: MemoryStore, late: bool) -> None:
    async with sender_of(store, patient=False, backlog_length_max=1) as sender:
        first = sender.put(0, b"x")
        await sender.wait(0, first)
        second = sender.put(0, b"y")
        if late:
            await settled(sender)
        for _ in range(2):
            with pytest.raises(BacklogFull):
                await sender.wait(0, second)
        await sender.wait(0, first)
        caller: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        sender.watch(0, second, caller)
        assert isinstance(caller.exception(), BacklogFull)


async def settled(sender: Sender) -> None:
    """Nothing is under way any more."""
    while sender._outcomes.busy:
        await asyncio.sleep(0)


@pytest.mark.parametrize(("fault", "outcome"), [("lose_answers", "unknown"), ("refuse", "unknown")])
async def test_an_answer_that_never_came_is_told_late(store: MemoryStore, fault: str, outcome: str) -> None:
    async with sender_of(store, patient=False) as sender:
        getattr(store.faults, fault)("enqueue", 10_000)
        ticket = sender.put(0, b"x")
        await settled(sender)
        with pytest.raises(StoreUnavailable) as caught:
            await sender.wait(0, ticket)
        assert caught.value.outcome == outcome


async def test_a_message_that_a_closed_sender_dropped_was_not_written(store: MemoryStore) -> None:
    sender = Sender(store, SETTINGS)
    ticket = sender.put(0, b"x")
    await sender.aclose()
    with pytest.raises(StoreUnavailable) as caught:
        await sender.wait(0, ticket)
    assert caught.value.outcome == "refused"


async def test_failures_that_are_no_longer_known_count_as_unknown(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "FAILURES_KEPT_MAX", 2)
    async with sender_of(store, patient=False, backlog_length_max=1) as sender:
        await sender.wait(0, sender.put(0, b"x"))
        tickets: list[int] = []
        for _ in range(3):
            tickets.append(sender.put(0, b"y"))
            await settled(sender)
        with pytest.raises(StoreUnavailable, match="too long ago"):
            await sender.wait(0, tickets[0])
        for ticket in tickets[1:]:
            with pytest.raises(BacklogFull):
                await sender.wait(0, ticket)


@pytest.mark.parametrize("step", ["open_source", "enqueue"])
async def test_a_number_whose_claim_got_no_answer_may_have_been_claimed(store: MemoryStore, step: str) -> None:
    client = EntityClient(store, Registry(), SETTINGS)
    try:
        store.faults.lose_answers(step, 10_000)
        with pytest.raises(StoreUnavailable) as caught:
            await claim_number(client, "abc", 7)
        assert caught.value.outcome == "unknown"
        store.faults.clear()
        assert await claim_number(client, "abc", 8) == (7 if step == "enqueue" else 8)
    finally:
        await client.aclose()


async def test_what_was_accepted_in_the_round_that_ends_a_sender_counts(store: MemoryStore) -> None:
    sender, other = Sender(store, SETTINGS, "source"), Sender(store, SETTINGS, "source")
    try:
        for partition in (0, 1, 2):
            await sender.open(partition)
        await other.open(0)
        for partition in (0, 1, 2):
            assert sender.put_once(partition, 1, b"x")
        with pytest.raises(SourceSuperseded):
            await sender.flush()
        assert (sender.accepted, await sender.withdraw()) == (2, {0: 1})
    finally:
        await sender.aclose()
        await other.aclose()


@pytest.mark.parametrize("passes", range(4))
async def test_an_opening_that_other_code_cancels_is_an_error_and_the_next_one_begins_anew(passes: int) -> None:
    store = MemoryStore("hub", SETTINGS, ManualClock())
    store.faults.delay("open_source", 1.0)
    sender = Sender(store, SETTINGS, "source")
    before = asyncio.all_tasks()
    waiting = [asyncio.create_task(sender.open(0)) for _ in range(2)]
    try:
        while not (opening := asyncio.all_tasks() - before - {*waiting}):
            await asyncio.sleep(0)
        for _ in range(passes):
            await asyncio.sleep(0)
        for task in opening:
            task.cancel()
        for waiter in waiting:
            with pytest.raises(StoreUnavailable, match="cancelled: it was closed, or by other code") as caught:
                await waiter
            assert caught.value.outcome == "unknown"
        store.faults.clear()
        await sender.open(0)
        assert sender.put_once(0, 1, b"x")
        await sender.flush()
    finally:
        await sender.aclose()


async def test_whoever_waits_for_an_opening_is_cancelled_alone() -> None:
    store = MemoryStore("hub", SETTINGS, clock := ManualClock())
    store.faults.delay("open_source", 1.0)
    sender = Sender(store, SETTINGS, "source")
    first, second = (asyncio.create_task(sender.open(0)) for _ in range(2))
    for _ in range(5):
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    clock.advance_to(clock.now_ms() + 1_000)
    await second
    assert sender.is_open(0)
    await sender.aclose()
