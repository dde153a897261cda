"""An operation that wants to end the process fails like any other: it may not take its worker along."""

from __future__ import annotations

import sys

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, OperationFailed, Registry, Worker
from stead.transport import MemoryStore, ServerClock, Settings


class Leaver(Entity):
    """It calls `sys.exit`, as a library might."""

    left: int = 0

    def leave(self) -> None:
        self.left += 1
        sys.exit(3)

    async def leave_later(self) -> None:
        self.left += 1
        sys.exit(4)

    def count(self) -> int:
        return self.left


async def test_an_operation_that_calls_exit_fails_and_its_worker_goes_on() -> None:
    settings = Settings(partitions=2)
    registry = Registry()
    registry.add(ClassEntityType(Leaver))
    store = MemoryStore("leavers", settings, ServerClock())
    async with Worker(store, registry, settings):
        client = EntityClient(store, registry, settings)
        with pytest.raises(OperationFailed, match="SystemExit"):
            await client.call_entity(Leaver.leave, "a")
        with pytest.raises(OperationFailed, match="SystemExit"):
            await client.call_entity(Leaver.leave_later, "a")
        assert await client.call_entity(Leaver.count, "a") == 0, "both were rolled back"
        await client.aclose()
