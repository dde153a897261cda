"""Workers and clients in blocks that are cancelled, as asyncio does it (once) and as anyio does it (at every wait)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import anyio
import pytest

from stead.app import App, Settings
from stead.entities import Entity
from stead.orchestrations import ActivityFailed, OrchestrationContext
from support.guards import HANGS_S

app = App("cancelled", settings=Settings(partitions=4, slot_groups=1, lease_ms=600_000))


@app.entity
class Counter(Entity):
    """What the workers run."""

    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def there() -> set[object]:
    """The tasks, and the threads that keep leases."""
    return {*asyncio.all_tasks(), *(thread for thread in threading.enumerate() if thread.name == "stead-leases")}


async def by_a_group(url: str) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(app.worker(url).run)
        async with app.connect(url) as client:
            await client.call_entity(Counter.add, "a")
        group.cancel_scope.cancel()


async def by_a_scope(url: str) -> None:
    with anyio.CancelScope() as scope:
        async with app.worker(url), app.connect(url) as client, client.producer() as producer:
            await client.call_entity(Counter.add, "a")
            await producer.signal(Counter.add, "a")
            await producer.flush()
            scope.cancel()
            await anyio.sleep_forever()


def by_asyncio(passes: int) -> Callable[[str], Awaitable[None]]:
    async def cancel(url: str) -> None:
        task = asyncio.create_task(app.worker(url).run())
        async with app.connect(url) as client:
            await client.call_entity(Counter.add, "a")
        task.cancel()
        for _ in range(passes):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return cancel


async def a_client(url: str) -> None:
    async with app.worker(url):
        with anyio.CancelScope() as scope:
            async with app.connect(url) as client, client.producer() as producer:
                await producer.signal(Counter.add, "a")
                await client.call_entity(Counter.add, "a")
                scope.cancel()
                await anyio.sleep_forever()


@pytest.mark.parametrize(
    "cancel",
    [by_a_group, by_a_scope, a_client, *map(by_asyncio, (0, 1, 2, 3, 4, 6, 9))],
    ids=lambda each: each.__name__,
)
async def test_a_cancelled_block_leaves_nothing_behind(
    server_url: str, cancel: Callable[[str], Awaitable[None]]
) -> None:
    before = there()
    await cancel(server_url)
    assert there() == before
    async with asyncio.timeout(HANGS_S), app.worker(server_url) as worker:
        while len(worker.partitions) < 4:  # they are free: the leases are long
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("passes", [0, 1, 3, 10, 40])
async def test_every_task_of_a_process_is_cancelled_and_nothing_that_was_accepted_is_lost(
    server_url: str, passes: int
) -> None:
    whole = App("cancelled-whole", settings=Settings(partitions=4, slot_groups=1, drain_ms=50, lease_ms=2_000))
    whole.entity(Counter)
    hang = True
    begun = asyncio.Event()

    @whole.activity
    async def work() -> str:
        begun.set()
        while hang:
            await asyncio.sleep(3_600)
        return "done"

    @whole.orchestration
    async def flow(context: OrchestrationContext) -> str:
        try:
            first = await context.call_activity(work)
        except ActivityFailed:  # an activity that is cancelled has failed
            first = await context.call_activity(work)
        await context.call_entity(Counter.add, "flow")
        return first

    before = asyncio.all_tasks()
    async with asyncio.timeout(HANGS_S), whole.connect(server_url) as client:
        with pytest.raises(RuntimeError, match="cancelled, and not by the worker"):
            async with whole.worker(server_url) as worker:
                await client.start_new(flow, instance_id="flow")
                await begun.wait()
                for _ in range(5):
                    await client.signal_entity(Counter.add, "signals")
                for _ in range(passes):
                    await asyncio.sleep(0)
                for task in asyncio.all_tasks() - before:
                    task.cancel()
                await worker._stopping.wait()
        hang = False
        async with whole.worker(server_url):
            assert (await client.wait_for_completion("flow", timeout=None)).output == "done"
            assert await client.call_entity(Counter.add, "flow") == 2
            assert await client.call_entity(Counter.add, "signals") == 6
