"""Queries over many entities, beside reads of the same sorted sets; and signals to entities with indexes, beside those without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import uvloop

from stead.app import Client
from stead.entities import ClassEntityType, EntityId
from stead.transport import CountRange, ReadRange

from . import hub
from .calls import Calls
from .entities import LABELS, Plain, Scored, app
from .parts import Gate, Part
from .raw import WrongResult
from .server import Address

TOP = 10
WARM_UP = 30
PAGE = 50


def fill(address: Address, count: int) -> None:
    """Let there be so many entities, and stay when the worker has ended."""

    async def send(client: Client) -> None:
        async with client.producer() as producer:
            for number in range(count):
                await producer.signal(Scored.put, f"{number:08}", number, f"label {number % LABELS:02}")
        until = time.monotonic() + hub.SETTLE_S
        while True:
            if await client.query(Scored).count() == count or time.monotonic() > until:
                break
            await asyncio.sleep(hub.POLL_S)

    with hub.workers(address):
        hub.with_client(address, send)


def timed(address: Address, count: int, calls: int, make: Callable[[Client], Callable[[], Awaitable[None]]]) -> Calls:
    """So many calls, one after the other, over so many entities."""
    fill(address, count)
    return hub.with_client(address, lambda client: _repeated(make(client), calls))


async def _repeated(call: Callable[[], Awaitable[None]], count: int) -> Calls:
    for _ in range(WARM_UP):
        await call()
    latencies: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        latencies.append(time.perf_counter() - began)
    return Calls(sum(latencies), tuple(sorted(latencies)), WARM_UP)


def top(client: Client) -> Callable[[], Awaitable[None]]:
    """The ten best."""
    query = client.query(Scored).order_by(Scored.score, descending=True).limit(TOP)

    async def call() -> None:
        found = [scored.score async for _, scored in query]
        if len(found) != TOP or found != sorted(found, reverse=True):
            raise WrongResult(f"stead: {found} are not the best")

    return call


def top_of_sets(client: Client) -> Callable[[], Awaitable[None]]:
    """As many of each partition's sorted set, in one pipeline, on the same connection."""
    name = _set_of("score")

    async def call() -> None:
        await client.store.look([ReadRange(place, name, descending=True, limit=TOP) for place in _places(client)])

    return call


def filtered(client: Client) -> Callable[[], Awaitable[None]]:
    """A page of what matches two conditions, a hundredth of all."""
    query = client.query(Scored).where(Scored.label == "label 07", Scored.score >= 0)

    async def call() -> None:
        if len((await query.page(PAGE)).items) != PAGE:
            raise WrongResult("stead: a page is not full")

    return call


def counted(client: Client) -> Callable[[], Awaitable[None]]:
    """How many are in a range."""
    query = client.query(Scored).where(Scored.score >= 10)

    async def call() -> None:
        await query.count()

    return call


def counts_of_sets(client: Client) -> Callable[[], Awaitable[None]]:
    """The same of the sorted sets."""
    name = _set_of("score")

    async def call() -> None:
        await client.store.look([CountRange(place, name, least=10.0) for place in _places(client)])

    return call


def _places(client: Client) -> range:
    return range(client.store.layout.partitions)


def _set_of(field: str) -> str:
    """The name of a field's sorted set."""
    return next(index.name for index in ClassEntityType(Scored).indexes if index.field == field)


# -- signals -----------------------------------------------------------------------------------------------------------


def signals(address: Address, messages: int, keys: int, *, indexed: bool) -> float:
    """Signals a second to entities with two indexes, of which each signal changes one; or to the same without."""
    with hub.workers(address), Part(_produce, address, messages, keys, indexed) as producer:
        producer.wait_ready()
        producer.start()
        began = producer.result()
        ended = hub.with_client(address, lambda client: _all_there(client, messages, keys, indexed=indexed))
    return messages / (ended - began)


def _produce(gate: Gate, address: Address, messages: int, keys: int, indexed: bool) -> float:
    async def send() -> float:
        cls = Scored if indexed else Plain
        async with app.connect(address.url) as client:
            gate.ready()
            began = time.monotonic()
            async with client.producer() as producer:
                for number in range(messages):
                    await producer.signal(cls.add, str(number % keys), 1)
            return began

    return uvloop.run(send())


async def _all_there(client: Client, messages: int, keys: int, *, indexed: bool) -> float:
    name = "Scored" if indexed else "Plain"
    until = time.monotonic() + hub.SETTLE_S
    while time.monotonic() < until:
        states = [await client.read_entity(EntityId(name, str(key))) for key in range(0, keys, max(1, keys // 50))]
        if all(state is not None and state["score"] == messages // keys for state in states):
            return time.monotonic()
        await asyncio.sleep(hub.POLL_S)
    raise WrongResult(f"stead: not all of {messages} signals have an effect")


# -- what queries cost others ------------------------------------------------------------------------------------------


class QueriesBeside:
    """How many queries a second were asked beside something, once that has ended."""

    rate = 0.0


@contextmanager
def _beside(address: Address, *, queries: bool) -> Generator[QueriesBeside]:
    """A process that asks one query after the other, or none."""
    asked = QueriesBeside()
    if not queries:
        yield asked
        return
    with Part(_ask_on, address) as part:
        part.wait_ready()
        part.start()
        yield asked
        part.stop()
        asked.rate = part.result()


def _ask_on(gate: Gate, address: Address) -> float:
    """Ask for the best, for pages of what few match, and for counts that read states, until it is enough. Gives queries a second."""

    async def ask(client: Client) -> float:
        several = client.query(Scored).where(Scored.label.one_of("label 07", "label 08"), Scored.score >= 0)

        async def count() -> None:
            if not await several.count():
                raise WrongResult("stead: nothing is counted")

        kinds = [top(client), filtered(client), count]
        for query in kinds:
            await query()
        gate.ready()
        began, done = time.monotonic(), 0
        while not gate.stopped():
            await kinds[done % len(kinds)]()
            done += 1
        return done / (time.monotonic() - began)

    return hub.with_client(address, ask)


def calls_beside(address: Address, entities: int, calls: int, *, queries: bool) -> tuple[Calls, float]:
    """Calls, one after the other, beside queries or not; and how many of these a second."""
    fill(address, entities)
    with hub.workers(address), Part(hub.call, address, calls, 1, 1) as caller:
        caller.wait_ready()
        with _beside(address, queries=queries) as asked:
            caller.start()
            caller.wait_done()
        caller.go_on()
        return caller.result(), asked.rate


def signals_beside(address: Address, entities: int, messages: int, keys: int, *, queries: bool) -> tuple[float, float]:
    """The same of signals a second to counters."""
    fill(address, entities)
    with hub.workers(address) as parts, Part(hub.produce, address, messages, keys) as producer:
        with _beside(address, queries=queries) as asked:
            began, ended, _ = hub.sent(
                address, parts, producer, lambda client, meter: hub.all_counted(client, messages, keys, meter)
            )
        return messages / (ended - began), asked.rate
