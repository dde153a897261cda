"""What an entity takes that has nothing to do: in the server, and in the worker that keeps it activated."""

from __future__ import annotations

import asyncio
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from stead.app import Client

from . import hub, raw
from .entities import LABELS, Scored
from .parts import Part
from .server import Address

FIRST = 5_000
"""Entities that are there before: what partitions and processes need once, and room for a burst, is not counted."""
STILL_S = 60.0
STILL_PART = 0.002
POLL_S = 0.3


@dataclass(frozen=True, slots=True)
class Bytes:
    """What an entity takes."""

    server: float
    worker: float


def entities(address: Address, count: int) -> Bytes:
    """Counters that were signalled once and are idle."""
    with hub.workers(address) as (worker,):
        signal_each(address, FIRST)
        server, resident = _still(address), resident_bytes(worker.pid)
        signal_each(address, FIRST + count)
        return Bytes((_still(address) - server) / count, (resident_bytes(worker.pid) - resident) / count)


def indexes(address: Address, count: int) -> float:
    """Bytes in the server that an index takes of an entity, of two of them (a number, a text): those of its sorted sets, as the
    server tells them. What else a commit leaves there comes and goes, and is more than that."""

    async def send(client: Client) -> None:
        async with client.producer() as producer:
            for number in range(count):
                await producer.signal(Scored.put, f"{number:08}", number, f"label {number % LABELS:02}")
        until = time.monotonic() + hub.SETTLE_S
        while await client.query(Scored).count() < count:
            if time.monotonic() > until:
                raise raw.WrongResult(f"not all entities are there within {hub.SETTLE_S:g} s")
            await asyncio.sleep(POLL_S)

    with hub.workers(address):
        hub.with_client(address, send)
        with address.connect() as client:
            sets = list(client.scan_iter(match="*ix:*", count=1_000))
            return sum(client.memory_usage(key, samples=0) or 0 for key in sets) / count / 2


def states(address: Address, count: int) -> float:
    """Bytes in the server of the same state and nothing else: an entry of a hash."""
    with address.connect() as client:
        set_each(client, FIRST)
        before = _still(address)
        set_each(client, FIRST + count)
        return (_still(address) - before) / count


def signal_each(address: Address, keys: int) -> None:
    """Signal so many counters, until that is in force."""
    with Part(hub.produce, address, keys, keys) as producer:
        producer.wait_ready()
        producer.start()
        producer.wait_done()
        producer.go_on()
        producer.result()
    hub.with_client(address, lambda client: hub.all_used(client, keys))


def set_each(client: Any, keys: int) -> None:
    for first in range(0, keys, 1_000):
        client.hset("state", mapping={f"Counter@{key}": raw.pack(1) for key in range(first, first + 1_000)})


def _still(address: Address) -> int:
    """The bytes that the server uses, when they have come to rest: freed buffers and trimmed streams take a moment."""
    until = time.monotonic() + STILL_S
    with address.connect() as client:
        used: int = client.info("memory")["used_memory"]
        while time.monotonic() < until:
            time.sleep(POLL_S)
            before, used = used, client.info("memory")["used_memory"]
            if abs(used - before) <= STILL_PART * before:
                return used
    raise raw.WrongResult(f"the server's memory does not come to rest within {STILL_S:g} s")


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in use."""
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    return int(said) * 1_024
