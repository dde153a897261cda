"""The client without `await`: the same results and errors, from many threads, with deadlines, and after a fork."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import assert_type

import pytest

from stead.app import App, Settings, SyncClient
from stead.app._sync.portal import ClientClosed
from stead.entities import (
    CallTimeout,
    Entity,
    EntityId,
    InvalidInput,
    OperationFailed,
    PayloadTooLarge,
    StoreUnavailable,
    UnknownEntity,
)
from support.guards import HANGS_S
from support.user_folder import Stead, WorkerThread, eventually
from support.valkey_server import ValkeyServer

app = App("sync-tests", settings=Settings(partitions=4, slot_groups=2, payload_bytes_max=100_000))


@app.entity
class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    async def slow(self, amount: int) -> int:
        self.value += amount
        return self.value

    def fail(self) -> None:
        raise ValueError("no way")


class Unregistered(Entity):
    def poke(self) -> None: ...


@pytest.fixture
def client(server_url: str) -> Iterator[SyncClient]:
    """A client, with a worker beside it."""
    thread = WorkerThread(app, server_url)
    with app.connect_sync(server_url) as opened:
        yield opened
    thread.end()


def test_it_signals_calls_reads_and_lists(client: SyncClient) -> None:
    client.signal_entity(Counter.add, "a", 2)
    client.signal_entity(EntityId("counter", "a"), "add", 3)
    assert client.call_entity(Counter.add, "a", amount=1) == 6
    assert_type(client.call_entity(Counter.add, "a", 0), int)
    assert_type(client.read_entity(Counter, "a"), Counter | None)
    assert assert_type(client.call_entity(Counter.slow, "b", 1), int) == 1
    assert client.call_entity(EntityId("Counter", "b"), "ADD", 1) == 2
    read = client.read_entity(Counter, "a")
    assert read is not None
    assert read.value == 6
    assert client.read_entity(EntityId("Counter", "a")) == {"value": 6}
    assert client.read_entity(Counter, "c") is None
    assert [(entity_id.key, entity.value) for entity_id, entity in client.list_entities(Counter)] == [
        ("a", 6),
        ("b", 2),
    ]
    assert [key.key for key, _ in client.list_entities("counter", prefix="b")] == ["b"]


def test_a_long_list_comes_in_chunks(client: SyncClient) -> None:
    with client.producer() as producer:
        for number in range(450):
            producer.signal(Counter.add, f"{number:03}", 1)
    eventually(lambda: len(list(client.list_entities(Counter))) == 450)
    assert [entity_id.key for entity_id, _ in client.list_entities(Counter)] == [f"{n:03}" for n in range(450)]
    first = client.list_entities(Counter)
    assert next(first)[0].key == "000"
    first.close()  # type: ignore[attr-defined]


def test_errors_are_raised_at_the_call(client: SyncClient) -> None:
    with pytest.raises(OperationFailed, match="no way"):
        client.call_entity(Counter.fail, "a")
    with pytest.raises(InvalidInput, match="amount"):
        client.signal_entity(EntityId("Counter", "a"), "add", "many")
    with pytest.raises(UnknownEntity):
        client.signal_entity(Unregistered.poke, "a")
    with pytest.raises(InvalidInput, match="time zone"):
        client.at(datetime(2030, 1, 1)).signal_entity(Counter.add, "a", 1)


def test_scheduled_signals_are_carried_out_later(client: SyncClient) -> None:
    client.after(timedelta(milliseconds=20)).signal_entity(Counter.add, "later", 1)
    client.at(datetime(2020, 1, 1, tzinfo=UTC)).signal_entity(EntityId("Counter", "later"), "add", 1)
    eventually(lambda: client.read_entity(EntityId("Counter", "later")) == {"value": 2})


def test_a_producer_keeps_order_and_is_durable_when_left(client: SyncClient) -> None:
    with client.producer() as producer:
        for number in range(1_000):
            producer.signal(Counter.add, f"k{number % 7}", 1)
            producer.signal(EntityId("Counter", "all"), "add", amount=1)
        producer.flush()
        with pytest.raises(InvalidInput, match="amount"):
            producer.signal(EntityId("Counter", "all"), "add", "many")
        with pytest.raises(PayloadTooLarge):
            producer.signal(EntityId("Counter", "all"), "add", 10**300_000)
    assert client.call_entity(Counter.add, "all", 0) == 1_000


def test_a_producer_that_lost_its_server_says_so(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    hasty = App("sync-tests", settings=Settings(partitions=4, slot_groups=2, store_tries_ms=200))

    def produce(client: SyncClient) -> None:
        with client.producer() as producer:
            producer.signal(EntityId("Counter", "a"), "add", 1)
            producer.flush()
            server.kill()
            while True:
                producer.signal(EntityId("Counter", "a"), "add", 1)

    with hasty.connect_sync(server.url) as client, pytest.raises(StoreUnavailable):
        produce(client)


def test_it_works_in_memory_as_well() -> None:
    worker = WorkerThread(app, "memory://")
    with app.connect_sync("memory://") as client:
        assert client.call_entity(Counter.add, "a", 1) == 1
        with client.producer() as producer:
            for _ in range(100):
                producer.signal(Counter.add, "a", 1)
        assert client.call_entity(Counter.add, "a", 0) == 101
    worker.end()


def test_a_producer_belongs_into_a_with_block(client: SyncClient) -> None:
    with pytest.raises(RuntimeError, match="with"):
        client.producer().signal(Counter.add, "a", 1)


def test_a_source_is_accepted_once(client: SyncClient) -> None:
    for _ in range(2):
        with client.producer("gateway-7") as producer:
            for offset in range(10):
                producer.signal_once(offset, Counter.add, "once", 1)
    assert client.call_entity(Counter.add, "once", 0) == 10


def test_a_deadline_ends_a_request(server_url: str) -> None:
    with app.connect_sync(server_url) as client:
        with pytest.raises(CallTimeout, match=r"0\.05 s"):
            client.with_timeout(0.05).call_entity(Counter.add, "nobody", 1)
        with pytest.raises(CallTimeout):
            client.with_timeout(timedelta(milliseconds=50)).call_entity(Counter.add, "nobody", 1)
        for wrong in (0, -1, float("inf"), float("nan")):
            with pytest.raises(InvalidInput, match="timeout"):
                client.with_timeout(wrong)


def test_the_default_deadline_is_the_settings_and_may_be_made_longer(server_url: str) -> None:
    hasty = App("sync-tests", settings=Settings(partitions=4, slot_groups=2, call_timeout_ms=60))
    with hasty.connect_sync(server_url) as client:
        with pytest.raises(CallTimeout, match=r"0\.06 s"):
            client.call_entity(EntityId("Counter", "nobody"), "add", 1)
        patient: list[object] = []
        thread = threading.Thread(
            target=lambda: patient.append(client.with_timeout(30).call_entity(EntityId("Counter", "a"), "add", 1))
        )
        thread.start()
        worker = WorkerThread(app, server_url)
        thread.join(HANGS_S)
        worker.end()
        assert patient == [1]


def test_a_call_that_is_not_answered_says_what_the_asynchronous_client_says(server_url: str) -> None:
    hasty = App("sync-tests", settings=Settings(partitions=4, slot_groups=2, call_timeout_ms=60))
    with hasty.connect_sync(server_url) as client:
        for calling in (client, client.with_timeout(0.05)):
            with pytest.raises(CallTimeout, match=r"calling 'add' of @counter@nobody.*: no worker is running"):
                calling.call_entity(EntityId("Counter", "nobody"), "add", 1)


def test_a_server_that_says_nothing_is_what_is_named(server_url: str) -> None:
    with app.connect_sync(server_url) as client:
        portal = client._portal  # pyright: ignore[reportPrivateUsage]

        async def never(_: object) -> None:
            await asyncio.Event().wait()

        with pytest.raises(CallTimeout, match=r"the request: no answer within 0\.01 s; the server has not said"):
            portal.run(never, 0.01)


def test_many_threads_share_a_client(client: SyncClient) -> None:
    def work() -> None:
        for _ in range(25):
            client.call_entity(Counter.add, "shared", 1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS_S)
    assert client.call_entity(Counter.add, "shared", 0) == 200


def test_a_closed_client_says_so(server_url: str) -> None:
    client = app.connect_sync(server_url)
    client.close()
    client.close()
    with pytest.raises(ClientClosed, match="connect_sync"):
        client.read_entity(Counter, "a")


def test_a_client_that_cannot_connect_says_so_at_first_use_and_may_be_tried_again(server_url: str) -> None:
    client = App("ab2", settings=Settings(partitions=4, slot_groups=2)).connect_sync("nonsense://x")
    for _ in range(2):
        with pytest.raises(InvalidInput):
            client.read_entity(EntityId("Counter", "a"))


FORKING = """
import os, sys
sys.path.insert(0, {folder!r})
import {module} as users

client = users.app.connect_sync()
client.signal_entity(users.Station.record, "forked", 1.0)
child = os.fork()
client.signal_entity(users.Station.record, "forked", 1.0)
assert client.call_entity(users.Station.mean, "forked") == 1.0
if child:
    assert os.waitpid(child, 0)[1] == 0
    client.signal_entity(users.Station.record, "forked", 1.0)
# nothing is closed: the interpreter's end does that
"""


def test_a_forked_child_opens_a_client_of_its_own(stead: Stead, worker: WorkerThread) -> None:
    program = FORKING.format(folder=str(stead.folder), module=stead.module)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=dict(os.environ),
        timeout=HANGS_S,
        check=False,
        stderr=subprocess.PIPE,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert '"count": 4' in stead("state", "Station", "forked").out
