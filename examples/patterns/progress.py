"""A long-running job: start it, ask how far it is, fetch the result. Any client may ask, from anywhere, at any time.

python -m examples.patterns.progress
"""

from __future__ import annotations

import asyncio

from stead.app import App
from stead.orchestrations import OrchestrationContext

app = App("progress")


@app.activity
async def convert(page: int) -> int:
    """Some work: gives the page's size."""
    await asyncio.sleep(0.01)
    return 1_000 + page


@app.orchestration
async def convert_all(context: OrchestrationContext, pages: int) -> int:
    """Convert pages one after the other and tell how many are done."""
    size = 0
    for page in range(pages):
        size += await context.call_activity(convert, page)
        context.set_custom_status({"pages": pages, "done": page + 1})
    return size


async def main() -> None:
    """Start it and look at it while it runs."""
    url = "memory://"
    async with app.worker(url), app.connect(url) as client:
        instance_id = await client.start_new(convert_all, 20)
        while (status := await client.get_status(instance_id)) is not None and status.runtime_status in (
            "Pending",
            "Running",
        ):
            print(status.runtime_status, status.custom_status)
            await asyncio.sleep(0.05)
        assert status is not None
        print(status.runtime_status, status.output)


if __name__ == "__main__":
    asyncio.run(main())
