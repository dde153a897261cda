"""A bank transfer: two accounts are locked, so that nobody sees the money in both or in neither.

python -m examples.patterns.bank
"""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from stead.app import App
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext

app = App("bank")


@app.entity
class Account(Entity):
    """An account; its key is its number."""

    balance: int = 0

    def deposit(self, amount: int) -> None:
        """Money comes."""
        self.balance += amount

    def withdraw(self, amount: int) -> None:
        """Money goes; there must be enough."""
        if amount > self.balance:
            raise ValueError(f"only {self.balance} there")
        self.balance -= amount

    def get(self) -> int:
        """The balance."""
        return self.balance


class Transfer(BaseModel):
    """What is to go where."""

    source: str
    destination: str
    amount: int


@app.orchestration
async def transfer(context: OrchestrationContext, order: Transfer) -> bool:
    """Gives whether there was enough money. Whatever happens in between, the sum of all balances stays."""
    source, destination = EntityId(Account, order.source), EntityId(Account, order.destination)
    async with context.lock_entities(source, destination):
        if await context.call_entity(Account.get, order.source) < order.amount:
            return False
        await context.call_entity(Account.withdraw, order.source, order.amount)
        await context.call_entity(Account.deposit, order.destination, order.amount)
    return True


async def main() -> None:
    """Send money round in a circle, all at once."""
    url = "memory://"
    names = ["ann", "bob", "cem"]
    async with app.worker(url), app.connect(url) as client:
        for name in names:
            await client.signal_entity(Account.deposit, name, 100)
        orders = [
            Transfer(source=source, destination=destination, amount=70)
            for source, destination in zip(names, names[1:] + names[:1], strict=True)
        ]
        started = [await client.start_new(transfer, order) for order in orders]
        for order, instance_id in zip(orders, started, strict=True):
            status = await client.wait_for_completion(instance_id)
            print(order.source, "to", order.destination, "-", "done" if status.output else "not enough money")
        balances = {entity_id.key: account.balance async for entity_id, account in client.list_entities(Account)}
        print(balances, "together", sum(balances.values()))


if __name__ == "__main__":
    asyncio.run(main())
