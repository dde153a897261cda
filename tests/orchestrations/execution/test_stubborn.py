"""Code that catches whatever is raised, in a loop, still lets its worker drop it: at an eviction, at its end, at the end of
the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from stead.entities import EntityId
from stead.orchestrations._execution.context import OrchestrationContext
from support.guards import HANGS_S
from support.kind_bench import KindHub, messages_to

TESTS = Path(__file__).parents[2]


async def waits(context: OrchestrationContext) -> None:
    while True:
        with contextlib.suppress(BaseException):
            await context.wait_for_external_event("go")


async def sleeps(context: OrchestrationContext) -> None:
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(60)


async def commands(context: OrchestrationContext) -> None:
    while True:
        with contextlib.suppress(BaseException):
            context.patched("way")
            context.set_custom_status(context.new_uuid().hex)
            context.signal_entity(EntityId("Account", "a"), "poke")
            async with context.lock_entities(EntityId("Account", "b")):
                await asyncio.sleep(1)


async def awaits_one_task(context: OrchestrationContext) -> None:
    async def inner() -> None:
        await waits(context)

    task = asyncio.create_task(inner())
    while True:
        with contextlib.suppress(BaseException):
            async with asyncio.timeout(3_600):
                await task


ALL: dict[str, Callable[[OrchestrationContext], Coroutine[Any, Any, None]]] = {
    code.__name__: code for code in (waits, sleeps, commands, awaits_one_task)
}


def run(name: str) -> KindHub:
    """Dropped and replayed some times, then terminated."""
    hub = KindHub(ALL[name], forgetful=True)
    hub.start(name)
    hub.run()
    before = hub.record().custom_status, hub.names()
    for _ in range(2):
        hub.send("one", "event", "other", None)
        hub.run()
    names = [each for each in hub.names() if each != "EventRaised"]
    assert (hub.record().custom_status, names) == before
    hub.send("one", "terminate", "enough", False)
    return hub.run()


@pytest.mark.parametrize("name", ALL)
def test_it_can_be_dropped_and_terminated(name: str) -> None:
    hub = run(name)
    assert hub.status() == "Terminated" and not hub.timers
    assert len(messages_to(hub, "@account@a")) == (name == "commands")


def test_the_process_that_has_run_it_ends() -> None:
    program = (
        "import orchestrations.execution.test_stubborn as stubborn\n"
        "for name in stubborn.ALL: stubborn.run(name)\n"
        "print('done', flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TESTS, capture_output=True, text=True, timeout=HANGS_S, check=True
    )
    assert done.stdout == "done\n"
