"""What a Celery project has: a task with retries, a chain, a chord, and a counter that several tasks add to.

python -m examples.coming_from.celery
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext, RetryPolicy

app = App("thumbnails")


@app.activity(retry=RetryPolicy(max_attempts=4, first_interval=timedelta(seconds=10), backoff_coefficient=2.0))
async def fetch(url: str) -> bytes:
    """`@app.task(autoretry_for=…, retry_backoff=True)`."""
    return url.encode()


@app.activity
def shrink(picture: bytes) -> int:
    """A plain function runs in a thread: code that blocks does not stop others."""
    return len(picture)


@app.entity
class Totals(Entity):
    """What tasks would write to a table with `F("bytes") + 1`: one operation at a time, none lost."""

    pictures: int = 0
    bytes_: int = 0

    def add(self, size: int) -> None:
        """One picture is done."""
        self.pictures += 1
        self.bytes_ += size


@app.orchestration
async def thumbnail(context: OrchestrationContext, url: str) -> int:
    """`chain(fetch.s(url), shrink.s())`."""
    picture = await context.call_activity(fetch, url)
    return await context.call_activity(shrink, picture)


@app.orchestration
async def album(context: OrchestrationContext, urls: list[str]) -> int:
    """`chord(group(…), total.s())`: what comes after the group stands after the group."""
    sizes = await asyncio.gather(*[context.call_sub_orchestrator(thumbnail, url) for url in urls])
    for size in sizes:
        context.signal_entity(Totals.add, "all", size)
    return sum(sizes)


async def main() -> None:
    """`album.delay([...])` and `.get()`."""
    async with TestHub(app) as hub:
        hub.fail_activity(fetch, ConnectionError("no answer"))  # once: the retry makes it good
        instance_id = await hub.client.start_new(album, ["a.example/1", "a.example/22"])
        print((await hub.client.wait_for_completion(instance_id)).output)
        await hub.run_until_idle()
        print(await hub.client.read_entity(Totals, "all"))


if __name__ == "__main__":
    asyncio.run(main())
