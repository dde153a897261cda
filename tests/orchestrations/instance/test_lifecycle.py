"""What happens to instances from outside: suspension, termination, continuing as new, rewinding, purging."""

from __future__ import annotations

import datetime

import pytest

from orchestrations.instance.test_kind import breaks, hello, patient
from stead.entities import EntityId
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.events import SubOrchestrationInstanceCreated
from support.kind_bench import CALLER
from support.kind_modes import Make

broken: set[str] = set()


calls: list[str] = []


def fragile(name: str) -> str:
    calls.append(name)
    if name in broken:
        raise RuntimeError(f"{name} is broken")
    return f"{name} is fine"


async def checks(context: OrchestrationContext, names: list[str]) -> list[str]:
    return [await context.call_activity("fragile", name) for name in names]


async def parent(context: OrchestrationContext, names: list[str]) -> list[object]:
    return [await context.call_sub_orchestrator("checks", [name]) for name in names]


async def waiting_parent(context: OrchestrationContext, name: str) -> object:
    return await context.call_sub_orchestrator(name)


@pytest.fixture(autouse=True)
def _mended() -> None:
    broken.clear()
    calls.clear()


# -- suspension --------------------------------------------------------------------------------------------------------


@pytest.mark.hazard(16)
def test_a_suspended_instance_keeps_what_comes_and_goes_on(make: Make) -> None:
    hub = make(patient)
    hub.start("patient")
    hub.send("one", "suspend", "later")
    hub.send("one", "suspend", "again")
    hub.run()
    for number in range(2):
        hub.send("one", "event", "go", number)
    hub.run()
    assert (hub.status(), hub.record().reason) == ("Suspended", "later")
    hub.send("one", "resume", "now")
    hub.run()
    assert hub.output() == [0, 1]
    assert hub.names().count("ExecutionSuspended") == 1


def test_suspended_and_then_terminated(make: Make) -> None:
    hub = make(patient)
    hub.start("patient")
    hub.send("one", "suspend", "")
    hub.send("one", "terminate", "enough", False)
    hub.run()
    assert (hub.status(), hub.output()) == ("Terminated", "enough")


def test_a_scheduled_instance_is_suspended_beyond_its_time(make: Make) -> None:
    hub = make(patient)
    hub.start("patient", at_ms=hub.now_ms + 1_000)
    hub.run()
    assert hub.status() == "Pending"
    hub.send("one", "suspend", "")
    hub.run()
    hub.advance(2_000)
    assert hub.status() == "Suspended"
    hub.send("one", "resume", "")
    for number in range(2):
        hub.send("one", "event", "go", number)
    hub.advance(1)
    assert hub.output() == [0, 1]


def test_a_scheduled_instance_is_resumed_before_its_time(make: Make) -> None:
    hub = make(patient)
    hub.start("patient", at_ms=hub.now_ms + 1_000)
    hub.send("one", "suspend", "")
    hub.send("one", "resume", "")
    for number in range(2):
        hub.send("one", "event", "go", number)
    hub.run()
    assert hub.status() == "Pending"
    hub.advance(999)
    assert hub.status() == "Pending"
    hub.advance(1)
    assert hub.output() == [0, 1]


# -- termination -------------------------------------------------------------------------------------------------------


def test_what_is_scheduled_is_terminated(make: Make) -> None:
    hub = make(patient)
    hub.start("patient", at_ms=hub.now_ms + 1_000)
    hub.run()
    hub.send("one", "terminate", "not needed", True)
    hub.run()
    assert hub.status() == "Terminated" and not hub.timers
    hub.advance(5_000)
    assert hub.status() == "Terminated"


def test_children_are_terminated_as_well_and_only_if_asked(make: Make) -> None:
    for recursive in (True, False):
        hub = make(waiting_parent, patient)
        hub.start("waiting_parent", "patient")
        hub.run()
        child = hub.history()[1].instance_id
        hub.send("one", "terminate", "enough", recursive)
        hub.run()
        assert hub.status() == "Terminated"
        assert hub.status(child) == ("Terminated" if recursive else "Running")


@pytest.mark.hazard(15)
def test_a_terminated_child_answers(make: Make) -> None:
    hub = make(waiting_parent, patient)
    hub.start("waiting_parent", "patient")
    hub.run()
    hub.send(hub.history()[1].instance_id, "terminate", "enough", True)
    hub.run()
    failure = hub.record().failure
    assert hub.status() == "Failed" and failure is not None
    assert failure["cause"]["type"] == "stead.orchestrations.Terminated"


# -- rewinding ---------------------------------------------------------------------------------------------------------


def test_rewinding_repeats_only_what_failed(make: Make) -> None:
    broken.add("b")
    hub = make(checks)
    hub.activities["fragile"] = fragile
    hub.start("checks", ["a", "b", "c"])
    hub.run()
    assert hub.status() == "Failed"
    before = hub.record().execution_id
    broken.clear()
    hub.send("one", "rewind", "repaired", reply_to=CALLER)
    hub.run()
    assert hub.output() == ["a is fine", "b is fine", "c is fine"]
    assert calls == ["a", "b", "b", "c"]
    assert hub.replies == [(1, True)] and hub.record().execution_id != before
    hub.send("one", "rewind", "again", reply_to=CALLER)
    hub.run()
    assert hub.status() == "Completed" and hub.replies[-1] == (1, False)


def test_what_was_done_about_the_failure_is_forgotten(make: Make) -> None:
    async def careful(context: OrchestrationContext) -> str:
        try:
            return str(await context.call_activity("fragile", "x"))
        except Exception:
            await context.call_activity("tidy")
            raise

    broken.add("x")
    hub = make(careful)
    hub.activities.update(fragile=fragile, tidy=lambda: None)
    hub.start("careful")
    hub.run()
    assert hub.status() == "Failed"
    broken.clear()
    hub.send("one", "rewind", "")
    hub.run()
    assert hub.output() == "x is fine" and hub.names().count("TaskScheduled") == 1


def test_failures_that_were_dealt_with_are_kept(make: Make) -> None:
    async def robust(context: OrchestrationContext) -> list[str]:
        results: list[str] = []
        for name in ("a", "b"):
            try:
                results.append(await context.call_activity("fragile", name))
            except Exception:
                if name == "b":
                    raise
                results.append("none")
        return results

    broken.update("ab")
    hub = make(robust)
    hub.activities["fragile"] = fragile
    hub.start("robust")
    hub.run()
    broken.clear()
    hub.send("one", "rewind", "")
    hub.run()
    assert hub.output() == ["none", "b is fine"]


def test_rewinding_goes_down_into_children_and_starts_those_that_are_gone(make: Make) -> None:
    for purged in (False, True):
        broken.add("b")
        hub = make(checks, parent)
        calls.clear()
        hub.activities["fragile"] = fragile
        hub.start("parent", ["a", "b", "c"])
        hub.run()
        child = [event.instance_id for event in hub.history() if isinstance(event, SubOrchestrationInstanceCreated)][1]
        assert hub.status(child) == "Failed"
        if purged:
            hub.send(child, "purge", False)
            hub.run()
            assert hub.status(child) is None
        broken.clear()
        hub.send("one", "rewind", "")
        hub.run()
        assert hub.output() == [["a is fine"], ["b is fine"], ["c is fine"]]
        assert calls == ["a", "b", "b", "c"]
        assert not hub.reserved


def test_rewinding_keeps_timers_and_calls_that_were_under_way(make: Make) -> None:
    async def busy(context: OrchestrationContext) -> list[object]:
        timer = context.create_timer(datetime.timedelta(seconds=100))
        call = context.call_entity(EntityId("a", "1"), "get")
        late = context.call_entity(EntityId("a", "2"), "get")
        await context.call_activity("fragile", "x")
        await timer
        return [await call, await late]

    broken.add("x")
    hub = make(busy)
    hub.activities["fragile"] = fragile
    hub.start("busy")
    hub.run()
    assert hub.status() == "Failed" and not hub.timers
    hub.answer(hub.outgoing[0], 7)
    hub.run()
    assert hub.status() == "Failed"
    broken.clear()
    hub.send("one", "rewind", "")
    hub.run()
    assert len(hub.timers) == 1 and len(hub.outgoing) == 2
    hub.answer(hub.outgoing[1], 8)
    hub.advance(100_000)
    assert hub.output() == [7, 8]


def test_a_section_is_entered_again(make: Make) -> None:
    async def section(context: OrchestrationContext) -> str:
        async with context.lock_entities(EntityId("a", "1")):
            return str(await context.call_activity("fragile", "x"))

    broken.add("x")
    hub = make(section)
    hub.activities["fragile"] = fragile
    hub.start("section")
    hub.run()
    hub.answer(hub.outgoing[0])
    hub.run()
    assert hub.status() == "Failed"
    broken.clear()
    hub.send("one", "rewind", "")
    hub.run()
    assert [message.operation for message in hub.outgoing] == ["!lock", "!release", "!lock"]
    hub.answer(hub.outgoing[0])  # of the execution that failed
    hub.run()
    assert hub.status() == "Running"
    hub.answer(hub.outgoing[2])
    hub.run()
    assert hub.output() == "x is fine"
    assert [message.operation for message in hub.outgoing[3:]] == ["!release"]


def test_code_that_was_mended_goes_on(make: Make) -> None:
    hub = make(breaks)
    hub.start("breaks")
    hub.run()
    assert hub.status() == "Failed"

    async def mended(context: OrchestrationContext) -> str:
        return "well"

    hub.register(mended, "breaks")
    hub.send("one", "rewind", "")
    hub.run()
    assert hub.output() == "well"


# -- purging -----------------------------------------------------------------------------------------------------------


def test_what_is_finished_is_purged(make: Make) -> None:
    hub = make(patient)
    hub.start("patient")
    hub.send("one", "purge", False, reply_to=CALLER)
    hub.send("one", "terminate", "", True)
    hub.send("one", "purge", False, reply_to=CALLER)
    hub.send("one", "purge", False, reply_to=CALLER)
    hub.run()
    assert hub.replies == [(1, "running"), (1, True), (1, False)]
    assert not hub.states and not hub.logs.get("one")
    hub.start("patient")
    hub.run()
    assert hub.status() == "Running"


def test_children_are_purged_as_well_and_only_if_asked(make: Make) -> None:
    for recursive in (True, False):
        hub = make(parent, checks)
        hub.activities["fragile"] = fragile
        hub.start("parent", ["a", "b"])
        hub.run()
        assert len(hub.states) == 3
        hub.send("one", "purge", recursive)
        hub.run()
        assert len(hub.states) == (0 if recursive else 2)


def test_finished_instances_are_kept_for_a_time(make: Make) -> None:
    hub = make(hello, instances_keep_ms=1_000)
    hub.start("hello", [])
    hub.run()
    hub.advance(999)
    hub.start("hello", [])  # used again: the time of the first one does not count
    hub.run()
    hub.advance(999)
    assert hub.status() == "Completed"
    hub.advance(1)
    assert not hub.states and not hub.timers
