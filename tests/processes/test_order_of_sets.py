"""An orchestration that goes over a set, begun in one process and replayed in another."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from stead.orchestrations import OrchestrationStatus, RuntimeStatus
from support.set_app import NAMES, app, over_a_set
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]


async def begun_here_and_ended_there(
    server: ValkeyServer, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch, seeds: tuple[str, str]
) -> OrchestrationStatus[dict[str, str]]:
    """Workers with these hash seeds in their environment ("": none)."""

    def start(seed: str) -> WorkerProcess:
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        return start_worker("set_app:app")

    first = start(seeds[0])
    async with app.connect(server.url) as client:
        instance = await client.start_new(over_a_set)

        async def greeted() -> bool:
            status = await client.get_status(instance)
            return status is not None and status.custom_status == "greeted"

        await eventually(greeted, "the activities' results")
        first.signal(signal.SIGKILL)
        await first.ended()
        second = start(seeds[1])
        await shared_out(client, second)
        await client.raise_event(instance, "go on")
        return await client.wait_for_completion(instance)


async def test_workers_have_one_order(
    own_server: ValkeyServer, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = await begun_here_and_ended_there(own_server, start_worker, monkeypatch, ("", ""))
    assert status.output == {name: f"Hello {name}!" for name in NAMES}


async def test_another_order_fails_and_says_which_calls_are_mixed_up(
    own_server: ValkeyServer, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in programs that run workers themselves, and set no seed."""
    status = await begun_here_and_ended_there(own_server, start_worker, monkeypatch, ("1", "2"))
    assert status.runtime_status is RuntimeStatus.FAILED
    assert status.failure is not None and status.failure.error_type.endswith("NonDeterminismError")
    message = status.failure.message
    assert message.count("'name-") == 2 and "the activity 'greet'" in message and "go over a set" in message
