"""Monitor: look at something again and again, less and less often, until it is done or the watch is over.

python -m examples.patterns.monitor         # three days of it, in virtual time
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import OrchestrationContext

app = App("monitor")

FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=1)


class Watch(BaseModel):
    """What to watch, and for how long."""

    job: str
    limit: timedelta = timedelta(hours=72)


finished_jobs: set[str] = set()
"""Stands for a system elsewhere."""


@app.activity
async def is_finished(job: str) -> bool:
    """Ask the system that runs the job."""
    return job in finished_jobs


@app.activity
async def notify(job: str, text: str) -> None:
    """Tell whoever is interested."""
    print(f"{job}: {text}")


@app.orchestration
async def watch(context: OrchestrationContext, request: Watch) -> str:
    """Gives "finished" or "expired". Its custom status says how often it has looked."""
    expires = context.now + request.limit
    pause = FIRST_PAUSE
    looks = 0
    while context.now < expires:
        looks += 1
        context.set_custom_status({"looks": looks})
        if await context.call_activity(is_finished, request.job):
            await context.call_activity(notify, request.job, "finished")
            return "finished"
        await context.create_timer(min(pause, expires - context.now))
        pause = min(2 * pause, LONGEST_PAUSE)
    await context.call_activity(notify, request.job, f"still not finished after {request.limit}")
    return "expired"


async def main() -> None:
    """Watch two jobs, of which one gets finished."""
    async with TestHub(app) as hub:
        first = await hub.client.start_new(watch, Watch(job="nightly build"))
        second = await hub.client.start_new(watch, Watch(job="never ends"))
        await hub.advance(timedelta(hours=7))
        finished_jobs.add("nightly build")
        await hub.advance(timedelta(hours=72))
        for instance_id in (first, second):
            status = await hub.client.wait_for_completion(instance_id)
            print(status.output, status.custom_status)


if __name__ == "__main__":
    asyncio.run(main())
