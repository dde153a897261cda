"""Operations that kill or hold their worker: the rest of the hub goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from stead.app import Client
from stead.entities import DeadLetters
from support.counting_app import DEADLY, Hazard, Heirloom, app
from support.valkey_server import ValkeyServer
from support.worker_processes import Load, WorkerProcess, all_move, eventually, exact, shared_out, supervised

STUCK_EXIT_STATUS = 70  # EX_SOFTWARE

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]


async def test_a_message_that_kills_its_workers_becomes_a_dead_letter(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    deaths = tmp_path / "deaths"
    async with app.connect(own_server.url) as client:
        async with supervised(2, lambda: start_worker(lease_ms=600, heartbeat_ms=100)) as workers:
            await shared_out(client, *workers)
            async with Load(client, 10) as load:  # goes on while one message at a time runs
                await all_move(client)
                await client.signal_entity(Hazard.survive, "one")
                await client.signal_entity(Hazard.die, "one", str(deaths))
                await client.signal_entity(Hazard.survive, "one")

                async def buried() -> bool:
                    return any(partition.dead for partition in await client.store.info())

                await eventually(buried, "a dead letter")
                await all_move(client)
            await exact(client, load.sent)
        (letter,) = [message async for message in DeadLetters(client.store).all()]
        assert (letter.target, letter.operation, letter.failure.kind) == ("@hazard@one", "die", "poison")
        assert letter.tries == app.settings.poison_tries_max
        hazard = await client.read_entity(Hazard, "one")
        assert hazard is not None
        assert hazard.survived == 2
        died = [worker.status for worker in workers if worker.status is not None]
        # At most two more than it has tries, unless a lease ran out on a starved machine before its owner died: that is
        # counted where time is virtual (simulation/test_killing_messages.py).
        assert died == [3] * len(died)
        assert len(deaths.read_text().split()) == len(died) >= letter.tries


@pytest.mark.hazard(20)
async def test_a_message_that_kills_whoever_decodes_it_becomes_a_dead_letter_as_it_is(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    async with app.connect(own_server.url) as client:
        start = partial(start_worker, app="decoding_app:app", lease_ms=600, heartbeat_ms=100)
        async with supervised(2, start) as workers:
            await shared_out(client, *workers)
            async with Load(client, 10) as load:
                await all_move(client)
                await client.signal_entity(Hazard.survive, "one")
                await client.signal_entity(Hazard.survive, DEADLY)
                await client.signal_entity(Hazard.survive, "one")

                async def buried() -> bool:
                    return any(partition.dead for partition in await client.store.info())

                await eventually(buried, "a dead letter")
                await all_move(client)
            await exact(client, load.sent)
        (letter,) = [message async for message in DeadLetters(client.store).all()]
        assert (letter.target, letter.failure.kind, DEADLY.encode() in letter.envelope) == ("", "poison", True)
        assert letter.tries == app.settings.poison_tries_max
        hazard = await client.read_entity(Hazard, "one")
        assert hazard is not None
        assert hazard.survived == 2
        died = [worker.status for worker in workers if worker.status is not None]
        assert died == [3] * len(died)
        assert len(died) >= letter.tries


@pytest.mark.hazard(20)
@pytest.mark.invariant(12)
async def test_a_state_that_kills_whoever_loads_it_is_blocked_until_there_is_another_program(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    async with app.connect(own_server.url) as client:
        first = start_worker()
        await shared_out(client, first)
        await client.signal_entity(Heirloom.keep, "one", "a ring")
        await eventually(lambda: kept(client, ["a ring"]), "what was kept")
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
        start = partial(start_worker, app="loading_app:app", lease_ms=600, heartbeat_ms=100)
        async with supervised(2, start) as workers:
            await shared_out(client, *workers)
            async with Load(client, 10) as load:
                await all_move(client)
                await client.signal_entity(Heirloom.keep, "one", "a chest")
                await client.signal_entity(Heirloom.keep, "two", "a clock")

                async def blocked() -> bool:
                    return any(partition.blocked for partition in await client.store.info())

                await eventually(blocked, "a blocked entity")
                await all_move(client)
        (why,) = [partition.blocked for partition in await client.store.info() if partition.blocked]
        tries = app.settings.poison_tries_max
        assert [*why] == ["@heirloom@one"]
        assert why["@heirloom@one"].startswith(f"its loading ended {tries} workers")
        died = [worker.status for worker in workers if worker.status is not None]
        assert died == [3] * len(died)
        assert len(died) <= 2 + tries
        for worker in workers:
            worker.end()
        start_worker()  # the code that it had
        await eventually(lambda: kept(client, ["a ring", "a chest"]), "what was kept for it")
        await exact(client, load.sent)
        assert not any(partition.blocked for partition in await client.store.info())


async def kept(client: Client, what: list[str]) -> bool:
    heirloom = await client.read_entity(Heirloom, "one")
    return heirloom is not None and heirloom.kept == what


@pytest.mark.hazard(18)
async def test_an_operation_that_never_ends_costs_only_its_worker(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    first, second = (start_worker(turn_stuck_ms=1_500) for _ in range(2))
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with Load(client) as load:
            await all_move(client)
            await client.signal_entity(Hazard.stick, "one", str(tmp_path / "stuck"))
            await client.signal_entity(Hazard.survive, "one")

            async def ended() -> bool:
                return first.status is not None or second.status is not None

            await eventually(ended, "the end of the stuck worker")
            stuck, other = (first, second) if first.status is not None else (second, first)
            assert stuck.status == STUCK_EXIT_STATUS
            assert "in @hazard@one" in stuck.log
            await shared_out(client, other)
            await all_move(client)
        await exact(client, load.sent)
        hazard = await client.read_entity(Hazard, "one")
        assert hazard is not None
        assert hazard.survived == 2
        assert other.status is None
