"""What stead does when something is slow or dies; there is no raw loop that could do the same."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally

import uvloop

from stead.app import Client
from stead.entities import EntityId
from stead.transport import partition_of

from .calls import Calls, repeat_calls
from .cpu import Cpu
from .entities import Counter, Sleeper, app
from .hub import check_total, owners, with_client, workers
from .parts import Gate, Part, pids, watch
from .raw import WrongResult
from .server import Address

NAP_S = 1.0
NEIGHBOURS = 64
LOAD_PER_S = 10_000
TAKE_OVER_S = 120.0


# -- slow neighbours ---------------------------------------------------------------------------------------------------


def slow_neighbours(address: Address, count: int, naps: int) -> tuple[Calls, Cpu]:
    """Calls to entities whose partition has one that sleeps a second per operation and has `naps` messages waiting."""
    with workers(address) as parts, Part(call_beside_sleeper, address, count, naps) as caller:
        return watch(caller, [address.pid], pids(parts), count)


def call_beside_sleeper(gate: Gate, address: Address, count: int, naps: int) -> Calls:
    """The caller's process; see `slow_neighbours`."""

    async def measure() -> Calls:
        async with app.connect(address.url) as client:
            names = _neighbours_of(client, EntityId(Sleeper, "slow"))
            for _ in range(naps):
                await client.signal_entity(Sleeper.nap, "slow", NAP_S)
            made = await repeat_calls(
                gate, lambda key: client.call_entity(Counter.add, names[key], 1), count, 1, NEIGHBOURS
            )
            await check_total(client, count + made.warm_up)
            sleeper = await client.read_entity(Sleeper, "slow")
            if sleeper is not None and sleeper.naps >= naps > 0:
                raise WrongResult(f"the sleeper woke up: {count} calls took {made.seconds:.1f} s, {naps} naps less")
            return made

    return uvloop.run(measure())


def _neighbours_of(client: Client, slow: EntityId) -> list[str]:
    """Keys of counters in the partition of `slow`."""
    partitions = client.store.layout.partitions
    partition = partition_of(str(slow), partitions)
    names: list[str] = []
    number = 0
    while len(names) < NEIGHBOURS:
        if partition_of(str(EntityId(Counter, str(number))), partitions) == partition:
            names.append(str(number))
        number += 1
    return names


# -- take-over ---------------------------------------------------------------------------------------------------------


def take_over(address: Address) -> float:
    """SIGKILL one of two workers under load: seconds until all its partitions move on. The totals must be exact."""
    with workers(address, 2) as (first, _second), Part(load, address) as producer:
        producer.wait_ready()
        producer.start()
        before = with_client(address, _all_busy)
        first.kill()
        killed = time.monotonic()
        moved = with_client(address, lambda client: _moved_on(client, before))
        producer.stop()
        sent = producer.result()
        with_client(address, lambda client: _all_exact(client, sent))
    return moved - killed


def load(gate: Gate, address: Address) -> dict[str, int]:
    """A steady stream of signals to one counter a partition, until stopped. Gives how many each got."""

    async def send() -> dict[str, int]:
        async with app.connect(address.url) as client:
            names = _one_per_partition(client)
            gate.ready()
            sent = 0
            began = time.monotonic()
            async with client.producer() as producer:
                while not gate.stopped():
                    while sent < (time.monotonic() - began) * LOAD_PER_S:
                        await producer.signal(Counter.add, names[sent % len(names)], 1)
                        sent += 1
                    await asyncio.sleep(0.01)
            return {name: len(range(index, sent, len(names))) for index, name in enumerate(names)}

    return uvloop.run(send())


def _one_per_partition(client: Client) -> list[str]:
    partitions = client.store.layout.partitions
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        found.setdefault(partition_of(str(EntityId(Counter, str(number))), partitions), str(number))
        number += 1
    return list(found.values())


async def _values(client: Client) -> dict[str, int]:
    return {entity_id.key: counter.value async for entity_id, counter in client.list_entities(Counter)}


async def _all_busy(client: Client) -> dict[int, str]:
    """Until every partition has committed something; gives their owners."""
    async with asyncio.timeout(TAKE_OVER_S):
        while len(await _values(client)) < client.store.layout.partitions:  # noqa: ASYNC110  # what happens elsewhere
            await asyncio.sleep(0.05)
    return await owners(client)


async def _moved_on(client: Client, before: dict[int, str]) -> float:
    """Until every counter of a partition that changed its owner has grown. Gives the time of the last one.

    A partition's commit that was under way when its worker died must not count: so the values to be passed are read
    when the dead worker can no longer have one under way, a little later.
    """
    await asyncio.sleep(0.1)
    held = await _values(client)
    async with asyncio.timeout(TAKE_OVER_S):
        while True:
            now = await _values(client)
            if all(now[key] > value for key, value in held.items()):
                break
            await asyncio.sleep(0.02)
    ended = time.monotonic()
    after = Tally((await owners(client)).values())
    if len(after) != 1 or len(set(before.values())) != 2:
        raise WrongResult(f"stead: the partitions went from {Tally(before.values())} to {after}")
    return ended


async def _all_exact(client: Client, sent: dict[str, int]) -> None:
    until = time.monotonic() + TAKE_OVER_S
    while (held := await _values(client)) != sent:
        if time.monotonic() > until:
            wrong = {key: (held.get(key), count) for key, count in sent.items() if held.get(key) != count}
            raise WrongResult(f"stead: after the take-over (held, sent): {wrong}")
        await asyncio.sleep(0.05)


def lease_s() -> float:
    """How long a lease of the measured hub lasts: no take-over after a crash can be faster by much."""
    return app.settings.lease_ms / 1_000
