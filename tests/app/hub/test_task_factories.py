"""An application whose event loop makes its tasks in a way of its own: begun at once, for one."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from stead.app import App, Settings
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext

pytestmark = pytest.mark.anyio

app = App("factories", settings=Settings(partitions=4, slot_groups=2))


@app.entity
class Tally(Entity):
    count: int = 0

    async def add(self) -> int:
        await asyncio.sleep(0)
        self.count += 1
        return self.count


@app.activity
async def add_one(number: int) -> int:
    if number % 2:
        await asyncio.sleep(0)
    return number + 1


@app.orchestration
async def add_up(context: OrchestrationContext, number: int) -> int:
    return sum(await asyncio.gather(*(context.call_activity(add_one, number + more) for more in range(4))))


class Marked(asyncio.Task[Any]):
    """A task class of an application's own."""


def own(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
    return Marked(coroutine, loop=loop, **more)


EAGER: list[Any] = [getattr(asyncio, "eager_task_factory")] if sys.version_info >= (3, 12) else []  # noqa: B009 - 3.11 has none


@pytest.mark.parametrize("factory", [own, *EAGER], ids=lambda factory: factory.__name__)
async def test_everything_is_done_once_and_answered(server_url: str, factory: Any) -> None:
    asyncio.get_running_loop().set_task_factory(factory)
    async with app.connect(server_url) as client, app.worker(server_url):
        started = [await client.start_new(add_up, number) for number in range(8)]
        done = await asyncio.gather(*(client.wait_for_completion(one) for one in started))
        assert [one.output for one in done] == [4 * number + 10 for number in range(8)]
        counts = await asyncio.gather(*(client.call_entity(Tally.add, "one") for _ in range(20)))
        assert sorted(counts) == list(range(1, 21))
        async with client.producer() as producer:
            for number in range(100):
                await producer.signal(Tally.add, str(number % 5))
        assert [await client.call_entity(Tally.add, str(number)) for number in range(5)] == [21] * 5
