"""Updates beside all that may happen to an instance: each is answered once, with what became of it, in every order of things."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from stead.orchestrations._definition.questions import OrchestrationUpdate
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.messages import UPDATE
from support.kind_bench import CALLER, KindHub
from support.kind_modes import Make

pytestmark = pytest.mark.hazard(113)


async def works(context: OrchestrationContext, left: int = 0) -> list[object]:
    state = context.share(list[object]())
    state.append(await context.call_activity("fragile"))
    state.append(await context.wait_for_external_event("go"))
    if left:
        context.continue_as_new(left - 1)
    return state


async def note(context: OrchestrationContext, state: list[object], what: str) -> int:
    state.append(await context.call_activity("shout", what))
    return len(state)


@pytest.fixture
def hub(make: Make) -> KindHub:
    return deployed(make(works))


def deployed(hub: KindHub) -> KindHub:
    hub.registry.codes["works", None].updates["note"] = OrchestrationUpdate[Any, ..., Any](note, "works")
    hub.activities.update(fragile=lambda: "well", shout=str.upper)
    return hub


def tell(hub: KindHub, what: str) -> None:
    hub.send("one", UPDATE, "note", [what], reply_to=CALLER)


def heard(hub: KindHub) -> list[object]:
    """What was answered: results, and of errors their types' names."""
    found = [getattr(value, "type", value) for _, value in hub.replies]
    hub.replies.clear()
    return [value.rpartition(".")[2] if isinstance(value, str) else value for value in found]


def happen(hub: KindHub, things: Sequence[str]) -> None:
    for thing in things:
        match thing:
            case "update":
                tell(hub, "a")
            case "event":
                hub.send("one", "event", "go", 1)
            case "terminate":
                hub.send("one", "terminate", "enough", True)
            case "crash":
                hub.run().crash()
            case _:
                hub.send("one", thing, "enough")


@pytest.mark.parametrize("end", ["terminate", "cancel", "event"])
@pytest.mark.parametrize("between", ["", "suspend", "crash"])
def test_an_update_and_the_end_at_once(make: Make, end: str, between: str) -> None:
    """Whichever comes first: there is one answer, and what it says is true."""
    for order in itertools.permutations(["update", end]):
        things = [
            *([between] if between == "suspend" else []),
            order[0],
            *([between] if between == "crash" else []),
            order[1],
        ]
        hub = deployed(make(works))
        hub.start("works")
        hub.run()
        happen(hub, things)
        hub.run()
        if between == "suspend" and hub.status() == "Suspended":
            hub.send("one", "resume", "")
            hub.run()
        (answer,) = heard(hub)
        assert answer == "InstanceFinished" or answer in (2, 3), (things, answer)
        assert hub.status() in ("Terminated", "Canceled", "Completed")
        completed = hub.names().count("UpdateCompleted")
        assert completed == (answer != "InstanceFinished"), (things, hub.names())
        if hub.status() == "Completed" and completed:
            assert "A" in hub.output()
        hub.crash().run()
        assert not heard(hub)


def test_before_the_first_turn(hub: KindHub) -> None:
    """It is behind the start: so its code has run."""
    hub.run_tasks = False
    hub.start("works")
    tell(hub, "a")
    hub.run()
    assert "UpdateAccepted" in hub.names()
    hub.run_tasks = True
    hub.crash().run()
    assert heard(hub) in ([1], [2])  # whichever activity was done first
    hub.start("works", instance_id="two", at_ms=hub.now_ms + 5_000)
    hub.send("two", UPDATE, "note", ["a"], reply_to=CALLER)
    hub.run()
    assert heard(hub) == ["NothingShared"]


@pytest.mark.parametrize("done", [False, True])
def test_a_rewound_instance_carries_out_what_it_had_accepted(hub: KindHub, done: bool) -> None:
    """Whoever waited was told of the end, or of the result; what had been accepted stays accepted."""

    def broken() -> str:
        raise ValueError("broken")

    hub.activities["fragile"] = broken
    hub.run_tasks = False
    hub.start("works")
    hub.run()
    tell(hub, "a")
    hub.run()
    (fragile, shout) = hub.tasks
    for task in (shout, fragile) if done else (fragile,):
        hub.perform(task)
        hub.run()
    assert hub.status() == "Failed"
    assert heard(hub) == ([1] if done else ["InstanceFinished"])
    hub.activities["fragile"] = lambda: "mended"
    hub.run_tasks = True
    hub.send("one", "rewind", "")
    hub.run()
    assert hub.names().count("UpdateAccepted") == hub.names().count("UpdateCompleted") == 1
    hub.replies.clear()
    hub.send("one", "event", "go", 1)
    hub.run()
    assert hub.status() == "Completed"
    assert sorted(map(str, hub.output())) == ["1", "A", "mended"]


def test_while_it_goes_on_as_new(hub: KindHub) -> None:
    """What is under way then is carried out before, and what comes meanwhile is for the next execution."""
    hub.run_tasks = False
    hub.start("works", 1)
    hub.run()
    [fragile] = hub.tasks
    hub.perform(fragile)
    hub.run()
    tell(hub, "a")
    hub.run()
    hub.send("one", "event", "go", 1)
    hub.run()
    tell(hub, "b")
    hub.run()
    assert not hub.replies and hub.status() == "Running"
    hub.run_tasks = True
    hub.crash().run()
    assert heard(hub)[0] == 3  # behind what the first execution had shared
    assert hub.names().count("UpdateAccepted") == 1, "that of the next one"
    hub.send("one", "event", "go", 2)
    hub.run()
    assert hub.status() == "Completed"
    assert sorted(map(str, hub.output())) == ["2", "B", "well"]


def test_an_older_version_has_its_own(make: Make) -> None:
    """An update of the newer code is none of the older one's, and one whose arguments are others says so."""

    def rated(context: OrchestrationContext, state: list[object], stars: int) -> int:
        return stars

    hub = deployed(make(works))
    hub.register(works, "works", "2")
    hub.registry.codes["works", "2"].updates["rated"] = OrchestrationUpdate[Any, ..., Any](rated, "works")
    hub.registry.codes["works", "2"].updates["note"] = OrchestrationUpdate[Any, ..., Any](rated, "works")
    hub.start("works")
    hub.start("works", instance_id="two", version="2")
    hub.run()
    for target, name, args in (
        ("one", "rated", [5]),
        ("two", "note", ["a"]),
        ("two", "rated", [5]),
        ("one", "note", ["a"]),
    ):
        hub.send(target, UPDATE, name, args, reply_to=CALLER)
        hub.run()
    assert heard(hub) == ["UnknownQuestion", "InvalidInput", 5, 2]
