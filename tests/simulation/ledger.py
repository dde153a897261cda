"""The entities of the simulated world: each keeps a list of the tags of the messages that were applied to it.

Every message has a tag of its own, so the lists say everything: what was applied, where, how often and in which order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import Any, cast

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityContext,
    FunctionEntityType,
    Registry,
    UnknownOperation,
    batched,
)
from stead.entities._message.record import decode_record
from stead.transport import unpack


class Gates:
    """Where asynchronous operations wait until the world lets them go on."""

    def __init__(self) -> None:
        self.waiting: deque[asyncio.Future[bool]] = deque()

    async def wait(self) -> None:
        """Wait; then go on or fail, as the world wants it."""
        gate = asyncio.get_running_loop().create_future()
        self.waiting.append(gate)
        if not await gate:
            raise ValueError("the world wanted it to fail")

    def open(self, index: int, succeed: bool) -> None:
        """Let one operation go on."""
        gate = self.waiting[index % len(self.waiting)]
        self.waiting.remove(gate)
        if not gate.done():
            gate.set_result(succeed)


gates = Gates()


class Ledger(Entity):
    """Small, plain state: packed after every operation."""

    entries: list[str] = []

    @batched
    def note(self, tags: list[str]) -> None:
        """Some batches fail, after they have changed everything: their messages run one at a time then."""
        self.entries.extend(tags)
        if len(tags) == 3:
            raise ValueError("not three at once")

    def tell(self, tag: str, keys: list[str]) -> None:
        """Note a tag and send one to each of some ledgers, maybe itself."""
        for number, key in enumerate(keys):
            self.context.signal_entity(Ledger.note, key, f"{tag}/{number}")
        self.entries.append(tag)

    def relay(self, tag: str, keys: list[str]) -> None:
        """Note a tag, and have it passed on from one to the next."""
        self.entries.append(tag)
        if keys:
            self.context.signal_entity(Ledger.relay, keys[0], f"{tag}/0", keys[1:])
            self.context.signal_entity(Ledger.note, keys[-1], f"{tag}/1")

    def later(self, tag: str, key: str, delay_ms: int) -> None:
        self.entries.append(tag)
        self.context.after(timedelta(milliseconds=delay_ms)).signal_entity(Ledger.note, key, f"{tag}/~")

    def fail(self, tag: str, key: str) -> None:
        """Change everything, and then fail."""
        self.entries.append(tag)
        self.context.signal_entity(Ledger.note, key, f"{tag}/0")
        raise ValueError(tag)

    def flood(self, tag: str, key: str) -> None:
        """Change everything, and send more than may be sent: it fails after it has ended."""
        self.entries.append(tag)
        for number in range(20):
            self.context.signal_entity(Ledger.note, key, f"{tag}/{number}")

    @batched(most=5)
    def ask(self, tags: list[str]) -> list[int]:
        self.entries.extend(tags)
        return list(range(len(self.entries) - len(tags) + 1, len(self.entries) + 1))

    @batched
    async def linger(self, tags: list[str]) -> list[int]:
        """Change everything, and wait long: the world decides whether it fails."""
        self.entries.extend(tags)
        await gates.wait()
        return list(range(len(self.entries) - len(tags) + 1, len(self.entries) + 1))

    async def wait(self, tag: str, key: str) -> int:
        """Change half of it, wait long, and change the other half."""
        self.entries.append(tag)
        self.context.signal_entity(Ledger.note, key, f"{tag}/0")
        await gates.wait()
        return len(self.entries)


class Heavy(Ledger):
    """State above some kilobytes: its containers are copied instead."""

    ballast: str = "x" * 6_000


def tally(context: EntityContext) -> int | None:
    """The function form of a ledger."""
    entries: list[str] = context.get_state(list[str], default=[])
    match context.operation_name:
        case "note" | "ask":
            entries.append(cast("str", context.args[0]))
            context.set_state(entries)
            return len(entries)
        case "fail":
            context.set_state([])
            context.signal_entity(Ledger.note, "a", f"{context.args[0]}/0")
            raise ValueError(context.args[0])
        case other:
            raise UnknownOperation(other)


KEYS = ("a", "b", "c")
LEDGERS = tuple(f"@ledger@{key}" for key in KEYS)
OTHERS = ("@heavy@a", "@tally@a", "@rare@a")
TARGETS = LEDGERS + OTHERS


def make_registry(*, rare: bool) -> Registry:
    """What a worker knows: the kind "rare" only some do."""
    registry = Registry()
    registry.add(ClassEntityType(Ledger))
    registry.add(ClassEntityType(Heavy))
    registry.add(FunctionEntityType("Tally", tally))
    if rare:
        registry.add(FunctionEntityType("Rare", tally))
    return registry


def entries_of(record: bytes | None) -> list[str]:
    """The tags in a target's record."""
    if record is None:
        return []
    packed = decode_record(record).packed_state
    if packed is None:
        return []
    state: Any = unpack(packed)
    return cast("list[str]", state["entries"] if isinstance(state, dict) else state)
