"""Some orchestrations that a scripted worker pretends to run, and a client that knows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel

from stead.entities import Registry
from stead.entities.extending import Message, decode_message
from stead.orchestrations._client.many import OrchestrationClient
from stead.orchestrations._definition.orchestration import InputOptional, Orchestration
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.record import RuntimeStatus
from stead.orchestrations._history.status import OrchestrationStatus
from stead.transport import Settings, Store
from support.guards import HANGS_S


class Expense(BaseModel):
    amount: int


async def approve(context: OrchestrationContext, expense: Expense) -> Expense:
    return expense


async def tidy(context: OrchestrationContext, days: int = 3) -> int:
    return days


async def stray(context: OrchestrationContext) -> None: ...


approval: Orchestration[Expense, Expense] = Orchestration(approve, "approval", tags={"kind": "money"})
tidying: InputOptional[int, int] = InputOptional(tidy, "tidying", version="1.1")
unregistered: InputOptional[None, None] = InputOptional(stray)


def registry() -> OrchestrationRegistry:
    known = OrchestrationRegistry(Settings())
    known.add_orchestration(approval)
    known.add_orchestration(tidying)
    return known


@asynccontextmanager
async def client_of(store: Store, settings: Settings) -> AsyncGenerator[OrchestrationClient, None]:
    async with OrchestrationClient(store, Registry(), settings, registry()) as client:
        yield client


async def messages(store: Store) -> list[Message]:
    positions = dict.fromkeys(range(store.layout.partitions), b"0")
    found = await store.read_inboxes(positions, 10_000, 0)
    return [decode_message(bytes(entry[1][1])) for _, entries in found for entry in entries]


async def eventually(client: OrchestrationClient, instance_id: str, status: RuntimeStatus) -> OrchestrationStatus[Any]:
    async with asyncio.timeout(HANGS_S):
        while True:
            found = await client.get_status(instance_id)
            if found is not None and found.runtime_status is status:
                return found
            await asyncio.sleep(0.005)
