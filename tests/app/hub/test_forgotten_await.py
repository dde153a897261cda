"""A call whose `await` was forgotten is named in the log."""

from __future__ import annotations

import asyncio
import logging

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import OrchestrationContext
from support.user_folder import Stead, eventually


async def test_an_orchestrations_calls_that_nobody_awaits(caplog: pytest.LogCaptureFixture) -> None:
    app = App("forgotten")
    caplog.set_level(logging.WARNING, "stead.orchestration")

    @app.activity
    async def book(number: int) -> int:
        return number

    @app.orchestration
    async def forgets(context: OrchestrationContext, number: int) -> int:
        for place in range(number):
            context.call_activity(book, place)
        return number

    @app.orchestration
    async def remembers(context: OrchestrationContext) -> int:
        done, _ = await asyncio.wait(
            [context.call_activity(book, 1), context.call_activity(book, 2)], return_when=asyncio.FIRST_COMPLETED
        )
        asyncio.gather(context.call_activity(book, 3))
        return len(done)

    async with TestHub(app, replay_every_turn=True) as hub:
        for number in (1, 3):
            await hub.client.wait_for_completion(await hub.client.start_new(forgets, number, instance_id=f"f{number}"))
        await hub.client.wait_for_completion(await hub.client.start_new(remembers))
    found = [record.getMessage() for record in caplog.records if "nobody awaited" in record.getMessage()]
    assert [line.partition(":")[0] for line in found] == ["f1", "f3"]
    assert "orchestration forgets has completed, and nobody awaited the activity 'book':" in found[0]
    assert "and 2 more" in found[1]


@pytest.mark.slow
def test_a_coroutine_that_an_operation_drops_is_in_the_workers_log_with_its_line(stead: Stead) -> None:
    source = stead.folder / f"{stead.module}.py"
    text = source.read_text() + (
        "\n\n@app.entity\nclass Forgetful(Entity):\n    count: int = 0\n\n"
        "    async def pause(self) -> None: ...\n\n"
        "    def forget(self) -> None:\n        self.pause()\n        self.count += 1\n"
    )
    source.write_text(text)
    line = text[: text.index("self.pause()")].count("\n") + 1
    stead.start("worker", stead.reference)
    eventually(lambda: "serves" in stead.log)
    assert stead("call", "Forgetful", "x", "forget").status == 0
    eventually(lambda: "was never awaited" in stead.log)
    said = f"{stead.module}.py:{line}: RuntimeWarning: coroutine 'Forgetful.pause' was never awaited\n"
    assert said in stead.log, "without the code of the line behind it"
