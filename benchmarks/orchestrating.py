"""stead's side of the orchestrations: a worker process, and a client process that starts instances and waits for them.

Every measurement checks the outputs of all instances; a wrong one makes it fail.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import Concatenate, ParamSpec

import uvloop

from stead.app import Client
from stead.orchestrations import RuntimeStatus

from .calls import Calls, repeat_calls
from .cpu import Cpu
from .entities import app
from .hub import workers
from .orchestrations import (
    CITIES,
    Account,
    add_events,
    be_on_time,
    fan_out,
    hello,
    hello_local,
    long_history,
    sequence,
    transfer,
)
from .parts import Gate, Part, pids, watch
from .raw import WrongResult
from .server import Address

P = ParamSpec("P")

FINISH_S = 300.0
HELLO = [f"Hello {city}!" for city in CITIES]


def work(_gate: Gate, address: Address) -> None:
    """A worker process's main function."""
    uvloop.run(app.worker(address.url).run())


def _measured(
    operations: int,
    main: Callable[Concatenate[Gate, Address, P], Calls],
    address: Address,
    *args: P.args,
    **kwargs: P.kwargs,
) -> tuple[Calls, Cpu]:
    """What a client process measured, beside one worker process."""
    with workers(address, 1, work) as parts, Part(main, address, *args, **kwargs) as client:
        return watch(client, [address.pid], pids(parts), operations)


def _check(status: RuntimeStatus, output: object, expected: object) -> None:
    if status != RuntimeStatus.COMPLETED or output != expected:
        raise WrongResult(f"stead: an instance ended as {status} with {output!r}, not with {expected!r}")


# -- hello -------------------------------------------------------------------------------------------------------------


def hellos(address: Address, count: int, running: int, *, local: bool = False) -> tuple[Calls, Cpu]:
    """`count` instances of `hello` (or `hello_local`), `running` at a time, each from its start until its client has the output."""
    return _measured(count, start_hellos, address, count, running, local)


def start_hellos(gate: Gate, address: Address, count: int, running: int, local: bool) -> Calls:
    """The client's process; see `hellos`."""
    kind = hello_local if local else hello

    async def measure() -> Calls:
        async with app.connect(address.url) as client:

            async def one(_: int) -> None:
                status = await client.wait_for_completion(await client.start_new(kind), timeout=FINISH_S)
                _check(status.runtime_status, status.output, HELLO)

            return await repeat_calls(gate, one, count, running, 1)

    return uvloop.run(measure())


# -- one instance at a time --------------------------------------------------------------------------------------------


def steps(address: Address, activities: int, at_once: bool) -> tuple[float, Cpu]:
    """Activities a second of one instance, in sequence or all at once."""
    made, cpu = _measured(activities, start_steps, address, activities, at_once)
    return activities / made.seconds, cpu


def start_steps(gate: Gate, address: Address, activities: int, at_once: bool) -> Calls:
    """The client's process; see `steps`."""
    kind = fan_out if at_once else sequence

    async def measure() -> Calls:
        async with app.connect(address.url) as client:

            async def run(count: int) -> float:
                began = time.monotonic()
                status = await client.wait_for_completion(await client.start_new(kind, count), timeout=FINISH_S)
                _check(status.runtime_status, status.output, count * (count - 1))
                return time.monotonic() - began

            await run(50)
            gate.ready()
            seconds = await run(activities)
            gate.done()
            return Calls(seconds, (), 1)

    return uvloop.run(measure())


# -- bank --------------------------------------------------------------------------------------------------------------


def transfers(address: Address, count: int, accounts: int, running: int) -> tuple[Calls, Cpu]:
    """`count` transfers, `running` at a time, each between two of `accounts` that are locked meanwhile."""
    return _measured(count, start_transfers, address, count, accounts, running)


def start_transfers(gate: Gate, address: Address, count: int, accounts: int, running: int) -> Calls:
    """The client's process; see `transfers`."""

    async def measure() -> Calls:
        chance = random.Random(7)
        names = [f"account-{number}" for number in range(accounts)]
        async with app.connect(address.url) as client:
            await asyncio.gather(*(client.call_entity(Account.add, name, 1_000) for name in names))

            async def one(_: int) -> None:
                source, destination = chance.sample(names, 2)
                order = (source, destination, chance.randint(1, 50))
                status = await client.wait_for_completion(await client.start_new(transfer, order), timeout=FINISH_S)
                _check(status.runtime_status, status.output, None)

            made = await repeat_calls(gate, one, count, running, 1)
            # An answer from each says that no lock was left behind.
            total = sum(await asyncio.gather(*(client.call_entity(Account.add, name, 0) for name in names)))
            if total != 1_000 * accounts:
                raise WrongResult(f"stead: the accounts hold {total}, not {1_000 * accounts}")
            return made

    return uvloop.run(measure())


# -- events ------------------------------------------------------------------------------------------------------------


def events(address: Address, each: int, instances: int, raisers: int) -> tuple[float, Cpu]:
    """Events a second, from the first `raise_event` until every instance has added up its share."""
    made, cpu = _measured(each * instances, raise_events, address, each, instances, raisers)
    return each * instances / made.seconds, cpu


def raise_events(gate: Gate, address: Address, each: int, instances: int, raisers: int) -> Calls:
    """The client's process; see `events`."""

    async def measure() -> Calls:
        async with app.connect(address.url) as client:
            ids = [await client.start_new(add_events, each) for _ in range(instances)]
            left = iter([instance_id for _ in range(each) for instance_id in ids])

            async def repeat() -> None:
                for instance_id in left:
                    await client.raise_event(instance_id, "add", 1)

            gate.ready()
            began = time.monotonic()
            await asyncio.gather(*(repeat() for _ in range(raisers)))
            await _all_give(client, ids, each)
            seconds = time.monotonic() - began
            gate.done()
            return Calls(seconds, (), 0)

    return uvloop.run(measure())


def produced_events(address: Address, each: int, instances: int) -> tuple[float, Cpu]:
    """The same, sent by one producer, until every instance has added up its share."""
    made, cpu = _measured(each * instances, produce_events, address, each, instances)
    return each * instances / made.seconds, cpu


def produce_events(gate: Gate, address: Address, each: int, instances: int) -> Calls:
    """The client's process; see `produced_events`."""

    async def measure() -> Calls:
        async with app.connect(address.url) as client:
            ids = [await client.start_new(add_events, each) for _ in range(instances)]
            gate.ready()
            began = time.monotonic()
            async with client.producer() as producer:
                for _ in range(each):
                    for instance_id in ids:
                        await producer.raise_event(instance_id, "add", 1)
            await _all_give(client, ids, each)
            seconds = time.monotonic() - began
            gate.done()
            return Calls(seconds, (), 0)

    return uvloop.run(measure())


async def _all_give(client: Client, ids: Iterable[str], expected: object) -> None:
    for instance_id in ids:
        status = await client.wait_for_completion(instance_id, timeout=FINISH_S)
        _check(status.runtime_status, status.output, expected)


# -- timers ------------------------------------------------------------------------------------------------------------


def lateness(address: Address, timers: int, seconds: float, each: int) -> tuple[Calls, Cpu]:
    """By how much timers are late that are due within a span of time, `each` of them in one instance."""
    return _measured(timers, set_timers, address, timers, seconds, each)


def set_timers(gate: Gate, address: Address, timers: int, seconds: float, each: int) -> Calls:
    """The client's process; see `lateness`."""

    async def measure() -> Calls:
        chance = random.Random(7)
        async with app.connect(address.url) as client:
            gate.ready()
            lead = 5 + timers / 4_000  # so long it may take until all are set
            base_ms = client.store.clock.now_ms() + round(lead * 1000)
            began = time.monotonic()
            ids: list[str] = []
            for _ in range(max(1, timers // each)):
                due = sorted(base_ms + round(chance.uniform(0, seconds * 1000)) for _ in range(each))
                ids.append(await client.start_new(be_on_time, due))
            late: list[float] = []
            if time.monotonic() - began > lead:
                raise WrongResult("stead: the first timers were due before the last were set")
            for instance_id in ids:
                status = await client.wait_for_completion(instance_id, timeout=lead + seconds + FINISH_S)
                if status.output is None or min(status.output) < 0:
                    raise WrongResult(f"stead: {status.runtime_status}, or a timer that fired early")
                late += [milliseconds / 1000 for milliseconds in status.output]
            gate.done()
            return Calls(seconds, tuple(sorted(late)), 0)

    return uvloop.run(measure())


# -- replay ------------------------------------------------------------------------------------------------------------

REPLAYS = 5


def replays(address: Address, length: int) -> tuple[float, Cpu]:
    """Events a second: a new worker gets one more event for an instance, reads its history and runs the code again."""
    with workers(address, 1, work), Part(make_histories, address, length) as client:
        client.wait_ready()
        client.start()
        ids = client.result()
    with workers(address, 1, work) as parts, Part(go_on, address, ids, length) as client:
        seconds, cpu = watch(client, [address.pid], pids(parts), length * len(ids))
        return length * len(ids) / seconds, cpu


def make_histories(gate: Gate, address: Address, length: int) -> list[str]:
    """Instances with long histories, that wait."""

    async def make() -> list[str]:
        async with app.connect(address.url) as client:
            gate.ready()
            ids: list[str] = [await client.start_new(long_history, length) for _ in range(REPLAYS)]
            for instance_id in ids:
                async with asyncio.timeout(FINISH_S):
                    while await _length(client, instance_id) < length:  # noqa: ASYNC110  # what happens elsewhere
                        await asyncio.sleep(0.05)
            return ids

    return uvloop.run(make())


async def _length(client: Client, instance_id: str) -> int:
    status = await client.get_status(instance_id, show_history=True)
    return len(status.history) if status is not None and status.history is not None else 0


def go_on(gate: Gate, address: Address, ids: list[str], length: int) -> float:
    """Seconds until all of them are finished, one after the other."""

    async def measure() -> float:
        half = length // 2
        async with app.connect(address.url) as client:
            gate.ready()
            began = time.monotonic()
            for instance_id in ids:
                await client.raise_event(instance_id, "go", None)
                status = await client.wait_for_completion(instance_id, timeout=FINISH_S)
                _check(status.runtime_status, status.output, half * (half - 1))
            seconds = time.monotonic() - began
            gate.done()
            return seconds

    return uvloop.run(measure())
