"""The random programs all at once on a real server that is killed again and again, with workers that come, go and vanish:
the results are those of a quiet hub in memory, and so are the entities.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from scenarios.test_random_programs import EVENTS, Author, Total, app, run
from stead.app import Client
from stead.app.testing import TestHub
from stead.entities import Worker
from stead.orchestrations import InstanceFinished, Orchestrations
from stead.transport import Settings, open_store
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SETTINGS = Settings(partitions=8, slot_groups=2, lease_ms=1_000, heartbeat_ms=100, worker_keep_ms=1_000)
PROGRAMS = 40


def without_races(part: Any) -> Any:
    """Here time is real: sleeps are short, and nothing depends on which of two things is done first."""
    match part:
        case ["within", _, inner]:
            return without_races(inner)
        case ["sleep", milliseconds]:
            return ["sleep", milliseconds % 300]
        case [*parts]:
            return [without_races(each) for each in parts]
        case _:
            return part


async def carry_out(client: Client, seed: int) -> Any:
    stages = without_races(Author(seed).stages())
    instance_id = await client.start_new(run, [stages, []], instance_id=f"program-{seed}")
    with contextlib.suppress(InstanceFinished):
        for number in range(EVENTS):
            await client.raise_event(instance_id, f"event-{number}", number)
    return (await client.wait_for_completion(instance_id, timeout=HANGS_S)).output


async def totals(client: Client) -> Counter[str]:
    return Counter({entity_id.key: total.value async for entity_id, total in client.list_entities(Total)})


async def live(url: str, chance: random.Random) -> None:
    """One worker after the other, each for a short time; half of them vanish."""
    while True:
        store = await open_store(url, app.name, SETTINGS)
        orchestrations = Orchestrations(app.orchestrations, SETTINGS, entities=app.registry)
        worker = Worker(store, app.registry, SETTINGS, "short-lived", [orchestrations])
        try:
            await worker.start()
            await asyncio.sleep(chance.uniform(0.1, 1.0))
            assert worker.failure is None
        finally:
            try:
                await (worker.stop() if chance.random() < 0.5 else worker.abandon())
            finally:  # the test may end in the middle of that
                await store.close()


async def kill(server: ValkeyServer, over: asyncio.Event) -> None:
    """Not to be cancelled: a thread that starts a server would go on."""
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 2)
            return
        await asyncio.to_thread(server.restart)


@pytest.mark.parametrize("seed", [0, 1_000])
async def test_programs_on_a_server_that_is_killed(
    start_server: Callable[..., ValkeyServer], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    seeds = range(seed, seed + PROGRAMS)
    expected: list[Any] = []
    sums: Counter[str] = Counter()
    for each in seeds:
        async with TestHub(app) as hub:
            expected.append(await carry_out(hub.client, each))
            await hub.run_until_idle()
            sums += await totals(hub.client)
    monkeypatch.setattr(app, "settings", SETTINGS)
    server = start_server()
    chance = random.Random(seed)
    lives = [asyncio.create_task(live(server.url, chance)) for _ in range(2)]
    over = asyncio.Event()
    killing = asyncio.create_task(kill(server, over))
    try:
        async with app.connect(server.url) as client:
            assert await asyncio.gather(*(carry_out(client, each) for each in seeds)) == expected
            async with asyncio.timeout(HANGS_S):
                while await totals(client) != sums:  # the last signals
                    await asyncio.sleep(0.05)
        assert not any(task.done() for task in lives)
    finally:
        over.set()
        for task in lives:
            task.cancel()
        await asyncio.wait((killing, *lives))
