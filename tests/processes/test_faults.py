"""Workers and servers that are killed, stopped and restarted under load: every message is applied once, in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from support.counting_app import app
from support.valkey_server import ValkeyServer
from support.worker_processes import Load, WorkerProcess, all_move, epochs, exact, shared_out

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]


@pytest.mark.invariant(1)
async def test_a_killed_worker_is_replaced_by_another(own_server: ValkeyServer, start_worker: StartWorker) -> None:
    first, second = start_worker(), start_worker()
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with Load(client) as load:
            await all_move(client)
            first.signal(signal.SIGKILL)
            assert await first.ended() == -signal.SIGKILL
            await shared_out(client, second)
            await all_move(client)
        await exact(client, load.sent)


@pytest.mark.invariant(6)
async def test_a_worker_that_was_stopped_past_its_lease_does_no_harm(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    first, second = start_worker(), start_worker()
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        before = await epochs(client)
        async with Load(client) as load:
            await all_move(client)
            first.signal(signal.SIGSTOP)
            await shared_out(client, second)
            await all_move(client)
            assert sum(await epochs(client)) >= sum(before) + client.store.layout.partitions // 2
            assert "its lease is no longer this worker's" not in first.log
            first.signal(signal.SIGCONT)
            await first.says("its lease is no longer this worker's")  # a commit was refused, or a renewal was
            await shared_out(client, first, second)
            await all_move(client)
        await exact(client, load.sent)
        assert first.status is None


@pytest.mark.invariant(10)
async def test_a_killed_server_comes_back_with_everything_acknowledged(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    first, second = start_worker(), start_worker()
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with Load(client) as load:
            for _ in range(2):
                await all_move(client)
                await asyncio.to_thread(own_server.kill)
                await asyncio.to_thread(own_server.start)
            await all_move(client)
        await exact(client, load.sent)
        assert first.status is None
        assert second.status is None
        assert "everything is acquired and read anew" in first.log


async def test_a_worker_that_is_asked_to_end_hands_over(own_server: ValkeyServer, start_worker: StartWorker) -> None:
    # Leases longer than any wait of this test: only a partition that was given back can go on elsewhere.
    first, second = (start_worker(lease_ms=600_000, worker_keep_ms=600_000) for _ in range(2))
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with Load(client) as load:
            await all_move(client)
            first.signal(signal.SIGTERM)
            assert await first.ended() == 0
            assert "its partitions are free" in first.log
            await shared_out(client, second)
            assert not unclean_ends(own_server)
            await all_move(client)
        await exact(client, load.sent)


def unclean_ends(server: ValkeyServer) -> list[bytes]:
    """The leases whose owners ended without giving them back."""
    hashes = [key for key in server.run("KEYS", "*") if server.run("TYPE", key) == b"hash"]
    leases = [key for key in hashes if server.run("HEXISTS", key, "epoch")]
    assert len(leases) == app.settings.partitions
    return [key for key in leases if server.run("HEXISTS", key, "unclean")]
