"""What comes by itself: reminders, schedules, and the end of entities that nobody uses. How late, and how many a second."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import quantiles

from stead.app import Client
from stead.entities import EntityId

from . import hub
from .cpu import Cpu, Meter
from .entities import EXPIRES_VARIABLE, Alarm, Gong, Guest, Late
from .parts import pids
from .raw import WrongResult
from .server import Address

LEAD_S = 10.0
"""Before the first is due, all have to be set: more than that, if it takes longer."""
SET_PER_S = 2_000
AT_ONCE = 64
WAIT_S = 120.0
VISITED_PER_S = 5_000
"""At least so many entities can be visited in a second: none is to go before all have been."""
IDLE_S = 5.0


def reminders(address: Address, count: int, spread_s: float) -> Sequence[int]:
    """How many milliseconds late each of so many reminders was, all of them due within so many seconds."""

    async def use(client: Client) -> Sequence[int]:
        begin_ms = _begin_ms(count)
        chance = random.Random(1)
        async with client.producer() as producer:
            for number in range(count):
                await producer.signal(Alarm.arm, str(number), begin_ms + chance.randrange(int(spread_s * 1000)))
        return await _lateness(client, Alarm, count, begin_ms + spread_s * 1000)

    with hub.workers(address):
        return hub.with_client(address, use)


def schedules(address: Address, count: int, spread_s: float) -> Sequence[int]:
    """The same of so many schedules, each of which sends a signal."""

    async def use(client: Client) -> Sequence[int]:
        begin_ms = _begin_ms(count)
        chance = random.Random(1)

        async def make(number: int) -> None:
            due_ms = begin_ms + chance.randrange(int(spread_s * 1000))
            start = datetime.fromtimestamp(due_ms / 1000, UTC)
            making = client.schedules.create(str(number), every=timedelta(days=1), start=start)
            await making.signal_entity(EntityId(Gong, str(number % 1_000)), "note", due_ms)

        for first in range(0, count, AT_ONCE):
            await asyncio.gather(*map(make, range(first, min(count, first + AT_ONCE))))
        return await _lateness(client, Gong, count, begin_ms + spread_s * 1000)

    with hub.workers(address):
        return hub.with_client(address, use)


@dataclass(frozen=True, slots=True)
class Expired:
    """How fast entities went, and what they cost while they were there and idle."""

    rate: float
    each: Cpu
    """Microseconds for each that went."""
    idle: Cpu
    """Of each second, milliseconds."""


def expiry(address: Address, count: int, processes: int) -> Expired:
    """Entities deleted a second by so many workers, which find all of them due when they come: from the first one on."""
    expires_s = max(20, count // VISITED_PER_S)
    before = os.environ.get(EXPIRES_VARIABLE)
    os.environ[EXPIRES_VARIABLE] = str(expires_s)
    try:
        with hub.workers(address, processes) as parts:
            hub.with_client(address, lambda client: _visit(client, count))
            last = time.monotonic()
            time.sleep(1)
            meter = Meter([address.pid], pids(parts), [])
            time.sleep(IDLE_S)
            idle = meter.read().each_us(IDLE_S * 1000)
        time.sleep(max(0.0, last + expires_s * 1.1 + 1 - time.monotonic()))
        there = hub.with_client(address, _left)
        if there < count:
            raise WrongResult(f"{there:,} of {count:,} were there when all were due: to visit them took too long")
        with hub.workers(address, processes, at_once=True) as parts:
            due, began = hub.with_client(address, lambda client: _begun(client, count)), time.monotonic()
            meter = Meter([address.pid], pids(parts), [])
            hub.with_client(address, _gone)
            return Expired(due / (time.monotonic() - began), meter.read().each_us(due), idle)
    finally:
        os.environ.pop(EXPIRES_VARIABLE)
        if before is not None:
            os.environ[EXPIRES_VARIABLE] = before


async def _visit(client: Client, count: int) -> None:
    async with client.producer() as producer:
        for number in range(count):
            await producer.signal(Guest.visit, str(number))
    while sum(info.backlog for info in await client.store.info()):  # noqa: ASYNC110 - the store rings no bell
        await asyncio.sleep(0.05)


async def _begun(client: Client, count: int) -> int:
    """How many are left when the first have gone."""
    async with asyncio.timeout(hub.SETTLE_S):
        while (left := await _left(client)) == count:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.005)
    return left


async def _gone(client: Client) -> None:
    async with asyncio.timeout(hub.SETTLE_S):
        while await _left(client):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)


async def _left(client: Client) -> int:
    return sum(info.entities for info in await client.store.info())


def p99(lateness: Sequence[int]) -> float:
    """Of all, the hundredth that is latest, in milliseconds."""
    return quantiles(lateness, n=100)[98]


def p50(lateness: Sequence[int]) -> float:
    """Half of all are no later."""
    return quantiles(lateness, n=2)[0]


def _begin_ms(count: int) -> int:
    return round((time.time() + LEAD_S + count / SET_PER_S) * 1000)


async def _lateness(client: Client, cls: type[Late], count: int, end_ms: float) -> Sequence[int]:
    """What all have written down, once all have."""
    await asyncio.sleep(max(0.0, end_ms / 1000 - time.time()))
    async with asyncio.timeout(WAIT_S):
        while True:
            found: list[int] = []
            async for _, entity in client.list_entities(cls):
                found += entity.late_ms
            if len(found) == count:
                break
            await asyncio.sleep(1)
    if min(found) < 0:
        raise WrongResult(f"something came {-min(found)} ms too early")
    return found
