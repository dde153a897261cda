"""Workers as processes of their own, load for them, and what they made of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from stead.app import Client
from stead.entities import DeadLetters
from stead.transport import ConnectionLost, ServerChanged
from support.counting_app import Tally
from support.guards import HANGS_S

LAYERS = ("app", "gateway", "orchestrations", "entities", "transport")
DEADLINE_S = HANGS_S
KEYS = [f"key-{number}" for number in range(64)]  # every partition has some
ROUNDS_PER_S = 40
BEHIND_MAX = 1_000  # messages that wait: a slow machine is sent less, not more than it can take


async def eventually(condition: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait until something is so."""
    until = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < until, f"{what} did not come about within {DEADLINE_S:g} s"
        await asyncio.sleep(0.02)


class WorkerProcess:
    """A worker process of an app; what it logs goes to a file of its own. With `code` it runs the stead that lies there."""

    def __init__(
        self,
        folder: Path,
        name: str,
        url: str,
        settings: dict[str, int],
        app: str = "counting_app:app",
        code: Path | None = None,
    ) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        environment = {f"STEAD_{key.upper()}": str(value) for key, value in settings.items()}
        if code is not None:
            paths = [str(code / layer) for layer in LAYERS]
            environment["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stead.app", "worker", app, "--name", name],
                cwd=Path(__file__).parent,
                env={**os.environ, "STEAD_URL": url, "NO_COLOR": "1", "COLUMNS": "200", **environment},
                stderr=log,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def status(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def owns(self, owner: str) -> bool:
        """Whether the owner of a lease is this worker."""
        return owner.startswith(f"{self.name}-")

    async def ended(self) -> int:
        """Wait for its end; gives its status."""

        async def gone() -> bool:
            return self.status is not None

        await eventually(gone, f"the end of {self.name}")
        assert self.status is not None
        return self.status

    async def says(self, words: str) -> None:
        """Wait until it has logged something."""

        async def said() -> bool:
            return words in self.log

        await eventually(said, f"{words!r} in the log of {self.name}")

    def end(self) -> None:
        if self.status is None:
            self._process.kill()  # a stopped process too
        self._process.wait()


class Load:
    """A steady stream of numbered messages to all keys while its block lasts; afterwards all are acknowledged.

    It waits while much is left to do, so that how long the end takes does not depend on how slow the machine is.
    """

    def __init__(self, client: Client, rounds_per_s: float = ROUNDS_PER_S) -> None:
        self.sent = 0  # to each key
        self._pause_s = 1 / rounds_per_s
        self._client = client
        self._over = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._over = True
        if error is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        else:
            await asyncio.wait_for(self._task, DEADLINE_S)

    async def _run(self) -> None:
        async with self._client.producer() as producer:
            while not self._over:
                for key in KEYS:
                    await producer.signal(Tally.record, key, self.sent)
                self.sent += 1
                await asyncio.sleep(self._pause_s)  # the rate, nothing waits for it
                while not self._over and await self._behind() > BEHIND_MAX:
                    await asyncio.sleep(self._pause_s)

    async def _behind(self) -> int:
        """How many messages wait; none is known to while the server is away."""
        try:
            return sum(partition.backlog + partition.parked for partition in await self._client.store.info())
        except (ConnectionLost, ServerChanged):
            return 0


async def shares(client: Client, *workers: WorkerProcess) -> list[int]:
    """How many partitions each of the workers holds."""
    _, leases = await client.store.read_leases()
    return [sum(bool(lease.token) and worker.owns(lease.owner) for lease in leases) for worker in workers]


async def shared_out(client: Client, *workers: WorkerProcess) -> None:
    """Wait until these workers hold all partitions, each its share."""
    partitions = client.store.layout.partitions

    async def fair() -> bool:
        held = await shares(client, *workers)
        return sum(held) == partitions and min(held) >= partitions // len(workers)

    await eventually(fair, "a fair assignment")


async def epochs(client: Client) -> list[int]:
    """How often each partition was taken."""
    _, leases = await client.store.read_leases()
    return [lease.epoch for lease in leases]


async def tallies(client: Client) -> dict[str, tuple[int, int]]:
    """What each key has counted, and how often out of order."""
    return {entity_id.key: (tally.count, tally.disorder) async for entity_id, tally in client.list_entities(Tally)}


async def all_move(client: Client) -> None:
    """Wait until every key has counted something that was not there at the beginning of this wait."""
    before = await tallies(client)

    async def moved() -> bool:
        now = await tallies(client)
        return all(now.get(key, (0, 0))[0] > before.get(key, (0, 0))[0] for key in KEYS)

    await eventually(moved, "progress everywhere")


async def exact(client: Client, sent: int) -> None:
    """Wait until nothing waits in any inbox; then each key has counted each message once and in order."""

    async def empty() -> bool:
        return not any(partition.backlog or partition.parked for partition in await client.store.info())

    await eventually(empty, "the end of all work")
    wrong = {key: tally for key, tally in (await tallies(client)).items() if tally != (sent, 0)}
    letters = [f"{letter.target} {letter.failure.message}" async for letter in DeadLetters(client.store).all()]
    assert not wrong, f"of {sent} messages each (count, out of order): {wrong}; dead letters: {letters}"
    assert len(await tallies(client)) == len(KEYS)


@asynccontextmanager
async def supervised(count: int, start: Callable[[], WorkerProcess]) -> AsyncGenerator[list[WorkerProcess]]:
    """Keeps so many workers running, whatever ends them. Gives all that were started."""
    workers = [start() for _ in range(count)]

    async def replace() -> None:
        while True:
            running = sum(worker.status is None for worker in workers)
            workers.extend(start() for _ in range(count - running))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(replace())
    try:
        yield workers
    finally:
        task.cancel()
        await asyncio.wait([task])
