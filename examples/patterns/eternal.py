"""An eternal orchestration: it begins anew with every event, so that its history stays short for ever.

python -m examples.patterns.eternal
"""

from __future__ import annotations

import asyncio

from stead.app import App
from stead.orchestrations import OrchestrationContext

app = App("eternal")


@app.orchestration
async def counter(context: OrchestrationContext, value: int = 0) -> int:
    """Adds up what comes as "add", until "stop" comes. No event is lost, however fast they come."""
    context.set_custom_status(value)
    add = context.wait_for_external_event("add", int)
    stop = context.wait_for_external_event("stop")
    await asyncio.wait((add, stop), return_when=asyncio.FIRST_COMPLETED)
    if add.done():
        context.continue_as_new(value + add.result())
    return value


async def main() -> None:
    """Count to a hundred."""
    url = "memory://"
    async with app.worker(url), app.connect(url) as client:
        instance_id = await client.start_new(counter, 0)
        for _ in range(100):
            await client.raise_event(instance_id, "add", 1)
        await client.raise_event(instance_id, "stop", None)
        print("counted to", (await client.wait_for_completion(instance_id)).output)


if __name__ == "__main__":
    asyncio.run(main())
