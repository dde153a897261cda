"""One logical entity: in shards over several workers, and as it is, over one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Self

import uvloop

from stead.app import Client
from stead.entities import Entity

from .cpu import Cpu, Meter
from .entities import Counter, app
from .hub import POLL_S, SETTLE_S, sent, work, workers
from .parts import Gate, Part
from .raw import WrongResult
from .server import Address

SENDERS = 32
"""Producers, in turn: each comes to one shard."""


@app.entity(shards=16)
class Clicks(Entity):
    """Adds up, in shards."""

    value: int = 0

    def add(self, amount: int) -> None:
        """One click or more."""
        self.value += amount

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        """All of them."""
        return cls(value=sum(shard.value for shard in shards))


def signals(address: Address, processes: int, messages: int, *, sharded: bool) -> tuple[float, Cpu]:
    """Messages a second to one entity, from the first `signal` to the last committed effect. `messages`: a multiple of `SENDERS`."""
    with (
        workers(address, processes, main=_work) as parts,
        Part(_produce, address, sharded, messages) as producer,
    ):
        began, ended, cpu = sent(
            address, parts, producer, lambda client, meter: _all_held(client, sharded, messages, meter)
        )
    return messages / (ended - began), cpu.each_us(messages)


def _work(gate: Gate, address: Address) -> None:
    """A worker of a process that has read this module, and so knows its entity."""
    work(gate, address)


def _produce(gate: Gate, address: Address, sharded: bool, messages: int) -> float:
    operation = Clicks.add if sharded else Counter.add

    async def send() -> float:
        async with app.connect(address.url) as client:
            await client.read_entity(Clicks if sharded else Counter, "0")
            producers = [client.producer() for _ in range(SENDERS)]
            gate.ready()
            began = time.monotonic()
            for _ in range(messages // SENDERS):
                for producer in producers:
                    await producer.signal(operation, "0", 1)
            for producer in producers:
                await producer.flush()
            gate.done()
            return began

    return uvloop.run(send())


async def _all_held(client: Client, sharded: bool, messages: int, meter: Meter) -> tuple[float, Cpu]:
    until = time.monotonic() + SETTLE_S
    while True:
        state = await (client.read_entity(Clicks, "0") if sharded else client.read_entity(Counter, "0"))
        ended, cpu = time.monotonic(), meter.read()
        held = 0 if state is None else state.value
        if held >= messages:
            break
        if ended > until:
            raise WrongResult(f"{held:,} of {messages:,} values are held")
        await asyncio.sleep(POLL_S)
    if held != messages:
        raise WrongResult(f"{held:,} values are held, and {messages:,} were sent")
    return ended, cpu
