"""Limits over a whole hub while workers are killed: never more than may run at once, and nothing is left standing."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.guards import HANGS_S
from support.limited_app import AT_ONCE, LASTING, app, fetching, most_at_once, shopping
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out

pytestmark = [pytest.mark.slow, pytest.mark.hazard(113)]

INSTANCES = 8


async def test_a_killed_worker_leaves_no_place_taken_and_none_given_twice(
    own_server: ValkeyServer, start_worker: Callable[..., WorkerProcess], tmp_path: Path
) -> None:
    book = tmp_path / "book"

    killed, heir = (
        start_worker("limited_app:app", activity_heartbeat_ms=200, activity_keep_ms=1_000) for _ in range(2)
    )

    async def under_way() -> bool:
        return book.exists() and book.read_text().count("\n") > 10

    async with app.connect(own_server.url) as client:
        await shared_out(client, killed, heir)
        ids = [await client.start_new(shopping, str(book)) for _ in range(INSTANCES)]
        await eventually(under_way, "activities run")
        killed.signal(signal.SIGKILL)
        assert await killed.ended() == -signal.SIGKILL
        found = await asyncio.gather(*(client.wait_for_completion(one, timeout=HANGS_S) for one in ids))
        assert [status.result() for status in found] == [6] * INSTANCES
        assert most_at_once(book) == {"shop 0": AT_ONCE, "shop 1": AT_ONCE}, "never more, and as many as may"


async def test_a_rate_holds_for_all_workers_together_over_the_death_of_one(
    own_server: ValkeyServer, start_worker: Callable[..., WorkerProcess], tmp_path: Path
) -> None:
    """100 a minute are one every 600 ms, whoever runs them. That of the killed worker is run again, and counts again."""
    book = tmp_path / "book"
    workers = [start_worker("limited_app:app", activity_heartbeat_ms=200, activity_keep_ms=1_000) for _ in range(2)]

    def begun() -> list[tuple[float, int, int]]:
        """When each began, with its number and its process."""
        lines = [line.split() for line in book.read_text().splitlines()] if book.exists() else []
        return [(float(at), int(number), int(pid)) for at, number, pid in lines]

    async def lasting() -> bool:
        return any(number == LASTING for _, number, _ in begun())

    async with app.connect(own_server.url) as client:
        await shared_out(client, *workers)
        since = time.time()
        instances = [await client.start_new(fetching, (numbers, str(book))) for numbers in ([0, 1, 2], [3, 4, 5])]
        await eventually(lasting, "the activity that lasts")
        (killed,) = {pid for _, number, pid in begun() if number == LASTING}
        (worker,) = [each for each in workers if each.pid == killed]
        worker.signal(signal.SIGKILL)
        found = [(await client.wait_for_completion(each, timeout=HANGS_S)).result() for each in instances]
    assert found == [[0, 1, 2], [3, 4, 5]]
    runs = sorted(begun())
    assert sorted(number for _, number, _ in runs) == [0, 1, 2, 2, 3, 4, 5]
    early = [at - since - 0.6 * place for place, (at, _, _) in enumerate(runs)]
    assert min(early) > -0.005, f"seconds after which each might begin, and began: {early}"
