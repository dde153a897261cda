"""Readers of changes, and the workers that write them, are killed at random: each state that was committed is read, in order."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stead.app import Client
from support import following_app
from support.following_app import FollowedTally, lines_of
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out

pytestmark = [pytest.mark.slow, pytest.mark.hazard(95), pytest.mark.hazard(98)]

SETTINGS = {"lease_ms": 1_500, "heartbeat_ms": 300, "worker_keep_ms": 1_500, "drain_ms": 500}
KEYS = [f"key-{number}" for number in range(16)]
ROUNDS = 4

StartWorker = Callable[..., WorkerProcess]


class ReaderProcess:
    """A reader that is started again, on the same file, each time it was killed."""

    def __init__(self, folder: Path, name: str, mode: str, url: str) -> None:
        self.path = folder / f"{name}.lines"
        self._log = folder / f"{name}.log"
        self._mode = mode
        self._url = url
        self.start()

    def start(self) -> None:
        environment = {f"STEAD_{name.upper()}": str(value) for name, value in SETTINGS.items()}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, following_app.__file__, self._mode, str(self.path)],
                env={**os.environ, "STEAD_URL": self._url, **environment},
                stderr=log,
            )

    @property
    def seen(self) -> list[tuple[str, int]]:
        """What it has dealt with, in order."""
        return [(line["key"], int(line["count"])) for line in lines_of(self.path)]

    def check_alive(self) -> None:
        assert self._process.poll() is None, self._log.read_text()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def start_reader(own_server: ValkeyServer, tmp_path: Path) -> Iterator[Callable[[str, str], ReaderProcess]]:
    readers: list[ReaderProcess] = []

    def start(name: str, mode: str) -> ReaderProcess:
        readers.append(ReaderProcess(tmp_path, name, mode, own_server.url))
        return readers[-1]

    yield start
    for reader in readers:
        reader.kill()


async def test_whoever_is_killed_every_state_that_was_committed_is_read(
    own_server: ValkeyServer, start_worker: StartWorker, start_reader: Callable[[str, str], ReaderProcess]
) -> None:
    chance = random.Random(5)
    workers = [start_worker("following_app:app") for _ in range(2)]
    async with following_app.app.connect(own_server.url) as client:
        await shared_out(client, *workers)
        alone, *group = [start_reader("alone", "cursor"), start_reader("one", "group"), start_reader("two", "group")]
        readers = [alone, *group]
        sent = 0
        for nth in range(ROUNDS):
            sent = await _send(client, sent, 20)
            if nth % 3 == 2:
                dead = workers.pop(chance.randrange(len(workers)))
                dead.signal(signal.SIGKILL)
                workers.append(start_worker("following_app:app"))
            else:
                reader = readers[nth % len(readers)]
                before = len(reader.seen)
                await _grows(readers, reader, before)
                reader.kill()
                sent = await _send(client, sent, 20)
                reader.start()
        await _send(client, sent, 5)
        written = await _all_there(client, sent + 5)

        async def all_read() -> bool:
            for reader in readers:
                reader.check_alive()
            together = {one for reader in group for one in reader.seen}
            return len(alone.seen) >= len(written) and len(together) >= len(written)

        await eventually(all_read, "that all is read")
    assert _by_key(alone.seen) == _by_key(written), "a cursor that is kept with what was done skips and repeats nothing"
    for key, states in _by_key(written).items():
        for reader in group:
            own = [count for name, count in reader.seen if name == key]
            firsts = list(dict.fromkeys(own))
            assert firsts == sorted(firsts), "in order for each reader, but for what came again"
        together = {count for reader in group for name, count in reader.seen if name == key}
        assert together == set(states), "a group leaves nothing out"


async def _send(client: Client, sent: int, count: int) -> int:
    for number in range(sent, sent + count):
        async with client.producer() as producer:
            for key in KEYS:
                await producer.signal(FollowedTally.record, key, number)
    return sent + count


async def _grows(readers: list[ReaderProcess], reader: ReaderProcess, before: int) -> None:
    async def grown() -> bool:
        for each in readers:
            each.check_alive()
        return len(reader.seen) > before or sum(len(each.seen) for each in readers) > 0

    await eventually(grown, "that something is read")


async def _all_there(client: Client, sent: int) -> list[tuple[str, int]]:
    """All changes that there are, once every message has had its effect."""

    async def counted() -> bool:
        states = [await client.read_entity(FollowedTally, key) for key in KEYS]
        return all(state is not None and state.count == sent for state in states)

    await eventually(counted, "that all messages have an effect")
    found: list[tuple[str, int]] = []
    last: dict[str, int] = {}
    changes: Any = client.changes(FollowedTally, after="oldest")
    async with asyncio.timeout(HANGS_S):
        async for change in changes:
            found.append((change.entity_id.key, change.state.count))
            last[change.entity_id.key] = change.state.count
            if len(last) == len(KEYS) and all(count == sent for count in last.values()):
                break
    await changes.aclose()
    return found


def _by_key(seen: list[tuple[str, int]]) -> dict[str, list[int]]:
    by_key: dict[str, list[int]] = {}
    for key, count in seen:
        by_key.setdefault(key, []).append(count)
    return by_key
