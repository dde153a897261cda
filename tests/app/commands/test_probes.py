"""A worker that is asked how it is: over real sockets, well, stopping, and with an event loop that stands still."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from stead.app import App
from stead.app._commands.probes import Ports, beside_worker
from stead.app._console.faults import CommandFault
from stead.entities import Entity, EntityClient, Worker
from stead.transport import MemoryStore, ServerClock, Settings
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=1, slot_groups=1, heartbeat_ms=20, worker_keep_ms=300)
app = App("probed", settings=SETTINGS)


@app.entity
class Counter(Entity):
    n: int = 0

    def add(self) -> None:
        self.n += 1


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def get(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=HANGS_S) as http:
        return await http.get(f"http://127.0.0.1:{port}{path}", timeout=HANGS_S)


@pytest.mark.parametrize("apart", [True, False])
async def test_a_worker_tells_how_it_is(apart: bool) -> None:
    metrics = free_port()
    health = free_port() if apart else metrics
    settings = SETTINGS.model_copy(update={"worker_keep_ms": 60_000})  # nothing here is about a store that is silent
    store = MemoryStore("probed", settings, ServerClock())
    worker = Worker(store, app.registry, settings)
    async with beside_worker(worker, Ports(metrics, health), is_child=False):
        assert (await get(health, "/health/live")).status_code == 200
        before = await get(health, "/health/ready")
        assert (before.status_code, before.json()["reason"]) == (503, "it has not joined its hub yet")
        assert (await get(metrics, "/metrics")).status_code == 503
        async with worker:
            client = EntityClient(store, app.registry, settings)
            await client.call_entity(Counter.add, "a")
            await client.aclose()
            assert (await get(health, "/health/ready")).json() == {"status": "ok"}
            text = (await get(metrics, "/metrics")).text
            assert 'stead_worker_operation_seconds_count{entity="Counter",operation="add"} 1.0' in text
            assert (await get(health, "/elsewhere")).status_code == 404
            assert (await get(health, "/metrics")).status_code == (404 if apart else 200)
        stopped = await get(health, "/health/ready")
        assert (stopped.status_code, stopped.json()["reason"]) == (503, "it stops")
    with pytest.raises(httpx.ConnectError):
        await get(health, "/health/live")


async def test_a_worker_whose_store_is_silent_is_not_ready() -> None:
    port = free_port()
    store = MemoryStore("probed", SETTINGS, ServerClock())
    async with Worker(store, app.registry, SETTINGS) as worker, beside_worker(worker, Ports(None, port), is_child=True):
        async with asyncio.timeout(HANGS_S):
            while (await get(port, "/health/ready")).status_code != 200:
                await asyncio.sleep(0.01)
            store.faults.refuse("heartbeat", 1_000)
            while (found := await get(port, "/health/ready")).status_code == 200:
                await asyncio.sleep(0.05)
        assert "has not answered its heartbeats" in found.json()["reason"]
        assert (await get(port, "/health/live")).status_code == 200


def ask(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=HANGS_S).status_code


async def test_an_event_loop_that_stands_still_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stead.app._commands.probes._ANSWER_S", 0.05)
    port = free_port()
    worker = Worker(MemoryStore("probed", SETTINGS, ServerClock()), app.registry, SETTINGS)
    async with beside_worker(worker, Ports(None, port), is_child=True):
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(ask, port).result() == 503  # which the event loop stands still for
        assert await asyncio.to_thread(ask, port) == 200


async def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = Ports(None, taken.getsockname()[1])
        worker = Worker(MemoryStore("probed", SETTINGS, ServerClock()), app.registry, SETTINGS)
        with pytest.raises(CommandFault, match="cannot listen at"):
            async with beside_worker(worker, ports, is_child=True):
                pass


def test_processes_have_ports_of_their_own() -> None:
    ports = Ports(9000, 9100, "0.0.0.0")
    assert ports.of_process(3) == Ports(9002, 9102, "0.0.0.0")
    assert ports.of_process(1).arguments() == ["--metrics-port", "9000", "--health-port", "9100", "--host", "0.0.0.0"]
    assert Ports().of_process(2).arguments() == []


def test_a_worker_without_ports_starts_without_the_gateway() -> None:
    code = "import sys, stead.app._cli.main, stead.app._commands.worker; sys.exit('stead.gateway' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
