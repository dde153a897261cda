"""One entity that takes many values: in batches, into windows, into sketches; each beside a twin that takes them one by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import uvloop

from stead.app import Client
from stead.entities import Entity, batched
from stead.entities.aggregates import Distinct, Quantiles, Tally, TopItems, Windowed, windowed

from .cpu import Cpu, Meter
from .entities import Counter, app
from .hub import POLL_S, SETTLE_S, owners, sent, with_client, work, workers
from .parts import Gate, Part
from .raw import WrongResult
from .server import Address

_WIDTH = timedelta(seconds=1)
_KEPT = 60
_PAGES = 1_000


@app.entity
class Sums(Entity):
    """Adds up what waits in a row."""

    value: int = 0

    @batched
    def add(self, amounts: list[int]) -> None:
        """All of them."""
        self.value += sum(amounts)


class _Spectrum(Entity):
    value: int = 0
    bins: list[float] = [0.0] * 32

    def _take(self, numbers: list[int]) -> None:
        array = np.array(numbers, dtype=np.float64)
        self.bins = (np.array(self.bins) + np.histogram(np.sin(array), bins=32, range=(-1, 1))[0]).tolist()
        self.value += len(numbers)


@app.entity
class Spectrum(_Spectrum):
    """A body of numpy, for what waits in a row."""

    @batched
    def add(self, numbers: list[int]) -> None:
        """All of them."""
        self._take(numbers)


@app.entity
class SpectrumOfOne(_Spectrum):
    """The same body, one message at a time."""

    def add(self, number: int) -> None:
        """One."""
        self._take([number])


@app.entity
class Recent(Entity):
    """Sixty buckets of a second."""

    recent: Windowed[Tally] = windowed(Tally(), _WIDTH, keep=_KEPT)

    def add(self, at_ms: int) -> None:
        """An event of a moment."""
        self.recent.at(datetime.fromtimestamp(at_ms / 1000, UTC)).add(1.0)


@app.entity
class Visits(Entity):
    """The three sketches."""

    latency: Quantiles = Quantiles()
    users: Distinct = Distinct()
    pages: TopItems = TopItems(most=10)

    def add(self, number: int) -> None:
        """A visit."""
        page = f"page-{number % _PAGES}"
        self.latency.add(float(number))
        self.users.add(page)
        self.pages.add(page)


def _held(state: Any) -> int:
    """How many values an entity has taken."""
    if isinstance(state, Recent):
        return state.recent.over(_KEPT * _WIDTH).count + state.recent.late
    if isinstance(state, Visits):
        return state.latency.count
    return int(state.value)


def _now_ms(_index: int) -> int:
    return time.time_ns() // 1_000_000


KINDS: dict[str, tuple[type[Entity], Any, Callable[[int], int]]] = {
    "one by one": (Counter, Counter.add, lambda index: 1),
    "batched": (Sums, Sums.add, lambda index: 1),
    "numpy": (Spectrum, Spectrum.add, lambda index: index),
    "numpy one by one": (SpectrumOfOne, SpectrumOfOne.add, lambda index: index),
    "windowed": (Recent, Recent.add, _now_ms),
    "sketches": (Visits, Visits.add, lambda index: index),
}


def signals(address: Address, kind: str, messages: int) -> tuple[float, Cpu]:
    """Messages a second to one entity, from the first `signal` to the last committed effect."""
    with workers(address, main=_work) as parts, Part(_produce, address, kind, messages) as producer:
        began, ended, cpu = sent(
            address, parts, producer, lambda client, meter: _all_held(client, kind, messages, meter)
        )
    return messages / (ended - began), cpu.each_us(messages)


def backlog(address: Address, kind: str, messages: int) -> tuple[float, Cpu]:
    """Messages a second of those that wait for one entity when its worker comes: who sends them is in nobody's way then."""
    with Part(_produce, address, kind, messages) as producer:
        producer.wait_ready()
        producer.start()
        producer.wait_done()
        producer.go_on()
        producer.result()
    with Part(_work, address) as worker:
        return with_client(address, lambda client: _got_through(client, kind, messages, address, worker))


async def _got_through(
    client: Client, kind: str, messages: int, address: Address, worker: Part[None]
) -> tuple[float, Cpu]:
    cls = KINDS[kind][0]
    async with asyncio.timeout(SETTLE_S):
        while len(await owners(client)) < client.store.layout.partitions:  # noqa: ASYNC110 - the store rings no bell
            await asyncio.sleep(POLL_S)
    before, began, meter = await client.read_entity(cls, "0"), time.monotonic(), Meter([address.pid], [worker.pid], [])
    ended, cpu = await _all_held(client, kind, messages, meter)
    counted = messages - (0 if before is None else _held(before)) or messages  # of very few all may be there already
    return counted / (ended - began), cpu.each_us(counted)


def _work(gate: Gate, address: Address) -> None:
    """A worker of a process that has read this module, and so knows its entities."""
    work(gate, address)


def _produce(gate: Gate, address: Address, kind: str, messages: int) -> float:
    cls, operation, value = KINDS[kind]

    async def send() -> float:
        async with app.connect(address.url) as client:
            await client.read_entity(cls, "0")
            gate.ready()
            began = time.monotonic()
            async with client.producer() as producer:
                signal = producer.signal
                for index in range(messages):
                    await signal(operation, "0", value(index))
            gate.done()
            return began

    return uvloop.run(send())


async def _all_held(client: Client, kind: str, messages: int, meter: Meter) -> tuple[float, Cpu]:
    cls, until = KINDS[kind][0], time.monotonic() + SETTLE_S
    while True:
        state = await client.read_entity(cls, "0")
        ended, cpu = time.monotonic(), meter.read()
        held = 0 if state is None else _held(state)
        if held >= messages:
            break
        if ended > until:
            raise WrongResult(f"{held:,} of {messages:,} values are held")
        await asyncio.sleep(POLL_S)
    if held != messages:
        raise WrongResult(f"{held:,} values are held, and {messages:,} were sent")
    return ended, cpu
