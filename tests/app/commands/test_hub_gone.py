"""A hub that is no longer on the server: several worker processes, and the client without `await`."""

from __future__ import annotations

import signal

import pytest

from stead.app import App, Settings, SyncClient
from stead.entities import Entity, HubMismatch
from support.user_folder import DEADLINE_S, Stead, eventually
from support.valkey_server import ValkeyServer

app = App("sync-gone", settings=Settings(partitions=4, slot_groups=2))


@app.entity
class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


def test_worker_processes_are_replaced_by_others_of_the_new_hub(stead: Stead, server: ValkeyServer) -> None:
    parent = stead.start("worker", stead.reference, "--processes", "2")
    eventually(lambda: all(f"[{number}] holds " in stead.log for number in (1, 2)), "two workers that work")
    server.run("FLUSHALL")  # one that is still about to begin has no end to tell of
    eventually(lambda: stead.log.count("failed with status 1; starting another") == 2, "two ends, each said")
    eventually(lambda: stead.log.count(" of hub ") == 4, "two workers again")
    assert stead.log.count("the worker ends, and lets everything go") == 2
    assert "Traceback" not in stead.log
    done = stead("call", "station", "oslo", "label", "x")
    assert done.status == 0, done.err
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(DEADLINE_S) == 0


def test_the_client_without_await_says_it(server: ValkeyServer) -> None:
    with app.connect_sync(server.url) as client:
        client.signal_entity(Counter.add, "a", 1)
        server.run("FLUSHALL")
        with pytest.raises(HubMismatch):
            client.signal_entity(Counter.add, "a", 1)
        with pytest.raises(HubMismatch):
            client.read_entity(Counter, "a")


def test_a_producer_without_await_ends_for_good(server: ValkeyServer) -> None:
    def produce(client: SyncClient) -> None:
        with client.producer() as producer:
            producer.signal(Counter.add, "a", 1)
            producer.flush()
            server.run("FLUSHALL")
            while True:
                producer.signal(Counter.add, "a", 1)

    with app.connect_sync(server.url) as client, pytest.raises(HubMismatch):
        produce(client)
