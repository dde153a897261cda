"""Children of an instance over all its executions: what ends or deletes it with them reaches all, and their IDs stay short."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from stead.entities.extending import check_instance_id
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.ids import child_id
from stead.orchestrations._instance import children as _children
from stead.transport import Reuse
from support.instance_driver import begin, only
from support.kind_bench import KindHub
from support.kind_modes import Make


async def child(context: OrchestrationContext) -> object:
    return await context.wait_for_external_event("go")


async def named(context: OrchestrationContext) -> object:
    return await context.call_sub_orchestrator(named_as("child", "the child"))


async def grandparent(context: OrchestrationContext) -> object:
    return await context.call_sub_orchestrator(named_as("named", "the middle"))


async def abandons(context: OrchestrationContext, left: int) -> None:
    """Starts a child an execution, and waits for none of them."""
    context.call_sub_orchestrator(named_as("child", f"child {left}"))
    await context.wait_for_external_event("next")
    if left:
        context.continue_as_new(left - 1)


async def fails_beside(context: OrchestrationContext) -> None:
    context.call_sub_orchestrator(named_as("child", "the child"))
    await context.call_activity("fragile")
    await context.create_timer(timedelta(hours=1))


async def fails_and_compensates(context: OrchestrationContext) -> None:
    try:
        await context.call_activity("fragile")
    except Exception:
        context.call_sub_orchestrator(named_as("child", "the compensation"))
        await context.create_timer(timedelta(seconds=1))
        raise
    await context.create_timer(timedelta(hours=1))


class _Named:
    version = None
    tags = None
    retry = None
    parent_close: str | None = None

    def __init__(self, name: str, instance_id: str) -> None:
        self.name = name
        self.instance_id = instance_id

    def encode_input(self, value: object) -> object:
        return None

    def decode_output(self, value: object) -> object:
        return value


def named_as(name: str, instance_id: str) -> Any:
    """An orchestration with an instance ID of the caller's, as `with_options` gives it."""
    return _Named(name, instance_id)


def statuses(hub: KindHub, *instances: str) -> list[str | None]:
    return [hub.status(each) for each in instances]


def started(hub: KindHub, name: str, input: object = None) -> KindHub:
    hub.start(name, input)
    return hub.run()


# -- a start in place of what is there ---------------------------------------------------------------------------------


def test_what_is_replaced_ends_with_its_children(make: Make) -> None:
    hub = started(make(grandparent, named, child), "grandparent")
    hub.start("grandparent", reuse=Reuse.ALWAYS)
    hub.run()
    hub.send("the child", "event", "go", 42)
    hub.run()
    assert (hub.output(), hub.output("the child")) == (42, 42)


def test_what_is_replaced_after_it_failed_ends_with_its_children(make: Make) -> None:
    hub = started(make(fails_beside, named, child), "fails_beside")  # there is no activity of that name
    assert statuses(hub, "one", "the child") == ["Failed", "Running"]
    hub.start("named", reuse=Reuse.ALWAYS)
    hub.run()
    hub.send("the child", "event", "go", 42)
    assert hub.run().output() == 42


def test_what_is_replaced_after_it_continued_as_new_ends_with_its_children(make: Make) -> None:
    hub = started(make(abandons, child), "abandons", 1)
    hub.send("one", "event", "next", None)
    hub.run()
    assert statuses(hub, "child 1", "child 0") == ["Running", "Running"]
    hub.start("child", reuse=Reuse.ALWAYS)
    hub.run()
    assert statuses(hub, "child 1", "child 0", "one") == ["Terminated", "Terminated", "Running"]


# -- terminate and purge -----------------------------------------------------------------------------------------------


def continued(make: Make, times: int = 2) -> KindHub:
    hub = started(make(abandons, child), "abandons", times)
    for _ in range(times):
        hub.send("one", "event", "next", None)
        hub.run()
    return hub


def test_a_termination_reaches_the_children_of_former_executions(make: Make) -> None:
    hub = continued(make)
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert statuses(hub, "one", "child 2", "child 1", "child 0") == ["Terminated"] * 4


def test_a_purge_reaches_the_children_of_former_executions(make: Make) -> None:
    hub = continued(make)
    for number in range(3):
        hub.send(f"child {number}", "event", "go", number)
    hub.send("one", "event", "next", None)
    hub.run()
    hub.crash()
    hub.send("one", "purge", True)
    hub.run()
    assert not hub.states


def test_they_are_remembered_over_a_restart_and_a_rewinding(make: Make) -> None:
    hub = make(fails_and_compensates, child)
    hub.start("fails_and_compensates")
    hub.advance(2_000)
    assert statuses(hub, "one", "the compensation") == ["Failed", "Running"]
    hub.activities["fragile"] = lambda: None
    hub.send("one", "rewind", "")
    hub.run()
    assert hub.status() == "Running"
    hub.crash()
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert statuses(hub, "one", "the compensation") == ["Terminated", "Terminated"]
    hub.start("fails_and_compensates")
    hub.advance(4_000_000)
    assert hub.status() == "Completed"
    hub.crash().send("one", "purge", True)
    hub.run()
    assert not hub.states


def test_who_has_taken_a_childs_id_is_left_alone(make: Make) -> None:
    hub = continued(make, 1)
    hub.send("child 1", "event", "go", 1)
    hub.run()
    hub.send("child 1", "purge", False)
    hub.start("child", instance_id="child 1")
    hub.run()
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert statuses(hub, "one", "child 0", "child 1") == ["Terminated", "Terminated", "Running"]
    hub.send("child 1", "event", "go", 1)
    hub.send("one", "purge", True)
    hub.run()
    assert statuses(hub, "one", "child 0", "child 1") == [None, None, "Completed"]


def test_only_so_many_of_former_executions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_children, "FORMER_CHILDREN_MAX", 3)
    first = continued(KindHub, 5).history()[0]
    assert (first.children, first.running_children) == (["child 3", "child 2", "child 1"],) * 2


def test_who_has_no_children_says_nothing_of_them() -> None:
    async def again(context: OrchestrationContext, left: int) -> None:
        if left:
            context.continue_as_new(left - 1)

    hub = started(KindHub(again), "again", 1)
    assert hub.history()[0].children is None


# -- IDs ---------------------------------------------------------------------------------------------------------------


def test_ids_do_not_grow_from_level_to_level() -> None:
    async def calls(context: OrchestrationContext) -> None:
        await context.call_sub_orchestrator("child")

    instance_id = "x" * 256
    seen: set[str] = set()
    for _ in range(40):
        instance_id = check_instance_id(child_id(instance_id, "0123456789abcdef", 1))
        assert len(instance_id) < 140 and instance_id not in seen
        seen.add(instance_id)
    assert only(begin(calls)).instance_id == "one:01234567:0001"


@pytest.mark.parametrize("length", [1, 60, 119, 120])
def test_short_ids_are_what_they_were(length: int) -> None:
    assert child_id("p" * length, "0123456789abcdef", 26) == "p" * length + ":01234567:001a"


def test_long_ids_that_begin_alike_stay_apart() -> None:
    one, other = (child_id("p" * 200 + end, "0123456789abcdef", 1) for end in "ab")
    assert one != other and one[:64] == other[:64]


def test_twenty_levels(make: Make) -> None:
    async def deeper(context: OrchestrationContext, left: int) -> object:
        return 0 if not left else 1 + await context.call_sub_orchestrator("deeper", left - 1)

    assert started(make(deeper), "deeper", 20).output() == 20
