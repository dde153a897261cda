"""Producers of events: durable when the block is left, in order, and from an at-least-once source exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.entities import AcknowledgedLost, EntityId, InvalidInput, PayloadTooLarge, SourceSuperseded
from stead.entities.extending import ClientText
from stead.orchestrations import InstanceId, InstanceProducer, InstanceSourceProducer
from stead.orchestrations._client.many import OrchestrationClient
from stead.transport import MemoryStore, Settings, Store, partition_of
from support.approvals import client_of, messages

pytestmark = pytest.mark.anyio

Given = list[tuple[str, Any]]


async def received(store: Store) -> dict[str, Given]:
    """What waits in all inboxes, by target, in order: an event's name and data, or an operation and its argument."""
    by_target: dict[str, Given] = {}
    for message in await messages(store):
        args = message.args if message.operation == "event" else (message.operation, *message.args)
        by_target.setdefault(message.target, []).append((str(args[0]), args[1]))
    return by_target


async def test_all_events_are_durable_and_in_order_when_the_block_is_left(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        async with client.producer() as producer:
            assert type(producer) is InstanceProducer
            for number in range(5_000):
                await producer.raise_event(f"i{number % 10}", "add", number)
            typed: InstanceId[None] = InstanceId("typed")
            await producer.raise_event(typed, "nothing")
        found = await received(store)
    assert found.pop("typed") == [("nothing", None)]
    assert found == {f"i{place}": [("add", number) for number in range(place, 5_000, 10)] for place in range(10)}


async def test_signals_and_events_of_one_producer_are_in_one_order(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        async with client.producer() as producer:
            for number in range(100):
                await producer.signal(EntityId("Elsewhere", "k"), "add", number)
                await producer.raise_event("one", "add", number)
            await producer.flush()
            assert {target: len(given) for target, given in (await received(store)).items()} == {
                "@elsewhere@k": 100,
                "one": 100,
            }
        found = await received(store)
    assert list(found.values()) == [[("add", number) for number in range(100)]] * 2


async def test_an_event_is_the_one_that_a_client_raises(store: Store, settings: Settings) -> None:
    data: list[Any] = [None, 1.5, b"x", [1, {"k": (2, 3)}], ClientText.of('"t"', twice=True)]
    async with client_of(store, settings) as client:
        await client.start_new("tidying", instance_id="one")
        for each in data:
            await client.raise_event("one", "Go", each)
        async with client.producer() as producer:
            for each in data:
                await producer.raise_event("one", "Go", each)
        _, *events = await messages(store)
    bare = [(message.target, message.operation, message.args, message.kwargs) for message in events]
    assert bare[: len(data)] == bare[len(data) :]
    assert len({message.message_id for message in events}) == 2 * len(data)


async def test_a_wrong_event_is_refused_and_the_others_go_on(store: Store, settings: Settings) -> None:
    deep: Any = []
    for _ in range(40):
        deep = [deep]
    wrong: list[Any] = [
        *(("", "go", 1), ("@x", "go", 1), ("a/b", "go", 1), ("x" * 300, "go", 1), (7, "go", 1), ([], "go", 1)),
        *(("one", "", 1), ("one", "n" * 300, 1), ("one", "line\nbreak", 1), ("one", 7, 1)),
        *(("one", "go", object()), ("one", "go", deep), ("one", "go", "half: \ud800")),
    ]
    async with client_of(store, settings) as client:
        async with client.producer() as producer, client.producer("source") as source:
            await producer.raise_event("one", "go", 1)
            for number, (instance_id, name, data) in enumerate(wrong):
                with pytest.raises(InvalidInput):
                    await producer.raise_event(instance_id, name, data)
                with pytest.raises(InvalidInput):
                    await source.raise_event_once(number, instance_id, name, data)
            with pytest.raises(PayloadTooLarge):
                await producer.raise_event("one", "go", "x" * settings.payload_bytes_max)
            for sequence in (-1, 1.5, "1", True):
                with pytest.raises(InvalidInput, match="sequence number"):
                    await source.raise_event_once(sequence, "one", "go", 1)  # type: ignore[arg-type]
            await producer.raise_event("one", "go", 2)
        assert await received(store) == {"one": [("go", 1), ("go", 2)]}


async def test_an_events_data_is_what_was_given(memory: MemoryStore, settings: Settings) -> None:
    page = {"n": 1}
    async with client_of(memory, settings) as client:
        async with client.producer() as producer, client.producer("source") as source:
            await producer.raise_event("one", "page", page)
            page["n"] = 2
            giving = asyncio.ensure_future(source.raise_event_once(1, "two", "page", page))
            await asyncio.sleep(0)  # it opens the source, and waits
            assert not giving.done()
            page["n"] = 3
            await giving
        assert await received(memory) == {"one": [("page", {"n": 1})], "two": [("page", {"n": 2})]}


async def test_lost_answers_double_nothing(memory: MemoryStore, settings: Settings) -> None:
    async with client_of(memory, settings) as client:
        async with client.producer() as producer:
            for number in range(1_000):
                if number % 300 == 0:
                    memory.faults.lose_answers("enqueue", 1, parts=number // 300 % 3)
                await producer.raise_event("one", "add", number)
        assert await received(memory) == {"one": [("add", number) for number in range(1_000)]}


@pytest.mark.hazard(30)
async def test_a_fail_over_that_lost_events_is_reported(memory: MemoryStore, settings: Settings) -> None:
    async with client_of(memory, settings) as client, client.producer() as producer:
        lagging = memory.snapshot()
        await producer.raise_event("one", "add", 1)
        await producer.flush()
        memory.restore(lagging)
        await producer.raise_event("one", "add", 2)
        with pytest.raises(AcknowledgedLost):
            await producer.flush()
        assert await received(memory) == {"one": [("add", 2)]}


async def test_an_error_in_the_block_is_raised_and_what_came_before_it_is_durable(
    store: Store, settings: Settings
) -> None:
    async with client_of(store, settings) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.producer() as producer:
                await producer.raise_event("one", "add", 1)
                raise ZeroDivisionError
        assert await received(store) == {"one": [("add", 1)]}


async def test_a_full_buffer_waits_for_the_store(memory: MemoryStore, settings: Settings) -> None:
    small = settings.model_copy(update={"producer_buffer_length_max": 10})
    memory.faults.full = True
    async with client_of(memory, small) as client:
        async with client.producer() as producer:
            for number in range(9):
                await producer.raise_event("one", "add", number)
            waiting = asyncio.ensure_future(producer.raise_event("one", "add", 9))
            while memory.faults.calls.get("enqueue", 0) < 3:
                await asyncio.sleep(0.001)
            assert not waiting.done()
            memory.faults.full = False
            await waiting
        assert await received(memory) == {"one": [("add", number) for number in range(10)]}


async def test_more_instances_than_a_producer_remembers_make_no_difference(
    memory: MemoryStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stead.orchestrations._client.producer.INSTANCES_MAX", 3)
    async with client_of(memory, settings) as client:
        async with client.producer() as producer:
            for number in range(60):
                await producer.raise_event(f"i{number % 10}", "add", number)
        assert await received(memory) == {
            f"i{place}": [("add", number) for number in range(place, 60, 10)] for place in range(10)
        }


# -- sources -------------------------------------------------------------------------------------------------------------


async def test_a_source_that_delivers_again_is_accepted_once(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        for start in (0, 250, 100):  # the source starts again, each time a little before where it was
            async with client.producer(source="gateway-7") as producer:
                assert type(producer) is InstanceSourceProducer
                for offset in range(start, start + 300):
                    await producer.raise_event_once(offset * 3, f"i{offset % 7}", "add", offset)
        found = await received(store)
    assert found == {f"i{place}": [("add", number) for number in range(place, 550, 7)] for place in range(7)}


async def test_the_later_producer_of_a_source_wins(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        with pytest.raises(SourceSuperseded):
            async with client.producer(source="s") as old:
                await old.raise_event_once(1, "one", "add", 1)
                await old.flush()
                async with client.producer(source="s") as new:
                    await new.raise_event_once(2, "one", "add", 2)
                await old.raise_event_once(3, "one", "add", 3)
        assert await received(store) == {"one": [("add", 1), ("add", 2)]}


HUB = Settings(partitions=4, slot_groups=2)
TARGETS = [f"i{number}" for number in range(6)]

Run = tuple[int, int, bool, int]
"""From which message the source delivers, how many, whether its program dies then, and how many answers get lost."""

RUNS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans(), st.integers(0, 3)), min_size=1, max_size=6
)


async def deliver(client: OrchestrationClient, store: MemoryStore, run: Run, accepted: int) -> int:
    """One life of a program that passes on what a source delivers; how far it has acknowledged it then. A source goes back, and never ahead."""
    back, count, dies, lost = run
    first = max(0, accepted - back)
    producer = client.producer("log")
    store.faults.lose_answers("enqueue", lost)
    for offset in range(first, first + count):
        target = TARGETS[offset % len(TARGETS)]
        if offset % 3:
            await producer.raise_event_once(offset, target, "n", offset)
        else:
            await producer.signal_once(offset, EntityId("Elsewhere", target), "n", offset)
    if dies:
        await producer.aclose()  # with whatever is not in the store yet
        return accepted
    await producer.flush()
    await producer.aclose()
    return max(accepted, first + count)


@settings(max_examples=60)
@given(RUNS)
def test_whatever_a_source_goes_through_each_event_is_accepted_once_and_in_order(runs: Sequence[Run]) -> None:
    async def check() -> None:
        store = MemoryStore("source", HUB)
        accepted = 0
        async with client_of(store, HUB) as client:
            for run in [*runs, (40, 100, False, 0)]:
                accepted = await deliver(client, store, run, accepted)
            found = await received(store)
        numbers = {target: [data for _, data in given] for target, given in found.items()}
        for target, got in numbers.items():
            assert got == sorted(set(got)), f"{target} was given {got}"
        assert sorted(number for got in numbers.values() for number in got) == list(range(accepted))
        assert {partition_of(target, 4) for target in numbers} == {0, 1, 2, 3}

    asyncio.run(check())
