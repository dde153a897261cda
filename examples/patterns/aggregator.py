"""Aggregator: an entity takes events in from anywhere, and starts an orchestration when there is something to do.

python -m examples.patterns.aggregator
"""

from __future__ import annotations

import asyncio

from stead.app import App
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext

app = App("aggregator")

ENOUGH = 100


@app.activity
async def order(item: str, count: int) -> str:
    """Order new stock."""
    return f"order of {count} {item}"


@app.orchestration
async def restock(context: OrchestrationContext, item: str) -> str:
    """Order what was sold and put it on the shelf."""
    sold = await context.call_entity(Shelf.sold_since_order, item)
    placed = await context.call_activity(order, item, sold)
    context.signal_entity(Shelf.ordered, item, sold)
    return placed


@app.entity
class Shelf(Entity):
    """What was sold of one item."""

    sold: int = 0
    covered: int = 0
    orders: list[str] = []

    def sell(self, count: int = 1) -> None:
        """Somebody bought some."""
        before = self.sold // ENOUGH
        self.sold += count
        if self.sold // ENOUGH > before:  # once for each hundred, exactly
            self.orders.append(self.context.start_new(restock, self.context.entity_id.key))

    def sold_since_order(self) -> int:
        """How many have to be ordered."""
        return self.sold - self.covered

    def ordered(self, count: int) -> None:
        """So many were ordered."""
        self.covered += count


async def main() -> None:
    """Sell a hundred and twenty umbrellas."""
    url = "memory://"
    async with app.worker(url), app.connect(url) as client:
        async with client.producer() as producer:
            for _ in range(120):
                await producer.signal(Shelf.sell, "umbrellas")
        await client.call_entity(Shelf.sold_since_order, "umbrellas")  # an answer comes after all that was sent before
        shelf = await client.read_entity(Shelf, "umbrellas")
        assert shelf is not None
        for instance_id in shelf.orders:
            print((await client.wait_for_completion(instance_id)).output)


if __name__ == "__main__":
    asyncio.run(main())
