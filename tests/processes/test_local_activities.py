"""Worker processes that end in the middle of local activities: what was not committed runs again, and counts once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from stead.orchestrations import RuntimeStatus
from support.guards import HANGS_S
from support.orchestrating_app import LOCAL_STEPS, Ends, app, glances, poisoned_at_once, steps
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out, supervised

pytestmark = [pytest.mark.slow, pytest.mark.hazard(115)]

StartWorker = Callable[..., WorkerProcess]

APP = "orchestrating_app:app"
NEIGHBOURS = 40  # every partition has some


async def test_a_process_that_is_killed_between_two_steps_begins_them_anew_and_all_count_once(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    first = start_worker(APP, lease_ms=600, heartbeat_ms=100)
    async with app.connect(own_server.url) as client:
        await shared_out(client, first)
        await client.start_new(steps, str(tmp_path), instance_id="one")
        assert await first.ended() == -signal.SIGKILL
        view = await client.get_status("one", show_history=True)
        assert view is not None
        # On a slow machine the time of a batch may be over in between: what is recorded then is not done again.
        stored = sum(event.event_type == "TaskCompleted" for event in view.history or ())
        start_worker(APP, lease_ms=600, heartbeat_ms=100)
        status = await client.wait_for_completion("one", timeout=HANGS_S)
        assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, [1, 2, 3, 4, 5])
        assert stored <= 2
        assert [*map(int, (tmp_path / "steps").read_text().split())] == [1, 2, 3, *range(stored + 1, 6)]
        status = await client.get_status("one", show_history=True) or status
        kinds = [event.event_type for event in status.history or ()]
        assert kinds == [
            "ExecutionStarted",
            *["TaskScheduled", "TaskCompleted"] * 5,
            "EntityOperationSignaled",
            "ExecutionCompleted",
        ]

        async def noted() -> bool:
            ends = await client.read_entity(Ends, "steps")
            return ends is not None and ends.times == {"one": 1}

        await eventually(noted, "the last signal")


async def test_one_that_kills_its_workers_fails_and_its_neighbours_end(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Whoever comes after the first death stores everything before it begins, so that the activity is counted as what it is."""
    trace = tmp_path / "deaths"
    start = partial(start_worker, APP, lease_ms=600, heartbeat_ms=100, activity_tries_max=3)
    async with app.connect(own_server.url) as client, supervised(1, start) as workers:
        await shared_out(client, *workers)
        await client.start_new(poisoned_at_once, str(trace), instance_id="deadly")
        for number in range(NEIGHBOURS):
            await client.start_new(glances, number, instance_id=f"beside-{number}")
        status = await client.wait_for_completion("deadly", timeout=HANGS_S)
        assert status.runtime_status == RuntimeStatus.FAILED
        assert "PoisonActivity" in str(status.failure) + str(status.failure and status.failure.cause)
        for number in range(NEIGHBOURS):
            status = await client.wait_for_completion(f"beside-{number}", timeout=HANGS_S)
            assert status.output == [number + each for each in range(LOCAL_STEPS)], status.failure

        async def noted() -> bool:
            ends = await client.read_entity(Ends, "glances")
            return ends is not None and ends.times == {f"beside-{number}": 1 for number in range(NEIGHBOURS)}

        await eventually(noted, "the last signals")
        died = [worker.status for worker in workers if worker.status is not None]
        assert died == [3] * len(died) == [3] * len(trace.read_text().split())
        # Once before anybody was suspicious, and once when it was granted: then it is counted.
        assert len(died) <= 2 + 3
        await asyncio.gather(*(client.wait_for_completion(f"beside-{number}") for number in range(3)))
