"""The raw side: what redis-py reaches with the same payloads and no framework around it.

Signals: one process pipelines XADD, another reads a group, adds up, and writes HSET + XACK + XDEL in one MULTI a read.
Calls: XADD there, XREAD back, with a state write between. Nothing here survives a crash without doubling or losing a
message, which is what stead adds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self

import msgpack
import uvloop

from .calls import Calls, repeat_calls
from .cpu import Cpu, Meter
from .parts import Gate, Part, pids, watch
from .server import Address

READ_LENGTH = 1_000
PIPELINE_LENGTH = 500
GROUP = "group"

_msgpack: Any = msgpack  # it has no types of its own
pack: Callable[[object], bytes] = _msgpack.packb
unpack: Callable[[bytes], Any] = _msgpack.unpackb


class WrongResult(AssertionError):
    """What was counted is not what was sent: the measurement is worth nothing."""


# -- signals -----------------------------------------------------------------------------------------------------------


def signals(address: Address, messages: int, keys: int, consumers: int = 1) -> tuple[float, Cpu]:
    """Messages a second, from the first XADD to the last acknowledged effect."""
    with ExitStack() as stack:
        producer = stack.enter_context(Part(produce, address, messages, keys, consumers))
        readers = [
            stack.enter_context(Part(consume, address, index, messages, keys, consumers)) for index in range(consumers)
        ]
        began, ended, cpu = _sent(address, producer, readers)
    with address.connect() as client:
        stored = [unpack(value) for value in client.hvals("state")]
    if sum(stored) != messages or len(stored) != keys:
        raise WrongResult(f"raw: {sum(stored)} of {messages} messages over {len(stored)} of {keys} keys")
    return messages / (ended - began), cpu.each_us(messages)


def _sent(address: Address, producer: Part[float], readers: Sequence[Part[float]]) -> tuple[float, float, Cpu]:
    """Let a producer and its consumers go: when it began, when the last of them was through, what it took."""
    parts = (*readers, producer)
    for part in parts:
        part.wait_ready()
    meter = Meter([address.pid], pids(readers), [producer.pid])
    for part in parts:
        part.start()
    for part in parts:
        part.wait_done()
    cpu = meter.read()
    for part in parts:
        part.go_on()
    return producer.result(), max(reader.result() for reader in readers), cpu


def produce(gate: Gate, address: Address, messages: int, keys: int, consumers: int) -> float:
    """Pipeline XADD. Gives the time of the first one."""
    client = address.connect()
    client.ping()
    pipeline = client.pipeline(transaction=False)
    streams = [f"stream-{index}" for index in range(consumers)]
    gate.ready()
    began = time.monotonic()
    for number in range(messages):
        key = number % keys
        pipeline.xadd(streams[key % consumers], {b"m": pack((f"Counter@{key}", "add", 1))})
        if number % PIPELINE_LENGTH == PIPELINE_LENGTH - 1:
            pipeline.execute()
    pipeline.execute()
    gate.done()
    return began


def consume(gate: Gate, address: Address, index: int, messages: int, keys: int, consumers: int) -> float:
    """Read a group, add up, write. Gives the time of the last acknowledged effect."""
    client = address.connect()
    stream = f"stream-{index}"
    client.xgroup_create(stream, GROUP, id="0", mkstream=True)
    expected = sum(len(range(key, messages, keys)) for key in range(keys) if key % consumers == index)
    state: dict[str, int] = {}
    gate.ready()
    while expected > 0:
        entries = _entries(client.xreadgroup(GROUP, "c", {stream: ">"}, count=READ_LENGTH, block=1_000))
        ids: list[bytes] = []
        dirty: set[str] = set()
        for entry_id, fields in entries:
            key, _operation, amount = unpack(fields[b"m"])
            state[key] = state.get(key, 0) + amount
            ids.append(entry_id)
            dirty.add(key)
        if ids:
            _commit(client, stream, ids, {key: pack(state[key]) for key in dirty})
        expected -= len(ids)
    ended = time.monotonic()
    gate.done()
    return ended


# -- signals to one large state ----------------------------------------------------------------------------------------


def series(address: Address, messages: int, values: Sequence[float]) -> tuple[float, Cpu]:
    """Messages a second that each change one number of a large state."""
    with (
        Part(produce_series, address, messages, len(values)) as producer,
        Part(consume_series, address, messages, list(values)) as consumer,
    ):
        began, ended, cpu = _sent(address, producer, [consumer])
    with address.connect() as client:
        stored = unpack(client.hget("state", "Series@0"))
    if sum(stored) != sum(values) + messages:
        raise WrongResult(f"raw: the series adds up to {sum(stored)}, not {sum(values) + messages}")
    return messages / (ended - began), cpu.each_us(messages)


def produce_series(gate: Gate, address: Address, messages: int, length: int) -> float:
    """Pipeline XADD. Gives the time of the first one."""
    client = address.connect()
    client.ping()
    pipeline = client.pipeline(transaction=False)
    gate.ready()
    began = time.monotonic()
    for number in range(messages):
        pipeline.xadd("stream-0", {b"m": pack(("Series@0", "add", (number % length, 1.0)))})
        if number % PIPELINE_LENGTH == PIPELINE_LENGTH - 1:
            pipeline.execute()
    pipeline.execute()
    gate.done()
    return began


def consume_series(gate: Gate, address: Address, messages: int, values: list[float]) -> float:
    """Read a group, change the list, write all of it once a read. Gives the time of the last acknowledged effect."""
    client = address.connect()
    client.xgroup_create("stream-0", GROUP, id="0", mkstream=True)
    client.hset("state", "Series@0", pack(values))
    gate.ready()
    left = messages
    while left > 0:
        entries = _entries(client.xreadgroup(GROUP, "c", {"stream-0": ">"}, count=READ_LENGTH, block=1_000))
        for _, fields in entries:
            _key, _operation, (index, amount) = unpack(fields[b"m"])
            values[index] += amount
        if entries:
            _commit(client, "stream-0", [entry_id for entry_id, _ in entries], {"Series@0": pack(values)})
        left -= len(entries)
    ended = time.monotonic()
    gate.done()
    return ended


def _entries(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of a read of one stream; none if it timed out."""
    return reply[0][1] if reply else []


def _commit(client: Any, stream: str, ids: Sequence[bytes], values: dict[str, bytes]) -> None:
    pipeline = client.pipeline(transaction=True)
    pipeline.hset("state", mapping=values)
    pipeline.xack(stream, GROUP, *ids)
    pipeline.xdel(stream, *ids)
    pipeline.execute()


# -- calls -------------------------------------------------------------------------------------------------------------


def calls(address: Address, count: int, callers: int, keys: int) -> tuple[Calls, Cpu]:
    """`count` calls by `callers` tasks over `keys` entities."""
    with Part(answer, address) as answerer, Part(call, address, count, callers, keys) as caller:
        answerer.wait_ready()
        answerer.start()
        return watch(caller, [address.pid], [answerer.pid], count)


def answer(gate: Gate, address: Address) -> None:
    """XREAD, add up, and HSET + XDEL + XADD of the answers in one MULTI a read; until it is ended."""

    async def serve() -> None:
        reader, writer = address.connect_async(), address.connect_async()
        await writer.ping()
        gate.ready()
        state: dict[str, int] = {}
        last: bytes | str = "0"
        while True:
            entries = _entries(await reader.xread({"in": last}, count=READ_LENGTH, block=1_000))
            if not entries:
                continue
            pipeline = writer.pipeline(transaction=True)
            for entry_id, fields in entries:
                key, _operation, amount, call_id = unpack(fields[b"m"])
                state[key] = value = state.get(key, 0) + amount
                pipeline.hset("state", key, pack(value))
                pipeline.xdel("in", entry_id)
                pipeline.xadd("out", {b"m": pack((call_id, value))})
                last = entry_id
            await pipeline.execute()

    uvloop.run(serve())


def call(gate: Gate, address: Address, count: int, callers: int, keys: int) -> Calls:
    """Call over and over; see `calls`."""

    async def measure() -> Calls:
        async with _Caller(address.connect_async(), address.connect_async()) as caller:
            return await repeat_calls(gate, caller.add, count, callers, keys)

    return uvloop.run(measure())


class _Caller:
    """Sends requests into one stream and reads the answers of all of them from another."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._calls = 0

    async def __aenter__(self) -> Self:
        self._reading = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()

    async def add(self, key: int) -> int:
        self._calls += 1
        call_id = self._calls
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = answered
        await self._writer.xadd("in", {b"m": pack((f"Counter@{key}", "add", 1, call_id))})
        return await answered

    async def _read(self) -> None:
        last: bytes | str = "0"
        while True:
            for entry_id, fields in _entries(await self._reader.xread({"out": last}, count=READ_LENGTH, block=1_000)):
                call_id, value = unpack(fields[b"m"])
                self._waiting.pop(call_id).set_result(value)
                last = entry_id
