"""An app with an orchestration that does what it should not: it calls its activities in the order of a set of texts."""

from __future__ import annotations

from stead.app import App, Settings
from stead.orchestrations import OrchestrationContext

app = App("sets", settings=Settings(partitions=2, slot_groups=1, determinism="off"))

NAMES = frozenset(f"name-{number}" for number in range(12))


@app.activity
async def greet(name: str) -> str:
    return f"Hello {name}!"


@app.orchestration
async def over_a_set(context: OrchestrationContext) -> dict[str, str]:
    tasks = {name: context.call_activity(greet, name) for name in NAMES}
    greetings = {name: await task for name, task in tasks.items()}
    context.set_custom_status("greeted")
    await context.wait_for_external_event("go on")
    return greetings
