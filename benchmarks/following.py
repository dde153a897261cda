"""Changes: what keeping them costs the writer, beside a kind that keeps none; and how fast they are read, beside their entries alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

import uvloop

from stead.app import Client
from stead.entities import EntityId
from stead.transport import ReadFeed

from . import hub
from .entities import Counter, Followed, app
from .parts import Gate, Part
from .raw import WrongResult
from .server import Address

READ_LENGTH = 64


def signals(address: Address, messages: int, keys: int, *, kept: bool) -> float:
    """Signals a second to entities whose changes are kept, or not."""
    with hub.workers(address), Part(_produce, address, messages, keys, kept) as producer:
        producer.wait_ready()
        producer.start()
        began = producer.result()
        name = "Followed" if kept else "Counter"
        ended = hub.with_client(address, lambda client: _all_there(client, name, messages // keys, keys))
    return messages / (ended - began)


def _produce(gate: Gate, address: Address, messages: int, keys: int, kept: bool) -> float:
    async def send() -> float:
        operation = Followed.add if kept else Counter.add
        async with app.connect(address.url) as client:
            gate.ready()
            began = time.monotonic()
            async with client.producer() as producer:
                for number in range(messages):
                    await producer.signal(operation, str(number % keys), 1)
            return began

    return uvloop.run(send())


async def _all_there(client: Client, name: str, value: int, keys: int) -> float:
    until = time.monotonic() + hub.SETTLE_S
    while time.monotonic() < until:
        states = [await client.read_entity(EntityId(name, str(key))) for key in range(0, keys, max(1, keys // 50))]
        if all(state is not None and state["value"] == value for state in states):
            return time.monotonic()
        await asyncio.sleep(hub.POLL_S)
    raise WrongResult("stead: not all signals have an effect")


def read(address: Address, count: int, reading: Callable[[Client, int], Awaitable[None]]) -> float:
    """Changes a second that are read: one of each of so many entities. `reading`: how."""

    async def fill(client: Client) -> None:
        async with client.producer() as producer:
            for number in range(count):
                await producer.signal(Followed.add, f"{number:08}", 1)
        await followed(client, count)  # which waits until all are there

    async def timed(client: Client) -> float:
        began = time.monotonic()
        await reading(client, count)
        return count / (time.monotonic() - began)

    with hub.workers(address):
        hub.with_client(address, fill)
    return hub.with_client(address, timed)


async def followed(client: Client, count: int) -> None:
    """As a user reads them."""
    changes = cast("AsyncGenerator[Any]", client.changes(Followed, after="oldest"))
    async for _ in changes:
        count -= 1
        if not count:
            break
    await changes.aclose()


async def entries(client: Client, _count: int) -> None:
    """Their entries alone, on the same connection: nothing is made of them."""
    places = dict.fromkeys(range(client.store.layout.partitions), b"0-0")
    while places:
        looks = [ReadFeed(number, "followed", after, READ_LENGTH) for number, after in places.items()]
        _, parts = await client.store.look(looks)
        places = {look.partition: part.entries[-1][0] for look, part in zip(looks, parts, strict=True) if part.entries}
