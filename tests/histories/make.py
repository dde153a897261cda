"""Makes the histories of this folder by real runs: `python tests/histories/make.py`. (`before-the-patch` was written by hand:
it is what `patched` had left behind when its code had no second city yet.)

They are meant to be kept: a history that the code of today makes shows nothing about instances that began yesterday. So
this writes only those that are not there yet.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations.histories import History, history_text

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

RUNS: dict[str, tuple[str, Any, list[tuple[str, Any]]]] = {
    "chain": ("chain", ["Tokyo", "Seattle", "London"], []),
    "fan-out": ("fan_out", 5, []),
    "approved": ("approval", 12, [("approval", True)]),
    "suspended": ("approval", 14, [("Approval", False)]),
    "escalated": ("approval", 13, []),
    "failed": ("fails", None, []),
    "parent": ("parent", None, []),
    "transfer": ("transfer", 100, []),
    "continued": ("counts_down", 2, []),
    "patched": ("patched", None, []),
    "canceled": ("undoes", "Oslo", []),
    "told": ("is_told", None, []),
    "limited": ("charges", None, []),
}


async def make(file_name: str) -> str:
    """The text of one history."""
    app: App = importlib.import_module("orchestrations").app
    name, value, events = RUNS[file_name]
    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new(name, value, instance_id=f"golden-{file_name}")
        await hub.run_until_idle()
        if file_name == "suspended":
            await hub.client.suspend(instance_id, "lunch")
        if file_name == "canceled":
            await hub.client.cancel(instance_id, "rain")
            await hub.run_until_idle()
            await hub.client.cancel(instance_id, "more rain")
        if file_name == "told":
            for city in ("Lima", "Cusco"):
                assert await hub.client.update("greet_too", instance_id, city)
            assert await hub.client.ask("greeted", instance_id) == 2
            await hub.client.raise_event(instance_id, "enough")
        for event_name, data in events:
            await hub.client.raise_event(instance_id, event_name, data)
        await hub.advance(timedelta(hours=1))
        if file_name == "suspended":
            await hub.client.resume(instance_id, "back")
        await hub.advance(timedelta(days=4))
        text = history_text(History(instance_id, await hub.client.read_history(instance_id)))
    return text.replace(f"{FOLDER.parents[1]}/", "")  # tracebacks name files


def main() -> None:
    for file_name in RUNS:
        file = FOLDER / f"{file_name}.json"
        if not file.exists():
            file.write_text(asyncio.run(make(file_name)))
            print(f"made {file.name}")


if __name__ == "__main__":
    main()
