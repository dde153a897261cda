"""stead's side: workers, producers and callers as their own processes, as a user would write them.

Every measurement ends by adding up what the entities hold; a total that is not exact makes it fail.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import uvloop

from stead.app import Client
from stead.entities import EntityId
from stead.transport import partition_of

from .calls import Calls, repeat_calls
from .cpu import Cpu, Meter
from .entities import SERIES_LENGTH, Counter, Series, app
from .parts import Gate, Part, pids, watch
from .profiling import recorded
from .raw import WrongResult
from .server import Address

T = TypeVar("T")

SETTLE_S = 300.0
POLL_S = 0.005


# -- workers -----------------------------------------------------------------------------------------------------------


@contextmanager
def workers(
    address: Address, count: int = 1, main: Callable[[Gate, Address], None] | None = None, *, at_once: bool = False
) -> Generator[list[Part[None]]]:
    """Worker processes that hold all partitions, each its share (or will, `at_once`); stopped gracefully at the end."""
    with ExitStack() as stack:
        parts = [stack.enter_context(Part(main or work, address)) for _ in range(count)]
        if not at_once:
            with_client(address, lambda client: _shared_out(client, count))
        with recorded(pids(parts)):
            yield parts


def work(_gate: Gate, address: Address) -> None:
    """A worker process's main function."""
    uvloop.run(app.worker(address.url).run())


def with_client(address: Address, use: Callable[[Client], Awaitable[T]]) -> T:
    """Do something with a client in this process."""

    async def connected() -> T:
        async with app.connect(address.url) as client:
            return await use(client)

    return uvloop.run(connected())


async def owners(client: Client) -> dict[int, str]:
    """The worker of each partition that has one."""
    _, leases = await client.store.read_leases()
    return {lease.partition: lease.owner for lease in leases if lease.token}


async def _shared_out(client: Client, count: int) -> None:
    """Until every partition has an owner and every worker its share."""
    partitions = client.store.layout.partitions
    async with asyncio.timeout(60):
        while True:
            shares = Tally((await owners(client)).values())
            if len(shares) == count and shares.total() == partitions and min(shares.values()) >= partitions // count:
                return
            await asyncio.sleep(0.05)


# -- signals -----------------------------------------------------------------------------------------------------------


def signals(address: Address, messages: int, keys: int, processes: int = 1) -> tuple[float, Cpu]:
    """Messages a second, from the first `signal` to the last committed effect. `messages`: a multiple of `keys`."""
    with workers(address, processes) as parts, Part(produce, address, messages, keys) as producer:
        began, ended, cpu = sent(
            address, parts, producer, lambda client, meter: all_counted(client, messages, keys, meter)
        )
    return messages / (ended - began), cpu.each_us(messages)


def sent(
    address: Address,
    parts: Sequence[Part[None]],
    producer: Part[float],
    effects: Callable[[Client, Meter], Awaitable[tuple[float, Cpu]]],
) -> tuple[float, float, Cpu]:
    """Let a producer go, and wait for the effects of what it sends: when it began, when they were there, what it took."""
    producer.wait_ready()
    meter = Meter([address.pid], pids(parts), [producer.pid])
    producer.start()
    producer.wait_done()
    ended, cpu = with_client(address, lambda client: effects(client, meter))
    producer.go_on()
    return producer.result(), ended, cpu


def produce(gate: Gate, address: Address, messages: int, keys: int) -> float:
    """Signal round robin. Gives the time of the first signal; when it returns, all are durable."""

    async def send() -> float:
        async with app.connect(address.url) as client:
            names = [str(key) for key in range(keys)]
            await client.read_entity(Counter, names[0])
            gate.ready()
            began = time.monotonic()
            async with client.producer() as producer:
                signal, add = producer.signal, Counter.add
                for _ in range(messages // keys):
                    for name in names:
                        await signal(add, name, 1)
            gate.done()
            return began

    return uvloop.run(send())


async def all_counted(client: Client, messages: int, keys: int, meter: Meter) -> tuple[float, Cpu]:
    """Wait until every counter has its share; gives the time, and what it took. Then check all of them."""
    share = messages // keys
    ended = await _reached(client, dict.fromkeys(_last_of_partitions(client, keys), share))
    cpu = meter.read()
    until = ended + SETTLE_S
    while (total := await _total(client))[0] < messages and time.monotonic() < until:
        # Rare: a partition's last message was not its last effect.
        await asyncio.sleep(POLL_S)
        ended, cpu = time.monotonic(), meter.read()
    if total != (messages, keys):
        raise WrongResult(f"stead: {total[0]} of {messages} messages over {total[1]} of {keys} keys")
    return ended, cpu


def _last_of_partitions(client: Client, keys: int) -> list[str]:
    """The key that each partition gets last: all of a partition's messages come before its message."""
    partitions = client.store.layout.partitions
    return list({partition_of(str(EntityId(Counter, str(key))), partitions): str(key) for key in range(keys)}.values())


async def _reached(client: Client, values: dict[str, int]) -> float:
    """Wait until counters have reached values; gives the time. Polls one at a time, to take little from the workers."""
    until = time.monotonic() + SETTLE_S
    for key, value in values.items():
        while (counter := await client.read_entity(Counter, key)) is None or counter.value < value:
            if time.monotonic() > until:
                raise WrongResult(f"stead: after {SETTLE_S:g} s, {key} has {counter}, not {value}")
            await asyncio.sleep(POLL_S)
    return time.monotonic()


async def all_used(client: Client, keys: int) -> None:
    """Wait until there are so many counters."""
    until = time.monotonic() + SETTLE_S
    while (total := await _total(client))[1] < keys:
        if time.monotonic() > until:
            raise WrongResult(f"stead: {total[1]} of {keys} counters")
        await asyncio.sleep(POLL_S)


async def _total(client: Client) -> tuple[int, int]:
    """The sum of all counters, and how many there are."""
    values = [counter.value async for _, counter in client.list_entities(Counter)]
    return sum(values), len(values)


# -- signals to one large state ----------------------------------------------------------------------------------------


def series(address: Address, messages: int) -> tuple[float, Cpu]:
    """Messages a second that each change one number of a large state."""
    with workers(address) as parts, Part(produce_series, address, messages) as producer:
        began, ended, cpu = sent(
            address, parts, producer, lambda client, meter: _series_summed(client, messages, meter)
        )
    return messages / (ended - began), cpu.each_us(messages)


def produce_series(gate: Gate, address: Address, messages: int) -> float:
    """Signal one entity. Gives the time of the first signal."""

    async def send() -> float:
        async with app.connect(address.url) as client:
            await client.call_entity(Series.fill, "0")
            gate.ready()
            began = time.monotonic()
            async with client.producer() as producer:
                for number in range(messages):
                    await producer.signal(Series.add, "0", number % SERIES_LENGTH, 1.0)
            gate.done()
            return began

    return uvloop.run(send())


async def _series_summed(client: Client, messages: int, meter: Meter) -> tuple[float, Cpu]:
    expected = 0.5 * SERIES_LENGTH + messages
    until = time.monotonic() + SETTLE_S
    while True:
        state = await client.read_entity(Series, "0")
        total = sum(state.values) if state is not None else 0.0
        if total == expected:
            return time.monotonic(), meter.read()
        if total > expected or time.monotonic() > until:
            raise WrongResult(f"stead: the series adds up to {total}, not {expected}")
        await asyncio.sleep(4 * POLL_S)


# -- calls -------------------------------------------------------------------------------------------------------------


def calls(address: Address, count: int, callers: int, keys: int) -> tuple[Calls, Cpu]:
    """`count` calls by `callers` tasks over `keys` entities."""
    with workers(address) as parts, Part(call, address, count, callers, keys) as caller:
        return watch(caller, [address.pid], pids(parts), count)


def call(gate: Gate, address: Address, count: int, callers: int, keys: int) -> Calls:
    """Call over and over; see `calls`."""

    async def measure() -> Calls:
        async with app.connect(address.url) as client:
            names = [str(key) for key in range(keys)]
            made = await repeat_calls(
                gate, lambda key: client.call_entity(Counter.add, names[key], 1), count, callers, keys
            )
            await check_total(client, count + made.warm_up)
            return made

    return uvloop.run(measure())


async def check_total(client: Client, expected: int) -> None:
    """All counters together, exactly."""
    total, _ = await _total(client)
    if total != expected:
        raise WrongResult(f"stead: the counters add up to {total}, not {expected}")
