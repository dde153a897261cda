"""Queries while entities move and the workers that move them are killed: nothing that stays is missed or comes twice (HAZARDS 82, 83)."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from typing import Any

import pytest

from stead.app import Client
from stead.entities import Query
from support.ranked_app import Ranked, app
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]
STAYING = {f"s{number:03}": number * 10 for number in range(60)}
MOVING = [f"m{number:03}" for number in range(60)]
KILLS = 2


@pytest.mark.anyio
@pytest.mark.hazard(83)
async def test_queries_are_right_while_workers_that_move_entities_are_killed(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    workers = [start_worker(app="ranked_app:app") for _ in range(2)]
    async with app.connect(own_server.url) as client:
        await shared_out(client, *workers)
        async with client.producer() as producer:
            for key, place in STAYING.items():
                await producer.signal(Ranked.put, key, place, "stays")
            for key in MOVING:
                await producer.signal(Ranked.put, key, 0, "moves")

        async def all_there() -> bool:
            return await client.query(Ranked).where(Ranked.group >= "a").count() == len(STAYING) + len(MOVING)

        await eventually(all_there, "the first state of each entity")
        over = asyncio.Event()
        moving = asyncio.create_task(_move(client, over))
        try:
            await _look(client, rounds=3)
            for _ in range(KILLS):
                workers[0].signal(signal.SIGKILL)
                await workers[0].ended()
                await _look(client, rounds=3)
                workers = [workers[1], start_worker(app="ranked_app:app")]
                await shared_out(client, *workers)
        finally:
            over.set()
            sent = await moving
        await _look(client, rounds=1)
        for key, (place, moves) in sent.items():  # all of it has been applied, once, and the index says so
            await client.call_entity(Ranked.put, key, place, "moves")
            state = await client.read_entity(Ranked, key)
            assert state is not None and state.moves == moves + 2
        found = {each.key: item.place async for each, item in client.query(Ranked).where(Ranked.group == "moves")}
        assert found == {key: sent[key][0] for key in MOVING}
        assert await client.query(Ranked).where(Ranked.place >= 0).count() == len(STAYING) + len(MOVING)


async def _move(client: Client, over: asyncio.Event) -> dict[str, tuple[int, int]]:
    """Move entities about; gives where each was put last, and how often."""
    chance = random.Random(7)
    sent: dict[str, tuple[int, int]] = dict.fromkeys(MOVING, (0, 0))
    async with client.producer() as producer:
        while not over.is_set():
            for key in chance.sample(MOVING, 10):
                place = chance.randrange(600)
                await producer.signal(Ranked.put, key, place, "moves")
                sent[key] = place, sent[key][1] + 1
            await producer.flush()
    return sent


async def _look(client: Client, rounds: int) -> None:
    """Ask for all and for some, in an order and without one, at once and by pages."""
    for _ in range(rounds):
        everyone = client.query(Ranked)
        asked: list[tuple[Query[Ranked], Any, set[str]]] = [
            (everyone.order_by(Ranked.place), False, set(STAYING)),
            (everyone.where(Ranked.place >= 200).order_by(Ranked.place, descending=True), True, _from(200)),
            (everyone.where(Ranked.place >= 300), None, _from(300)),
            (everyone.where(Ranked.group == "stays").order_by(Ranked.place), False, set(STAYING)),
        ]
        for query, descending, staying in asked:
            found = [(each.key, item) async for each, item in query]
            keys = [key for key, _ in found]
            assert len(set(keys)) == len(keys)
            assert staying <= set(keys)
            places = [item.place for _, item in found]
            if descending is not None:
                assert places == sorted(places, reverse=descending)
            assert all(item.place == STAYING[key] for key, item in found if key in STAYING)
            assert sorted(key for key in await _pages(query) if key in staying) == sorted(staying)
        stays, all_of_them = everyone.where(Ranked.group == "stays"), len(STAYING) + len(MOVING)
        assert (await stays.count(), await everyone.where(Ranked.group >= "").count()) == (len(STAYING), all_of_them)


def _from(place: int) -> set[str]:
    return {key for key, at in STAYING.items() if at >= place}


async def _pages(query: Query[Ranked]) -> list[str]:
    keys: list[str] = []
    token: str | None = None
    while True:
        page = await query.page(7, continuation=token)
        keys += [each.key for each, _ in page.items]
        token = page.continuation
        if token is None:
            return keys
