"""Producers: durable when the block is left, in order, and from an at-least-once source exactly once."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from stead.entities import (
    AcknowledgedLost,
    ClassEntityType,
    Entity,
    EntityClient,
    EntityId,
    InvalidInput,
    PayloadTooLarge,
    Registry,
    SourceSuperseded,
    StoreUnavailable,
    UnknownEntity,
)
from stead.entities._message.envelope import decode_message
from stead.transport import MemoryStore, Settings, Store
from support.scripted_worker import scripted_worker

pytestmark = pytest.mark.anyio


class Counter(Entity):
    value: int = 0

    def add(self, amount: int, *, note: str = "") -> None: ...


def client_of(store: Store, settings: Settings) -> EntityClient:
    registry = Registry()
    registry.add(ClassEntityType(Counter))
    return EntityClient(store, registry, settings)


async def received(store: Store) -> dict[str, list[object]]:
    """The first arguments of what waits in all inboxes, by target, in order."""
    positions = dict.fromkeys(range(store.layout.partitions), b"0")
    by_target: dict[str, list[object]] = {}
    for _, entries in await store.read_inboxes(positions, 100_000, 0):
        for entry in entries:
            message = decode_message(bytes(entry[1][1]))
            by_target.setdefault(message.target, []).append(message.args[0])
    return by_target


async def test_all_signals_are_durable_and_in_order_when_the_block_is_left(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        async with client.producer() as producer:
            for number in range(5_000):
                await producer.signal(Counter.add, f"k{number % 10}", number)
            await producer.signal(EntityId("Counter", "by-name"), "add", 1, note="x")
        found = await received(store)
    assert found.pop("@counter@by-name") == [1]
    assert found == {f"@counter@k{place}": list(range(place, 5_000, 10)) for place in range(10)}


async def test_flush_makes_durable_what_was_given_so_far(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client, client.producer() as producer:
        await producer.signal(Counter.add, "a", 1)
        await producer.flush()
        assert await received(store) == {"@counter@a": [1]}


async def test_a_wrong_signal_is_refused_and_the_others_go_on(store: Store, settings: Settings) -> None:
    wrong: Any = "three"
    async with client_of(store, settings) as client:
        async with client.producer() as producer:
            await producer.signal(Counter.add, "a", 1)
            with pytest.raises(InvalidInput):
                await producer.signal(Counter.add, "a", wrong)
            with pytest.raises(InvalidInput):
                await producer.signal(Counter.add, "\x00", 1)
            with pytest.raises(PayloadTooLarge):
                await producer.signal(Counter.add, "a", 1, note="x" * settings.payload_bytes_max)
            await producer.signal(Counter.add, "a", 2)
        assert await received(store) == {"@counter@a": [1, 2]}
        await store.publish({"lamp": {"name": "Lamp", "operations": [], "form": "function"}}, 60_000)
        async with client.producer() as producer:
            with pytest.raises(UnknownEntity):
                await producer.signal(EntityId("Stranger", "a"), "hello")


async def test_an_error_in_the_block_is_raised_and_what_came_before_it_is_durable(
    store: Store, settings: Settings
) -> None:
    async with client_of(store, settings) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.producer() as producer:
                await producer.signal(Counter.add, "a", 1)
                raise ZeroDivisionError
        assert await received(store) == {"@counter@a": [1]}


async def test_lost_answers_double_nothing(memory: MemoryStore, settings: Settings) -> None:
    async with client_of(memory, settings) as client:
        async with client.producer() as producer:
            for number in range(1_000):
                if number % 300 == 0:
                    memory.faults.lose_answers("enqueue", 1, parts=number // 300 % 3)
                await producer.signal(Counter.add, "a", number)
        assert await received(memory) == {"@counter@a": list(range(1_000))}


async def test_leaving_the_block_raises_when_the_store_is_away_for_too_long(
    memory: MemoryStore, settings: Settings
) -> None:
    hasty = settings.model_copy(update={"store_tries_ms": 50})
    async with client_of(memory, hasty) as client:
        memory.faults.refuse("enqueue", 1_000)
        with pytest.raises(StoreUnavailable):
            async with client.producer() as producer:
                await producer.signal(Counter.add, "a", 1)
        memory.faults.clear()
        await client.signal_entity(Counter.add, "a", 2)  # the client itself goes on
        assert await received(memory) == {"@counter@a": [2]}


async def test_a_full_server_makes_a_producer_wait(memory: MemoryStore, settings: Settings) -> None:
    memory.faults.full = True
    async with client_of(memory, settings) as client:
        async with client.producer() as producer:
            await producer.signal(Counter.add, "a", 1)
            flushing = asyncio.ensure_future(producer.flush())
            while memory.faults.calls.get("enqueue", 0) < 3:
                await asyncio.sleep(0.001)
            assert not flushing.done()
            memory.faults.full = False
            await flushing
        assert await received(memory) == {"@counter@a": [1]}


@pytest.mark.hazard(30)
async def test_a_fail_over_that_lost_signals_is_reported(memory: MemoryStore, settings: Settings) -> None:
    async with client_of(memory, settings) as client, client.producer() as producer:
        lagging = memory.snapshot()
        await producer.signal(Counter.add, "a", 1)
        await producer.flush()
        memory.restore(lagging)
        await producer.signal(Counter.add, "a", 2)
        with pytest.raises(AcknowledgedLost):
            await producer.flush()
        assert await received(memory) == {"@counter@a": [2]}


KEYS = [f"k{number}" for number in range(40)]  # every partition has some


def lost_of(error: AcknowledgedLost | None) -> dict[int, int]:
    """How many messages an error says that a partition lost."""
    assert error is not None
    found = {partition: lost_to - lost_from + 1 for partition, lost_from, lost_to in error.losses}
    assert error.count == sum(found.values())
    assert all(f"partition {partition}" in str(error) for partition in found)
    return found


@pytest.mark.hazard(30)
async def test_one_error_tells_of_the_losses_of_all_partitions(memory: MemoryStore, settings: Settings) -> None:
    async with client_of(memory, settings) as client, client.producer() as producer:
        lagging = memory.snapshot()
        for key in KEYS:
            await producer.signal(Counter.add, key, 1)
        await producer.flush()
        memory.restore(lagging)
        for key in KEYS:
            await producer.signal(Counter.add, key, 2)
        with pytest.raises(AcknowledgedLost) as caught:
            await producer.flush()
        lost = lost_of(caught.value)
        assert (len(lost), sum(lost.values())) == (memory.layout.partitions, len(KEYS))
        assert pickle.loads(pickle.dumps(caught.value)).losses == caught.value.losses
        await producer.flush()  # told once
        assert await received(memory) == {f"@counter@{key}": [2] for key in KEYS}


async def test_a_loss_found_while_a_block_is_left_after_an_error_is_told_with_that_error(
    memory: MemoryStore, settings: Settings
) -> None:
    async with client_of(memory, settings) as client:
        lagging = memory.snapshot()
        with pytest.raises(KeyError) as caught:
            async with client.producer() as producer:
                await producer.signal(Counter.add, "a", 1)
                await producer.flush()
                memory.restore(lagging)
                await producer.signal(Counter.add, "a", 2)
                raise KeyError("the block's own")
        assert "lost acknowledged messages" in caught.value.__notes__[0]


@pytest.mark.parametrize("single", [False, True])
async def test_partitions_to_which_nothing_is_sent_any_more_are_told_of_too(
    memory: MemoryStore, settings: Settings, single: bool
) -> None:
    async with client_of(memory, settings) as client, client.producer() as producer:
        send = client.signal_entity if single else producer.signal
        await send(Counter.add, "a", 0)
        await producer.flush()
        lagging = memory.snapshot()
        for key in KEYS:
            await send(Counter.add, key, 1)
        await producer.flush()
        memory.restore(lagging)
        with pytest.raises(AcknowledgedLost) as caught:
            await send(Counter.add, "a", 2)
            await producer.flush()
        assert sum(lost_of(caught.value).values()) == len(KEYS)
        for key in KEYS:
            await send(Counter.add, key, 3)  # told once
        await producer.flush()
        received_ = await received(memory)
        assert all(received_[f"@counter@{key}"][-1] == 3 for key in KEYS)


async def test_a_source_is_told_of_all_partitions_at_once_though_it_ends_at_the_first(
    memory: MemoryStore, settings: Settings
) -> None:
    async with client_of(memory, settings) as client:
        lagging = memory.snapshot()
        with pytest.raises(AcknowledgedLost) as caught:
            async with client.producer(source="meter") as producer:
                for number, key in enumerate(KEYS):
                    await producer.signal_once(number, Counter.add, key, 1)
                await producer.flush()
                memory.restore(lagging)
                for number, key in enumerate(KEYS, 100):
                    await producer.signal_once(number, Counter.add, key, 2)
        assert len(lost_of(caught.value)) == memory.layout.partitions


async def test_each_sender_of_a_single_signal_hears_of_all_losses_known_by_then(
    memory: MemoryStore, settings: Settings
) -> None:
    async with client_of(memory, settings) as client:
        lagging = memory.snapshot()
        await asyncio.gather(*(client.signal_entity(Counter.add, key, 1) for key in KEYS))
        memory.restore(lagging)
        answers = await asyncio.gather(
            *(client.signal_entity(Counter.add, key, 2) for key in KEYS), return_exceptions=True
        )
        told: dict[int, int] = {}
        for error in answers:
            if isinstance(error, AcknowledgedLost):
                told |= lost_of(error)
        assert sum(told.values()) == len(KEYS)


async def test_a_source_that_delivers_again_is_accepted_once(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        for start in (0, 250, 100):  # the source starts again, each time a little before where it was
            async with client.producer(source="gateway-7") as producer:
                for offset in range(start, start + 300):
                    await producer.signal_once(offset * 3, Counter.add, f"k{offset % 7}", offset)
        found = await received(store)
    assert found == {f"@counter@k{place}": list(range(place, 550, 7)) for place in range(7)}


async def test_two_sources_do_not_know_of_each_other(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        for source in ("a", "b"):
            async with client.producer(source) as producer:
                await producer.signal_once(0, EntityId("Counter", "k"), "add", 1)
        assert await received(store) == {"@counter@k": [1, 1]}


async def test_the_later_producer_of_a_source_wins(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        with pytest.raises(SourceSuperseded):
            async with client.producer(source="s") as old:
                await old.signal_once(1, Counter.add, "k", 1)
                await old.flush()
                async with client.producer(source="s") as new:
                    await new.signal_once(2, Counter.add, "k", 2)
                await old.signal_once(3, Counter.add, "k", 3)
        assert await received(store) == {"@counter@k": [1, 2]}


async def test_wrong_sequence_numbers_and_sources_are_refused(store: Store, settings: Settings) -> None:
    wrong: Any
    async with client_of(store, settings) as client:
        for wrong in ("", "line\nbreak", "x" * 300, 7):
            with pytest.raises(InvalidInput):
                client.producer(source=wrong)
        async with client.producer(source="s") as producer:
            for wrong in (-1, 1.5, "1", True):
                with pytest.raises(InvalidInput):
                    await producer.signal_once(wrong, Counter.add, "k", 1)


async def test_back_pressure_holds_against_a_slow_worker(open_store: Any, settings: Settings) -> None:
    small = settings.model_copy(update={"backlog_length_max": 50, "producer_buffer_length_max": 100})
    async with scripted_worker(await open_store()) as worker, client_of(await open_store(), small) as client:
        async with client.producer() as producer:
            for _ in range(2_000):
                await producer.signal(Counter.add, "a", 1)
        while len(worker.messages) < 2_000:
            await asyncio.sleep(0.001)
        assert worker.states["@counter@a"] == {"value": 2_000}


async def test_more_entities_than_a_producer_remembers_make_no_difference(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stead.entities._client.producer.ROUTES_MAX", 3)
    async with client_of(store, settings) as client:
        async with client.producer() as producer:
            for number in range(60):
                await producer.signal(Counter.add, f"k{number % 10}", number)
                await producer.signal(EntityId("counter", f"n{number % 10}"), "ADD", number)
            with pytest.raises(InvalidInput):
                await producer.signal(Counter.add, "line\nbreak", 1)
        found = await received(store)
    assert found == {f"@counter@{kind}{place}": list(range(place, 60, 10)) for kind in "kn" for place in range(10)}
