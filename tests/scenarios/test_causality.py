"""Causes come before effects: what was acknowledged is never overtaken by what it causes, wherever the targets are."""

from __future__ import annotations

import asyncio

import pytest

from stead.app import App, Client, Settings
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext
from stead.transport import partition_of

pytestmark = pytest.mark.slow

app = App("causes", settings=Settings(partitions=8, slot_groups=4))
clients: list[Client] = []  # what the activities send with, a connection of its own


@app.entity
class Account(Entity):
    """Money of somebody."""

    balance: int = 0

    def deposit(self, amount: int) -> None:
        self.balance += amount

    def forward(self, other: str, amount: int) -> None:
        self.context.signal_entity(Account.deposit, other, amount)

    def read(self) -> int:
        return self.balance


@app.activity
async def pay(account: str, amount: int) -> None:
    await clients[0].signal_entity(Account.deposit, account, amount)


@app.orchestration
async def pay_and_look(context: OrchestrationContext, account: str) -> list[int]:
    """What the account has after each payment."""
    seen: list[int] = []
    for _ in range(5):
        await context.call_activity(pay, account, 10)
        seen.append(await context.call_entity(Account.read, account))
    return seen


@app.orchestration
async def look(context: OrchestrationContext, account: str) -> int:
    return await context.call_entity(Account.read, account)


@app.orchestration
async def signal_and_ask_a_child(context: OrchestrationContext, account: str) -> int:
    """The child is another sender, of another partition."""
    context.signal_entity(Account.deposit, account, 10)
    return await context.call_sub_orchestrator(look, account)


def accounts(count: int) -> list[str]:
    """Keys of as many partitions as there are."""
    keys = [f"account-{number}" for number in range(count)]
    assert len({partition_of(str(EntityId(Account, key)), 8) for key in keys}) == 8
    return keys


@pytest.mark.invariant(11)
async def test_what_an_activity_signalled_is_seen_by_the_call_after_it(server_url: str) -> None:
    async with app.worker(server_url), app.worker(server_url), app.connect(server_url) as client:
        clients[:] = [client]
        ids = [await client.start_new(pay_and_look, key) for key in accounts(32)]
        seen = [(await client.wait_for_completion(each)).output for each in ids]
    assert seen == [[10, 20, 30, 40, 50]] * 32


@pytest.mark.invariant(11)
async def test_what_an_orchestration_signalled_is_seen_by_its_child(server_url: str) -> None:
    async with app.worker(server_url), app.worker(server_url), app.connect(server_url) as client:
        ids = [await client.start_new(signal_and_ask_a_child, key) for key in accounts(32)]
        assert [(await client.wait_for_completion(each)).output for each in ids] == [10] * 32


@pytest.mark.invariant(11)
async def test_what_one_client_signalled_is_seen_by_the_call_of_another(server_url: str) -> None:
    async with (
        app.worker(server_url),
        app.worker(server_url),
        app.connect(server_url) as first,
        app.connect(server_url) as second,
    ):

        async def tell_and_ask(key: str) -> int:
            await first.signal_entity(Account.deposit, key, 10)
            return await second.call_entity(Account.read, key)

        assert await asyncio.gather(*map(tell_and_ask, accounts(32))) == [10] * 32
