"""Limits over a whole hub while workers are killed: never more than may run at once, and nothing is left standing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.guards import HANGS_S
from support.limited_app import AT_ONCE, app, most_at_once, shopping
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
