"""Workers that are drained while they are under load, and work again: nothing is lost, doubled or out of order."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from stead.app import Client
from stead.entities.extending import is_drained, want_drained, worker_of
from support.counting_app import app
from support.orchestrating_app import app as orchestrating
from support.orchestrating_app import patient
from support.valkey_server import ValkeyServer
from support.worker_processes import Load, WorkerProcess, all_move, eventually, exact, shared_out, shares

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]


async def drain(client: Client, worker: WorkerProcess, *, drained: bool = True) -> None:
    """As the command and the page do it."""
    found = worker_of(await client.store.workers(), f"{worker.name}-")
    await want_drained(client.store, found.worker, drained=drained)


async def drained_now(client: Client, worker: WorkerProcess) -> bool:
    return is_drained(worker_of(await client.store.workers(), f"{worker.name}-").info)


@pytest.mark.invariant(1)
@pytest.mark.invariant(4)
async def test_others_take_what_a_drained_worker_gives_back(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    first, second = start_worker(), start_worker()
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with Load(client) as load:
            await all_move(client)
            await drain(client, first)
            await shared_out(client, second)
            await all_move(client)
            assert await shares(client, first) == [0]
            second.signal(signal.SIGKILL)  # what nobody holds is not for the drained one either
            await second.ended()
            third = start_worker()
            await shared_out(client, third)
            await all_move(client)
            await drain(client, first, drained=False)
            await shared_out(client, first, third)
            await all_move(client)
        await exact(client, load.sent)


async def test_activities_that_run_end_and_others_take_the_next(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    first = start_worker("orchestrating_app:app")

    async with orchestrating.connect(own_server.url) as client:
        instance = await client.start_new(patient, str(tmp_path))

        async def begun() -> bool:
            file = tmp_path / "began"
            return file.exists() and len(file.read_text().split()) == 3

        await eventually(begun, "three activities")
        await drain(client, first)
        second = start_worker("orchestrating_app:app")
        await shared_out(client, second)
        (tmp_path / "go").touch()
        assert (await client.wait_for_completion(instance, 60)).output == [0, 1, 2]
        assert len((tmp_path / "began").read_text().split()) == 3, "they ran to their end where they had begun"
        again = await client.start_new(patient, str(tmp_path))
        assert (await client.wait_for_completion(again, 60)).output == [0, 1, 2]
        assert first.status is None
        assert await drained_now(client, first)


async def test_one_that_is_started_anew_works(own_server: ValkeyServer, start_worker: StartWorker) -> None:
    first = start_worker()
    async with app.connect(own_server.url) as client:
        await shared_out(client, first)
        await drain(client, first)

        async def nobody() -> bool:
            return await shares(client, first) == [0]

        await eventually(nobody, "a drained worker")
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
        second = start_worker()
        await shared_out(client, second)
        await all_move_once(client)


async def all_move_once(client: Client) -> None:
    """Messages are carried out everywhere."""
    async with Load(client) as load:
        await all_move(client)
    await exact(client, load.sent)
