"""The two stores under one handle, for tests that hold for both: what differs is how time passes and how harm is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from stead.transport import ManualClock, MemoryStore, Settings, Store
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.store import RedisStore
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

T = TypeVar("T")

REPLY_KEEP_MS = 1_000  # of the settings below: as short as a slow machine allows
SETTINGS = Settings(partitions=4, slot_groups=2, dead_letters_max=5, reply_keep_ms=REPLY_KEEP_MS)


async def soon(waiting: Awaitable[T]) -> T:
    """What is waited for, which has to come at once: else a test that fails would hang."""
    async with asyncio.timeout(HANGS_S):
        return await waiting


class Twin(Protocol):
    """A store and its world."""

    @property
    def store(self) -> Store: ...

    async def pass_ms(self, milliseconds: int) -> None:
        """Let time pass at the server."""
        ...

    async def age_ms(self, milliseconds: int) -> None:
        """Let what has a time to live have so much less of it, however fast or slow the machine is."""
        ...

    async def wait_for(self, read: Coroutine[None, None, T]) -> T:
        """Let time pass until a blocking read has ended."""
        ...

    def tear(self, partition: int) -> None:
        """Make a partition look as if a commit had stopped in the middle."""
        ...

    def damage(self, partition: int) -> None:
        """Another program writes its own to where a partition's inbox is."""
        ...

    def mend(self, partition: int) -> None:
        """The partition's inbox is put right."""
        ...

    def full(self) -> AbstractContextManager[None]:
        """The server's memory is full for the length of a block."""
        ...


class MemoryTwin:
    """A hub in memory, in virtual time."""

    def __init__(self, hub: str, settings: Settings) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(hub, settings, self.clock)

    async def pass_ms(self, milliseconds: int) -> None:
        """Move the clock."""
        self.clock.advance_to(self.clock.now_ms() + milliseconds)

    async def age_ms(self, milliseconds: int) -> None:
        await self.pass_ms(milliseconds)

    async def wait_for(self, read: Coroutine[None, None, T]) -> T:
        """Move the clock to whatever is waited for."""
        task = asyncio.ensure_future(read)
        while not task.done():
            await asyncio.sleep(0)
            wake_ms = self.clock.next_wake_ms()
            if wake_ms is not None and not task.done():
                self.clock.advance_to(wake_ms)
        return await task

    def tear(self, partition: int) -> None:
        self.store.tear(partition)

    def damage(self, partition: int) -> None:
        self.store.damage(partition)

    def mend(self, partition: int) -> None:
        self.store.damage(partition, mended=True)

    @contextmanager
    def full(self) -> Generator[None]:
        self.store.faults.full = True
        yield
        self.store.faults.full = False


class RedisTwin:
    """A hub on a server, in real time."""

    def __init__(self, store: RedisStore, server: ValkeyServer) -> None:
        self.store = store
        self.server = server

    async def pass_ms(self, milliseconds: int) -> None:
        """The server's clock cannot be moved, so wait: a little longer, because times are cut to milliseconds."""
        await asyncio.sleep((milliseconds + 2) / 1000)

    async def age_ms(self, milliseconds: int) -> None:
        for key in self.server.run("KEYS", "*"):
            left_ms = self.server.run("PTTL", key)
            if left_ms >= 0:
                self.server.run("PEXPIRE", key, left_ms - milliseconds)

    async def wait_for(self, read: Coroutine[None, None, T]) -> T:
        return await read

    def tear(self, partition: int) -> None:
        lease = KeyNames(self.store.layout).partitions[partition].lease
        self.server.run("HSET", lease, "applying", b"another")

    def damage(self, partition: int) -> None:
        inbox = KeyNames(self.store.layout).partitions[partition].inbox
        if self.server.run("EXISTS", inbox):
            self.server.run("RENAME", inbox, inbox + b"-kept")
        self.server.run("SET", inbox, "something else")

    def mend(self, partition: int) -> None:
        inbox = KeyNames(self.store.layout).partitions[partition].inbox
        self.server.run("DEL", inbox)
        if self.server.run("EXISTS", inbox + b"-kept"):
            self.server.run("RENAME", inbox + b"-kept", inbox)

    @contextmanager
    def full(self) -> Generator[None]:
        self.server.run("CONFIG", "SET", "maxmemory", "1mb")
        try:
            yield
        finally:
            self.server.run("CONFIG", "SET", "maxmemory", "0")
