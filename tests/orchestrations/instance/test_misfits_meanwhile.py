"""What befalls an instance while it waits for code that fits: all of it is there when such code comes back, whatever is done to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from stead.orchestrations._definition.questions import OrchestrationQuery, OrchestrationUpdate
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.messages import ASK, UPDATE
from support.kind_bench import CALLER, KindHub
from support.kind_modes import Make


async def good(context: OrchestrationContext, fail: bool = False) -> list[object]:
    state = context.share(list[object]())
    state.append(await context.call_activity("work"))
    if fail:
        state.append(await context.call_activity("broken"))
    await context.create_timer(timedelta(seconds=30))
    state.append("timer")
    state.append(await context.wait_for_external_event("go"))
    return state


async def bad(context: OrchestrationContext, fail: bool = False) -> list[object]:
    context.share(list[object]())
    await context.wait_for_external_event("other")
    await context.call_activity("never")
    return []


def count(state: list[object]) -> int:
    return len(state)


def note(context: OrchestrationContext, state: list[object], what: str) -> int:
    state.append(what)
    return len(state)


def deploy(hub: KindHub, code: Any) -> None:
    """Workers with other code come, and the old ones go."""
    hub.register(code, "flow")
    form = hub.registry.codes["flow", None]
    form.queries["count"] = OrchestrationQuery[[], int](count, "flow")
    form.updates["note"] = OrchestrationUpdate[Any, ..., Any](note, "flow")
    hub.crash().run()


@pytest.fixture
def hub(make: Make) -> KindHub:
    def broken() -> None:
        raise ValueError("broken")

    def never() -> None:
        raise AssertionError("code that does not fit has asked for it")

    hub = make(on_nondeterminism="block")
    hub.activities.update(work=lambda: "done", broken=broken, never=never)
    deploy(hub, good)
    return hub


def tell(hub: KindHub, operation: str, name: str, *args: Any) -> Any:
    hub.send("one", operation, name, list(args), reply_to=CALLER)
    hub.run()
    ((_, answer),) = hub.replies
    hub.replies.clear()
    return answer


def test_timers_and_events_come_and_are_kept(hub: KindHub) -> None:
    hub.start("flow")
    hub.run()
    deploy(hub, bad)
    hub.advance(31_000)
    assert "one" in hub.blocked and not hub.timers
    for operation, args in ((ASK, ("count",)), (UPDATE, ("note", "x"))):
        assert tell(hub, operation, *args).type.endswith("InstanceBlocked")
    hub.send("one", "event", "go", 1)
    hub.run()
    deploy(hub, bad)
    assert hub.status() == "Running" and "one" in hub.blocked
    assert "UpdateAccepted" not in hub.names()
    deploy(hub, good)
    assert (hub.status(), hub.output(), hub.blocked) == ("Completed", ["done", "timer", 1], {})


def test_it_is_suspended_and_resumed(hub: KindHub) -> None:
    hub.start("flow")
    hub.run()
    deploy(hub, bad)
    hub.send("one", "suspend", "wait")
    hub.send("one", "event", "go", 1)
    hub.advance(31_000)
    assert hub.status() == "Suspended"
    deploy(hub, good)
    assert (hub.status(), hub.blocked) == ("Suspended", {})
    deploy(hub, bad)
    assert tell(hub, ASK, "count").type.endswith("InstanceBlocked")
    hub.send("one", "resume", "go on")
    hub.run()
    assert hub.status() == "Running" and "one" in hub.blocked
    deploy(hub, good)
    assert (hub.status(), hub.output(), hub.blocked) == ("Completed", ["done", "timer", 1], {})


def test_a_wish_to_end_it_is_heard_by_the_code_that_fits(hub: KindHub) -> None:
    hub.start("flow")
    hub.run()
    deploy(hub, bad)
    hub.send("one", "cancel", "enough")
    hub.run()
    assert hub.status() == "Running" and "one" in hub.blocked
    deploy(hub, good)
    assert (hub.status(), hub.output(), hub.blocked) == ("Canceled", "enough", {})
    assert not hub.timers


@pytest.mark.parametrize("blocked_before", [False, True])
def test_it_is_ended_and_asked_and_deleted(hub: KindHub, blocked_before: bool) -> None:
    hub.start("flow")
    hub.run()
    deploy(hub, bad)
    if blocked_before:
        hub.send("one", "event", "go", 1)
        hub.run()
    hub.send("one", "terminate", "enough", True)
    hub.run()
    assert (hub.status(), hub.blocked, hub.timers) == ("Terminated", {}, {})
    assert tell(hub, ASK, "count").type.endswith("InstanceBlocked")  # nor can its history be replayed for that
    deploy(hub, good)
    assert tell(hub, ASK, "count") == 1
    hub.send("one", "purge", True)
    hub.run()
    assert hub.status() is None and not hub.logs.get("one")


def test_one_that_failed_before_is_rewound_for_code_that_fits(hub: KindHub) -> None:
    hub.start("flow", True)
    hub.run()
    assert hub.status() == "Failed"
    deploy(hub, bad)
    hub.activities["broken"] = lambda: "mended"
    hub.send("one", "rewind", "")
    hub.run()
    assert hub.status() == "Running" and "one" in hub.blocked
    hub.send("one", "event", "go", 1)
    hub.advance(31_000)
    assert hub.status() == "Running" and "one" in hub.blocked
    deploy(hub, good)
    hub.advance(31_000)
    assert (hub.status(), hub.output(), hub.blocked) == ("Completed", ["done", "mended", "timer", 1], {})


def test_what_it_was_told_before_is_carried_out_by_the_code_that_fits(hub: KindHub) -> None:
    hub.start("flow")
    hub.run()
    hub.send("one", "suspend", "wait")
    hub.send("one", UPDATE, "note", ["x"], reply_to=CALLER)
    hub.run()
    assert not hub.replies
    deploy(hub, bad)
    hub.send("one", "resume", "go on")
    hub.run()
    assert not hub.replies and "one" in hub.blocked
    deploy(hub, good)
    assert [value for _, value in hub.replies] == [2]
    hub.send("one", "event", "go", 1)
    hub.advance(31_000)
    assert (hub.status(), hub.output()) == ("Completed", ["done", "x", "timer", 1])
