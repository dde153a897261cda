"""The two stores of simulated worlds: in memory with virtual time, and a real server."""

from __future__ import annotations

import asyncio
import copy
import secrets

from simulation.ledger import TARGETS
from simulation.world import make_settings
from stead.transport import ConnectionLost, ManualClock, MemoryStore, ServerChanged, Store, partition_of
from stead.transport._memory.well_formed import ill_formed
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.store import RedisStore
from support.valkey_server import ValkeyServer


async def settle() -> None:
    """Let the tasks of this loop run until they wait again."""
    for _ in range(4):
        await asyncio.sleep(0)


class MemorySurroundings:
    """A hub in memory."""

    slack_ms = 0

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._memory = MemoryStore("simulation", make_settings(), self._clock)
        self.store: Store = self._memory

    async def pass_time(self, milliseconds: int) -> None:
        self._clock.advance_to(self._clock.now_ms() + milliseconds)
        await settle()

    async def restart(self) -> None:
        self._memory.restart()

    async def fill_memory(self, full: bool) -> None:
        self._memory.faults.full = full

    async def waiting(self) -> list[bytes] | None:
        found: list[bytes] = []
        for state in self._memory._state.partitions:
            found += state.inbox.entries.values()
            found += [timer.payload for timer in state.timers.by_id.values()]
            for park in state.parks.values():
                found += park.entries.values()
        return found

    async def dump(self) -> object:
        return copy.deepcopy(self._memory._state)

    def check(self) -> None:
        assert ill_formed(self._memory._state) is None, ill_formed(self._memory._state)


class ServerSurroundings:
    """A hub on a real server."""

    slack_ms = 50

    def __init__(self, server: ValkeyServer, store: RedisStore) -> None:
        self._server = server
        self.store: Store = store
        self._keys = KeyNames(store.layout)

    @classmethod
    async def open(cls, server: ValkeyServer) -> ServerSurroundings:
        """Make a hub of its own."""
        return cls(server, await RedisStore.open(server.url, f"sim-{secrets.token_hex(4)}", make_settings()))

    async def pass_time(self, milliseconds: int) -> None:
        await asyncio.sleep(min(milliseconds, 10) / 1_000)
        await settle()

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.restart)

    async def fill_memory(self, full: bool) -> None:
        await asyncio.to_thread(self._server.run, "CONFIG", "SET", "maxmemory", "100kb" if full else "0")

    async def waiting(self) -> list[bytes] | None:
        found: list[bytes] = []
        positions = dict.fromkeys(range(self.store.layout.partitions), b"0")
        try:
            for _, entries in await self.store.read_inboxes(positions, 100_000, 0):
                found += [entry[1][1] for entry in entries]
            for target in TARGETS:
                partition = partition_of(target, self.store.layout.partitions)
                found += [entry[1][1] for entry in await self.store.read_park(partition, target, b"0", 100_000)]
        except (ConnectionLost, ServerChanged):
            return None
        for keys in self._keys.partitions:
            found += self._server.run("HVALS", keys.payloads)
        return found

    async def dump(self) -> object:
        return await asyncio.to_thread(self._server.dump)

    def check(self) -> None:
        """What is on the server is looked at by `waiting` and `dump`."""
