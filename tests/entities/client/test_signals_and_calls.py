"""Signals and calls, as a client's user sees them, over both stores."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import pytest

from stead.entities import (
    CallTimeout,
    ClassEntityType,
    Entity,
    EntityClient,
    EntityId,
    InvalidInput,
    OperationFailed,
    PayloadTooLarge,
    Registry,
    StoreUnavailable,
    UnknownEntity,
    UnknownOperation,
)
from stead.entities._message.envelope import Failure, Message, decode_message, encode_reply
from stead.transport import Settings, Store
from support.scripted_worker import ScriptedWorker, scripted_worker

pytestmark = pytest.mark.anyio


class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    async def get(self) -> int:
        return self.value

    def echo(self, word: str | bytes, *, loud: bool = False) -> str | bytes:
        return word


class Stranger(Entity):
    def hello(self) -> None: ...


def registry() -> Registry:
    known = Registry()
    known.add(ClassEntityType(Counter))
    return known


@asynccontextmanager
async def client_of(store: Store, settings: Settings) -> AsyncGenerator[EntityClient, None]:
    async with EntityClient(store, registry(), settings) as client:
        yield client


async def messages(store: Store) -> list[Message]:
    """What waits in all inboxes."""
    positions = dict.fromkeys(range(store.layout.partitions), b"0")
    found = await store.read_inboxes(positions, 10_000, 0)
    return [decode_message(bytes(entry[1][1])) for _, entries in found for entry in entries]


# -- signals -------------------------------------------------------------------------------------------------------------


async def test_a_signal_is_in_the_store_when_it_returns(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as client:
        await client.signal_entity(Counter.add, "oslo", 3)
        await client.signal_entity(EntityId("Counter", "oslo"), "ADD", amount=4)
        found = await messages(store)
    assert [(message.target, message.operation, list(message.args)) for message in found] == [
        ("@counter@oslo", "add", [3]),
        ("@counter@oslo", "add", [4]),
    ]
    assert found[0].message_id != found[1].message_id
    assert found[0].reply_to is None


async def test_a_scheduled_signal_carries_its_delay_or_its_instant(store: Store, settings: Settings) -> None:
    due = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    async with client_of(store, settings) as client:
        await client.after(timedelta(minutes=5)).signal_entity(Counter.add, "a", 1)
        await client.at(due).signal_entity(EntityId("Counter", "a"), "add", 2)
        with pytest.raises(InvalidInput):
            client.at(datetime(2030, 1, 2))
        found = await messages(store)
    assert [(message.delay_ms, message.due_ms) for message in found] == [
        (300_000, None),
        (None, int(due.timestamp() * 1000)),
    ]


async def test_what_is_wrong_is_said_before_anything_is_sent(store: Store, settings: Settings) -> None:
    wrong: Any
    async with client_of(store, settings) as client:
        with pytest.raises(InvalidInput, match="amount"):
            await client.signal_entity(EntityId(Counter, "a"), "add", "three")
        with pytest.raises(InvalidInput):
            await client.signal_entity(EntityId(Counter, "a"), "add")
        with pytest.raises(UnknownOperation):
            await client.call_entity(EntityId("counter", "a"), "subtract", 1)
        with pytest.raises(UnknownEntity):
            await client.signal_entity(Stranger.hello, "a")
        with pytest.raises(InvalidInput):
            await client.signal_entity(Counter.add, "line\nbreak", 1)
        for wrong in (print, "add", None, Counter().add):
            with pytest.raises(InvalidInput):
                await client.signal_entity(wrong, "a", 1)
        with pytest.raises(PayloadTooLarge):
            await client.signal_entity(Counter.echo, "a", b"x" * settings.payload_bytes_max)
        with pytest.raises(PayloadTooLarge):
            await client.call_entity(Counter.echo, "a", b"x" * settings.payload_bytes_max)
        assert await messages(store) == []


async def test_names_that_only_workers_know_are_looked_up_among_those_published(
    store: Store, settings: Settings
) -> None:
    async with client_of(store, settings) as client:
        await client.signal_entity(EntityId("Lamp", "a"), "toggle")  # no worker ever joined: it waits for one
        await store.publish(
            {"counter": {"name": "Counter", "operations": ["add"], "form": "class"}}, settings.names_keep_ms
        )
    async with client_of(store, settings) as client:
        with pytest.raises(UnknownEntity, match="Counter"):
            await client.signal_entity(EntityId("Lamp", "a"), "toggle")
    await store.publish(
        {
            "lamp": {"name": "Lamp", "operations": ["toggle"], "form": "class"},
            "any": {"name": "Any", "operations": [], "form": "function"},
        },
        settings.names_keep_ms,
    )
    async with client_of(store, settings) as client:
        await client.signal_entity(EntityId("LAMP", "a"), "Toggle")
        await client.signal_entity(EntityId("Any", "a"), "whatever")
        with pytest.raises(UnknownOperation, match="toggle"):
            await client.call_entity(EntityId("Lamp", "a"), "break")


# -- calls ---------------------------------------------------------------------------------------------------------------


async def test_a_call_returns_the_result(open_store: Any, settings: Settings) -> None:
    async with scripted_worker(await open_store()), client_of(await open_store(), settings) as client:
        added = await client.call_entity(Counter.add, "a", 3)
        assert_type(added, int)
        got = await client.call_entity(Counter.get, "a")
        assert_type(got, int)
        assert (added, got) == (3, 3)
        assert await client.call_entity(EntityId("Counter", "a"), "add", 4) == 7
        assert await client.call_entity(Counter.echo, "a", b"\xff\x00", loud=True) == b"\xff\x00"


async def test_many_calls_at_once_share_requests_and_keep_their_answers_apart(
    open_store: Any, settings: Settings
) -> None:
    async with scripted_worker(await open_store()), client_of(await open_store(), settings) as client:
        words = [secrets.token_hex(4) for _ in range(500)]
        answers = await asyncio.gather(*[client.call_entity(Counter.echo, word, word) for word in words])
        assert answers == words


async def test_what_an_operation_raised_is_raised_at_the_caller(open_store: Any, settings: Settings) -> None:
    failures = [
        Failure("operation", "ValueError", "too cold", "Traceback …", "KeyError: 1"),
        Failure("unknown_operation", "UnknownOperation", "no"),
        Failure("unknown_entity", "UnknownEntity", "no"),
        Failure("invalid_input", "InvalidInput", "argument 'amount': not a number"),
    ]

    def fail(worker: ScriptedWorker, message: Message) -> Failure:
        return failures[int(str(message.args[0]))]

    async with scripted_worker(await open_store(), fail), client_of(await open_store(), settings) as client:
        with pytest.raises(OperationFailed) as caught:
            await client.call_entity(Counter.add, "oslo", 0)
        error = caught.value
        assert (str(error.entity_id), error.operation_name) == ("@counter@oslo", "add")
        assert (error.error_type, error.message) == ("ValueError", "too cold")
        assert (error.traceback, error.cause) == ("Traceback …", "KeyError: 1")
        for number, expected in ((1, UnknownOperation), (2, UnknownEntity), (3, InvalidInput)):
            with pytest.raises(expected):
                await client.call_entity(Counter.add, "oslo", number)


async def test_a_result_that_is_not_of_the_annotated_type_is_refused(open_store: Any, settings: Settings) -> None:
    async with (
        scripted_worker(await open_store(), lambda worker, message: "three"),
        client_of(await open_store(), settings) as client,
    ):
        with pytest.raises(InvalidInput, match="result"):
            await client.call_entity(Counter.get, "a")


async def test_a_call_without_answer_ends_at_the_clients_deadline(open_store: Any, settings: Settings) -> None:
    hasty = settings.model_copy(update={"call_timeout_ms": 50})
    async with (
        scripted_worker(await open_store(), lambda worker, message: worker.SILENCE),
        client_of(await open_store(), hasty) as client,
    ):
        with pytest.raises(CallTimeout) as caught:
            await client.call_entity(Counter.get, "a")
        assert isinstance(caught.value, TimeoutError)
        assert "'get'" in str(caught.value)


async def test_a_callers_own_timeout_leaves_nothing_behind(open_store: Any, settings: Settings) -> None:
    async with (
        scripted_worker(await open_store(), lambda worker, message: worker.SILENCE) as worker,
        client_of(await open_store(), settings) as client,
    ):
        loop = asyncio.get_running_loop()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(None) as limit:

                    def heard(worker: ScriptedWorker, message: Message, limit: asyncio.Timeout = limit) -> Any:
                        loop.call_soon_threadsafe(limit.reschedule, 0.0)
                        return worker.SILENCE

                    worker.handler = heard
                    await client.call_entity(Counter.get, "a")
        worker.handler = lambda worker, message: 7
        assert await client.call_entity(Counter.get, "a") == 7
        assert client._calls._pending == {}  # pyright: ignore[reportPrivateUsage]


async def test_answers_that_come_late_or_twice_or_are_garbage_are_dropped(open_store: Any, settings: Settings) -> None:
    def answer(worker: ScriptedWorker, message: Message) -> Any:
        return worker.SILENCE

    async with scripted_worker(await open_store(), answer) as worker, client_of(await open_store(), settings) as client:
        calling = asyncio.ensure_future(client.call_entity(Counter.get, "a"))
        while not worker.messages:
            await asyncio.sleep(0.001)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        late = worker.messages[0].reply_to
        assert late is not None
        worker.handler = lambda worker, message: 8
        for payload in (encode_reply(late.call_id, 9), b"\xc1", encode_reply(12345, 1)):
            await worker.answer(late, payload)
        assert await client.call_entity(Counter.get, "a") == 8


async def test_too_many_calls_wait_for_their_turn(open_store: Any, settings: Settings) -> None:
    few = settings.model_copy(update={"calls_in_flight_max": 2})
    async with scripted_worker(await open_store()), client_of(await open_store(), few) as client:
        answers = await asyncio.gather(*[client.call_entity(Counter.echo, "a", str(number)) for number in range(20)])
        assert answers == [str(number) for number in range(20)]


async def test_closing_ends_calls_that_are_under_way(open_store: Any, settings: Settings) -> None:
    async with client_of(await open_store(), settings) as client:
        calling = asyncio.ensure_future(client.call_entity(Counter.get, "a"))
        await asyncio.sleep(0.01)
    with pytest.raises(StoreUnavailable):
        await calling
    with pytest.raises(StoreUnavailable):
        await client.call_entity(Counter.get, "a")
    with pytest.raises(StoreUnavailable):
        await client.signal_entity(Counter.add, "a", 1)
