"""What comes while no worker has an instance's code is new to the code when it comes to it, and has the time of then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stead.orchestrations import ActivityFailed
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.record import decode_instance_record, encode_instance_record
from stead.transport import pack, unpack
from support.instance_driver import START_MS
from support.kind_bench import KindHub
from support.kind_modes import Make

DAY_MS = 86_400_000
runs: list[tuple[object, bool, bool]] = []  # what the code came to, whether it was replaying, and had the patch
times: list[int] = []


@pytest.fixture(autouse=True)
def _anew() -> None:
    runs.clear()
    times.clear()


def note(context: OrchestrationContext, what: object) -> None:
    runs.append((what, context.is_replaying, context.patched(f"after {what}")))
    times.append(round(context.now.timestamp() * 1000) - START_MS)
    context.logger.warning("came to %s", what)


def first_runs() -> list[object]:
    """What the code came to for the first time; whatever it says of itself has to fit."""
    assert all(patched for _, _, patched in runs)
    return [what for what, replaying, _ in runs if not replaying]


async def collects(context: OrchestrationContext, count: int | None) -> list[object]:
    note(context, "start")
    got: list[object] = []
    for _ in range(count or 3):
        got.append(await context.wait_for_external_event("go"))
        note(context, got[-1])
    return got


async def works(context: OrchestrationContext) -> object:
    note(context, "start")
    result = await context.call_activity("work")
    note(context, result)
    await context.create_timer(timedelta(hours=1))
    note(context, "timer")
    return await context.wait_for_external_event("go")


async def begins_with_a_timer(context: OrchestrationContext) -> None:
    note(context, "start")
    await asyncio.sleep(3600)
    note(context, "timer")


def undeployed(hub: KindHub) -> KindHub:
    """The workers are gone, and those that come do not know the code."""
    hub.registry.codes.clear()
    return hub.crash().run()


def deployed(hub: KindHub, *functions: Callable[..., Any]) -> KindHub:
    for function in functions:
        hub.register(function)
    return hub.crash().run()


def test_events_that_came_without_the_code_are_no_replay(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    hub = make(collects)
    hub.start("collects")
    hub.send("one", "event", "go", 1)
    hub.run()
    undeployed(hub).send("one", "event", "go", 2)
    hub.run()
    undeployed(hub).send("one", "event", "go", 3)
    hub.run()
    caplog.clear()
    with caplog.at_level(logging.WARNING, "stead.orchestration"):
        deployed(hub, collects)
    assert hub.output() == [1, 2, 3]
    assert first_runs() == ["start", 1, 2, 3]
    said = [record.getMessage() for record in caplog.records if record.name == "stead.orchestration"]
    assert said == ["one: came to 2", "one: came to 3"]


def test_what_the_code_has_seen_is_a_replay_after_it_caught_up(make: Make) -> None:
    hub = make(collects)
    hub.start("collects", 4)
    hub.run()
    undeployed(hub).send("one", "event", "go", 1)
    hub.run()
    deployed(hub, collects)
    deployed(hub, collects).send("one", "event", "go", 2)
    hub.run()
    assert first_runs() == ["start", 1, 2]
    assert hub.record().unseen == 0


def test_a_result_that_came_without_the_code(make: Make) -> None:
    hub = make(works)
    hub.activities["work"] = lambda: "done"
    hub.run_tasks = False
    hub.start("works")
    hub.run()
    undeployed(hub)
    (task,) = hub.tasks
    hub.perform(task)
    hub.run()
    hub.now_ms += 2 * DAY_MS
    deployed(hub, works)
    assert first_runs() == ["start", "done"]
    hub.advance(3_599_000)
    assert first_runs() == ["start", "done"]
    hub.advance(2_000)
    assert first_runs() == ["start", "done", "timer"]


def test_an_instance_that_waited_for_its_code_begins_when_it_comes(make: Make) -> None:
    hub = make()
    hub.start("begins_with_a_timer")
    hub.run()
    assert hub.status() == "Pending"
    hub.now_ms += 3 * DAY_MS
    deployed(hub, begins_with_a_timer)
    assert (hub.status(), hub.names()[:2]) == ("Running", ["ExecutionStarted", "OrchestratorStarted"])
    hub.advance(3_599_000)
    assert hub.status() == "Running"
    hub.advance(2_000)
    assert hub.status() == "Completed"
    assert sorted(set(times)) == [3 * DAY_MS, 3 * DAY_MS + 3_600_000]


def test_a_scheduled_instance_begins_when_its_code_comes(make: Make) -> None:
    hub = make()
    hub.start("begins_with_a_timer", at_ms=START_MS + 1_000)
    hub.advance(2_000)
    hub.now_ms += DAY_MS
    deployed(hub, begins_with_a_timer)
    hub.advance(3_599_000)
    assert hub.status() == "Running"


def test_a_scheduled_instance_that_is_on_time_has_the_time_it_was_scheduled_for(make: Make) -> None:
    hub = make(begins_with_a_timer)
    hub.start("begins_with_a_timer", at_ms=START_MS + 1_000)
    hub.advance(1_000)
    assert set(times) == {1_000}
    assert hub.names() == ["ExecutionStarted", "Patched", "TimerCreated"]


def test_events_keep_their_order_and_the_time_never_goes_back(make: Make) -> None:
    hub = make(collects)
    hub.start("collects")
    hub.run()
    undeployed(hub).send("one", "event", "go", 1)
    hub.advance(DAY_MS)
    hub.send("one", "event", "go", 2)
    hub.advance(DAY_MS)
    deployed(hub, collects)
    undeployed(hub).send("one", "event", "go", 3)
    hub.advance(DAY_MS)
    deployed(hub, collects)
    assert hub.output() == [1, 2, 3]
    assert times[-4:] == [0, 2 * DAY_MS, 2 * DAY_MS, 3 * DAY_MS]


def test_what_came_for_a_failed_instance_is_new_after_the_rewinding(make: Make) -> None:
    hub = make(works)
    hub.start("works")  # nobody knows its activity
    hub.run()
    hub.send("one", "event", "go", 42)
    hub.run()
    assert hub.status() == "Failed"
    hub.activities["work"] = lambda: "done"
    hub.now_ms += DAY_MS
    hub.send("one", "rewind", "")
    hub.run()
    assert first_runs()[:1] == ["start"] and first_runs()[-1] == "done"
    hub.advance(3_599_000)
    assert hub.status() == "Running"
    hub.advance(2_000)
    assert hub.output() == 42


async def other_way(context: OrchestrationContext) -> None:
    await context.call_activity("other")


def test_what_broken_code_came_to_is_new_to_the_mended_one(make: Make) -> None:
    hub = make(works)
    hub.activities["work"] = lambda: "done"
    hub.start("works")
    hub.run()
    undeployed(hub).send("one", "event", "go", 1)
    hub.advance(3_600_000)
    hub.register(other_way, "works")
    hub.crash().run()
    assert (hub.status(), hub.record().unseen) == ("Failed", 3)  # and their time
    runs.clear()
    deployed(hub, works).send("one", "rewind", "")
    hub.run()
    assert hub.output() == 1
    assert first_runs() == ["timer"]


def test_what_a_turn_in_parts_has_not_come_to_is_no_replay() -> None:
    async def refused(context: OrchestrationContext) -> str:
        call = context.call_activity("unknown")  # its answer is in the history at once, and comes when all is sent
        for number in range(300):
            context.send_event("two", "go", number)
        with pytest.raises(ActivityFailed):
            await call
        note(context, "refusal")
        return "end"

    hub = KindHub(refused, batch_length_max=100)
    hub.start("refused")
    hub.step()
    assert hub.record().unseen > 100
    hub.crash().run()
    assert hub.output() == "end"
    assert first_runs() == ["refusal"]


def test_a_record_of_before_has_seen_everything() -> None:
    hub = KindHub(collects)
    hub.start("collects")
    hub.run()
    data = hub.states["one"]
    before = data[:1] + pack(unpack(data[1:])[:19])
    assert decode_instance_record(before) == replace(hub.record(), awaited=[])  # which came later still
    record = hub.record()
    record.unseen = 7
    assert decode_instance_record(encode_instance_record(record)).unseen == 7
