"""Code that does other things than a history says, where instances wait for code that fits; and fresh attempts of rewound ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from stead.orchestrations._definition.activity import make_activity
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._execution.context import OrchestrationContext
from support.kind_bench import KindHub
from support.kind_modes import Make


async def good(context: OrchestrationContext) -> list[object]:
    await context.call_activity("work")
    return [await context.wait_for_external_event("go"), await context.wait_for_external_event("go")]


async def bad(context: OrchestrationContext) -> list[object]:
    await context.create_timer(timedelta(seconds=1))
    return []


def deployed(make: Make, **settings: Any) -> KindHub:
    hub = make(**settings)
    hub.activities["work"] = lambda: None
    hub.register(good, "flow")
    hub.start("flow")
    hub.run()
    hub.register(bad, "flow")
    hub.crash()
    return hub


def test_it_waits_for_code_that_fits_and_goes_on_by_itself(make: Make) -> None:
    hub = deployed(make, on_nondeterminism="block")
    hub.send("one", "event", "go", 1)
    hub.run()
    assert hub.status() == "Running"
    assert "the code now schedules" in hub.blocked["one"]
    assert not hub.timers  # nothing is done of what the code wants that does not fit
    hub.send("one", "event", "go", 2)
    hub.run()
    hub.register(good, "flow")
    hub.crash().run()
    assert (hub.status(), hub.output()) == ("Completed", [1, 2])
    assert not hub.blocked


def test_it_fails_where_that_was_not_asked_for(make: Make) -> None:
    hub = deployed(make)
    hub.send("one", "event", "go", 1)
    assert hub.run().status() == "Failed"
    assert not hub.blocked


@pytest.mark.parametrize("restarted", [False, True])
def test_one_that_waits_can_be_managed(make: Make, restarted: bool) -> None:
    hub = deployed(make, on_nondeterminism="block")
    hub.send("one", "event", "go", 1)
    hub.run()
    if restarted:
        hub.crash().run()
    hub.send("one", "cancel", "enough")
    hub.run()
    assert hub.status() == "Running" and "one" in hub.blocked  # its code undoes things, once it is there
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert (hub.status(), hub.blocked) == ("Terminated", {})


@pytest.mark.parametrize("concurrency", [None, 1])
def test_a_rewound_call_is_tried_as_often_as_at_the_beginning(make: Make, concurrency: int | None) -> None:
    runs: list[int] = []

    def work() -> str:
        runs.append(1)
        raise ValueError("broken")

    retry = RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=1))
    tried = make_activity(work, retry=retry, concurrency=concurrency)

    async def tries(context: OrchestrationContext) -> object:
        return await context.call_activity(tried)

    hub = make(tries)
    hub.activities["work"] = work
    hub.start("tries")
    hub.advance(60_000)
    assert (hub.status(), len(runs)) == ("Failed", 3)
    hub.send("one", "rewind", "")
    hub.advance(60_000)
    assert (hub.status(), len(runs)) == ("Failed", 6)
    hub.send("one", "rewind", "")
    hub.run()
    hub.crash()
    hub.activities["work"] = lambda: "mended"
    hub.advance(60_000)
    assert (hub.status(), hub.output()) == ("Completed", "mended")
