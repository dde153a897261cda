"""Queries and updates of one instance: which commit has what, code that is not there, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stead.entities.extending import Failure
from stead.orchestrations._definition.questions import OrchestrationQuery, OrchestrationUpdate
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.messages import ASK, UPDATE
from support.kind_bench import CALLER, KindHub
from support.kind_modes import Make


async def counts(context: OrchestrationContext, until: int) -> list[int]:
    state = context.share(list[int]())
    while len(state) < until:
        state.append(await context.wait_for_external_event("number", int))
    return state


def last(state: list[int]) -> int:
    return state[-1] if state else -1


async def add(context: OrchestrationContext, state: list[int], number: int) -> int:
    await context.call_activity("work")
    state.append(number)
    return len(state)


async def waits(context: OrchestrationContext, state: list[int]) -> int:
    return await context.wait_for_external_event("never", int)


@pytest.fixture
def hub(make: Make) -> Iterator[KindHub]:
    hub = make(counts)
    code = hub.registry.codes["counts", None]
    code.queries["last"] = OrchestrationQuery[[], int](last, "counts")
    for function in (add, waits):
        update = OrchestrationUpdate[Any, ..., int](function, "counts")
        code.updates[update.canonical] = update
    hub.activities["work"] = lambda: None
    hub.start("counts", 3)
    yield hub
    hub.crash()


def ask(hub: KindHub, operation: str, name: str, *args: Any) -> Any:
    """What is answered; an error that is none of the caller's by its type's name."""
    hub.send("one", operation, name, list(args), reply_to=CALLER)
    hub.run()
    answers = [value for _, value in hub.replies]
    hub.replies.clear()
    if not answers:
        return None
    (answer,) = answers
    return (answer.kind, answer.type.rpartition(".")[2]) if isinstance(answer, Failure) else answer


@pytest.mark.hazard(113)
def test_the_turn_of_a_query_appends_nothing(hub: KindHub) -> None:
    hub.send("one", "event", "number", 7)
    hub.run()
    commits, log = len(hub.commits), list(hub.logs["one"])
    assert ask(hub, ASK, "last") == 7
    asked = hub.commits[commits:]
    assert [bool(commit.replies) for commit in asked] == [True]  # with the commit that consumes it
    assert not any(commit.logs or commit.states or commit.timers or commit.tasks for commit in asked)
    assert hub.logs["one"] == log


@pytest.mark.hazard(113)
def test_it_sees_what_is_committed_with_its_answer(hub: KindHub) -> None:
    hub.send("one", "event", "number", 7)
    assert ask(hub, ASK, "last") == 7
    hub.crash()
    assert ask(hub, ASK, "last") == 7
    assert [event.input for event in hub.history() if hasattr(event, "encoded_twice")] == [7]


@pytest.mark.hazard(113)
def test_what_has_no_code_says_so_at_once(hub: KindHub) -> None:
    hub.run()
    code = hub.registry.codes.pop(("counts", None))
    hub.crash()
    for operation, name in ((ASK, "last"), (UPDATE, "add")):
        assert ask(hub, operation, name) == ("undeliverable", "InstanceBlocked")
    hub.registry.codes["counts", None] = code
    hub.crash().run()
    assert ask(hub, ASK, "last") == -1
    assert ask(hub, UPDATE, "add", 5) == 1


@pytest.mark.hazard(113)
def test_an_update_is_answered_with_the_commit_of_its_end(hub: KindHub) -> None:
    hub.run_tasks = False
    assert ask(hub, UPDATE, "add", 5) is None
    hub.crash()
    assert ask(hub, ASK, "last") == -1
    hub.run_tasks = True
    commits = len(hub.commits)
    hub.crash().run()
    assert [value for _, value in hub.replies] == [1]
    (ended,) = [commit for commit in hub.commits[commits:] if commit.replies]
    assert ended.logs
    assert hub.names().count("UpdateCompleted") == 1
    hub.crash().run()
    assert len(hub.replies) == 1  # nor is it answered again


@pytest.mark.hazard(113)
@pytest.mark.parametrize("end", ["event", "terminate", "cancel", "purge"])
def test_one_that_ends_fails_what_is_open_in_the_same_commit(hub: KindHub, end: str) -> None:
    assert ask(hub, UPDATE, "waits") is None
    hub.crash()
    if end == "event":
        for number in range(3):
            hub.send("one", "event", "number", number)
    elif end == "purge":
        hub.send("one", "terminate", "enough", True)
        hub.send("one", "purge", True)
    else:
        hub.send("one", end, "enough")
    hub.run()
    ((_, failure),) = hub.replies
    assert failure.type == "stead.orchestrations.InstanceFinished"
    with_end = [commit for commit in hub.commits if commit.replies]
    assert len(with_end) == 1 and (with_end[0].logs or with_end[0].deleted)


def test_a_rewound_one_is_told_again(hub: KindHub) -> None:
    """What it was told is in its history, and what came of it after the point where it failed is forgotten."""
    hub.send("one", "event", "number", "no number")
    hub.run()
    assert hub.status() == "Failed"
    assert ask(hub, ASK, "last") == -1
    assert ask(hub, UPDATE, "add", 5) == ("undeliverable", "InstanceFinished")


def test_questions_that_are_none(hub: KindHub) -> None:
    hub.run()
    wrong: list[list[Any]] = [[], ["last"], ["last", {}], [7, []]]
    for args in wrong:
        hub.send("one", ASK, *args, reply_to=CALLER)
        hub.run()
        ((_, failure),) = hub.replies
        assert failure.kind == "invalid_input"
        hub.replies.clear()
    hub.send("one", ASK, "last", [])
    hub.run()
    assert len(hub.dead) == 1  # nobody waits for the answer
