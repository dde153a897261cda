"""Schedules on a real server, whose workers are killed: each occurrence is started once, and the rhythm goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from support.orchestrating_app import Ends, app, tick
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually

pytestmark = pytest.mark.slow

APP = "orchestrating_app:app"
StartWorker = Callable[..., WorkerProcess]


@pytest.mark.invariant(10)
@pytest.mark.hazard(105)
async def test_each_occurrence_is_started_once_whoever_dies(
    own_server: ValkeyServer, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEAD_TEST_SCHEDULES", "1")
    workers = [start_worker(APP), start_worker(APP)]
    async with app.connect(own_server.url) as client:

        async def declared() -> bool:
            return await client.schedules.get("declared") is not None

        await eventually(declared, "the declared schedule")
        await client.schedules.create("made", every=timedelta(seconds=1), catch_up=timedelta(minutes=5)).start_new(
            tick, "made"
        )

        async def ticks(name: str) -> int:
            ends = await client.read_entity(Ends, name)
            return 0 if ends is None else len(ends.times)

        for _ in range(2):
            before = await ticks("made"), await ticks("declared")

            async def gone_on(before: tuple[int, int] = before) -> bool:
                return await ticks("made") > before[0] + 1 and await ticks("declared") > before[1] + 1

            await eventually(gone_on, "some runs of both")
            worker = workers.pop(0)
            worker.signal(signal.SIGKILL)
            await worker.ended()
            workers.append(start_worker(APP))
            await eventually(gone_on, "runs after a worker was killed")
        for name in ("made", "declared"):
            schedule = await client.schedules.get(name)
            assert schedule is not None and not schedule.orphaned
            ends = await client.read_entity(Ends, name)
            assert ends is not None
            assert set(ends.times.values()) == {1}, f"{name} was started twice at one time: {ends.times}"
            assert all(each.startswith(f"{name}:20") and each.endswith("Z") for each in ends.times)
            await client.schedules.delete(name)
