"""What becomes of children whose parent ends before them, or gives them up, by what was said of each."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from orchestrations.instance.test_children import named_as, statuses
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.messages import CANCEL, TERMINATE
from support.kind_bench import KindHub
from support.kind_modes import Make
from support.undoing import child, undo, undone


@pytest.fixture(autouse=True)
def _nothing_undone() -> None:
    undone.clear()


async def parent(context: OrchestrationContext, closing: str | None) -> object:
    form = named_as("child", "the child")
    form.parent_close = closing
    call = context.call_sub_orchestrator(form)
    assert call.instance_id == "the child"
    return await call


async def leaves(context: OrchestrationContext, closing: str | None) -> object:
    form = named_as("child", "the child")
    form.parent_close = closing
    context.call_sub_orchestrator(form)
    return await context.wait_for_external_event("end")


async def changes_its_mind(context: OrchestrationContext, closing: str | None) -> object:
    with contextlib.suppress(asyncio.CancelledError):
        call = asyncio.ensure_future(parent(context, closing))
        await context.create_timer(timedelta(seconds=1))
        call.cancel()
        await call
    return await context.wait_for_external_event("end")


async def turns_over(context: OrchestrationContext, closing: str | None) -> object:
    if closing is None:
        return await context.wait_for_external_event("end")
    form = named_as("child", "the child")
    form.parent_close = closing
    context.call_sub_orchestrator(form)
    context.continue_as_new(None)
    return None


def family(make: Make, name: str, closing: str | None) -> KindHub:
    hub = make(child, parent, leaves, changes_its_mind, turns_over)
    hub.activities["undo"] = undo
    hub.start(name, closing)
    hub.run()
    return hub


@pytest.mark.parametrize(
    ("closing", "expected"),
    [(None, "Canceled"), ("cancel", "Canceled"), ("terminate", "Terminated"), ("abandon", "Running")],
)
@pytest.mark.parametrize("name", ["parent", "leaves"])
def test_children_of_one_that_is_canceled(make: Make, closing: str | None, expected: str, name: str) -> None:
    hub = family(make, name, closing)
    hub.send("one", CANCEL, "enough")
    hub.run()
    assert statuses(hub, "one", "the child") == ["Canceled", expected]
    assert undone == (["the child"] if expected == "Canceled" else [])


@pytest.mark.parametrize(
    ("closing", "recursive", "expected"),
    [
        (None, True, "Terminated"),
        (None, False, "Running"),
        ("terminate", True, "Terminated"),
        ("terminate", False, "Running"),
        ("cancel", True, "Canceled"),
        ("abandon", True, "Running"),
    ],
)
def test_children_of_one_that_is_terminated(make: Make, closing: str | None, recursive: bool, expected: str) -> None:
    for name in ("parent", *(("turns_over",) if closing else ())):
        hub = family(make, name, closing)
        hub.send("one", TERMINATE, "enough", recursive)
        hub.run()
        assert statuses(hub, "one", "the child") == ["Terminated", expected], name


@pytest.mark.parametrize(
    ("closing", "expected"),
    [(None, "Running"), ("cancel", "Canceled"), ("terminate", "Terminated"), ("abandon", "Running")],
)
@pytest.mark.parametrize("name", ["leaves", "turns_over"])
def test_children_of_one_that_completes(make: Make, closing: str | None, expected: str, name: str) -> None:
    if name == "turns_over" and closing is None:
        return
    hub = family(make, name, closing)
    assert hub.status("the child") == "Running"
    hub.crash()
    hub.send("one", "event", "end", 1)
    hub.run()
    assert statuses(hub, "one", "the child") == ["Completed", expected]


@pytest.mark.parametrize(
    ("closing", "expected"),
    [(None, "Running"), ("cancel", "Canceled"), ("terminate", "Terminated"), ("abandon", "Running")],
)
def test_a_child_that_its_parent_gives_up(make: Make, closing: str | None, expected: str) -> None:
    hub = family(make, "changes_its_mind", closing)
    hub.advance(1_000)
    assert statuses(hub, "one", "the child") == ["Running", expected]


def test_a_parent_is_told_how_its_child_has_ended(make: Make) -> None:
    hub = family(make, "parent", None)
    hub.send("the child", CANCEL, "enough")
    hub.run()
    failure = hub.record().failure
    assert failure is not None and hub.status() == "Failed"
    assert failure["cause"]["type"] == "stead.orchestrations.Canceled"
    assert failure["cause"]["message"] == "enough"


def test_a_request_of_a_parent_is_not_about_who_has_taken_its_childs_id(make: Make) -> None:
    hub = make(child)
    hub.activities["undo"] = undo
    hub.start("child")
    hub.run()
    hub.send("one", CANCEL, "enough", "somebody else")
    assert hub.run().status() == "Running"
