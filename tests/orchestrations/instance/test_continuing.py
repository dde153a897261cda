"""Continuing as new where the time slice of a turn is over: between two executions there is nothing but a record."""

from __future__ import annotations

import logging

import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from support.kind_bench import KindHub


def crowded(hub: KindHub) -> KindHub:
    """Every slice of time is over at once, so that each execution begins in another commit."""
    hub.slice.stop_at = 0.0
    return hub


async def endless(context: OrchestrationContext, count: int) -> None:
    context.logger.warning("round %d", count)
    context.continue_as_new(count + 1)


async def moves(context: OrchestrationContext) -> str:
    if context.version != "2":
        context.continue_as_new(None, version="2")
    return context.version or ""


async def grows(context: OrchestrationContext, data: str) -> None:
    context.continue_as_new(data * 10)


def turns(hub: KindHub, count: int) -> None:
    for _ in range(count):
        hub.step()


def test_what_continues_without_end_can_be_terminated() -> None:
    hub = crowded(KindHub(endless))
    hub.start("endless", 0)
    turns(hub, 5)
    hub.send("one", "terminate", "enough", False)
    hub.run()
    assert (hub.status(), hub.output()) == ("Terminated", "enough")


def test_what_continues_without_end_can_be_suspended_and_resumed() -> None:
    hub = crowded(KindHub(endless))
    hub.start("endless", 0)
    turns(hub, 5)
    hub.send("one", "suspend", "enough")
    hub.run()
    before = hub.history()[0].input
    assert hub.status() == "Suspended"
    hub.crash().run()
    crowded(hub).send("one", "resume", "")
    turns(hub, 5)
    assert hub.status() == "Running" and hub.history()[0].input > before


def test_an_execution_that_another_worker_begins_is_no_replay(caplog: pytest.LogCaptureFixture) -> None:
    hub = crowded(KindHub(endless))
    hub.start("endless", 0)
    turns(hub, 3)
    waiting = hub.history()[0].input
    crowded(hub.crash())
    with caplog.at_level(logging.WARNING):
        turns(hub, 1)
    assert f"round {waiting}" in caplog.text


def test_continuing_in_a_later_commit_as_a_version_that_nobody_serves() -> None:
    hub = crowded(KindHub(moves))
    hub.start("moves")
    hub.run(50)  # it comes to rest
    assert hub.status() == "Pending" and "one" in hub.blocked
    hub.register(moves, version="2")
    hub.crash().run()
    assert hub.output() == "2" and not hub.blocked


def test_an_input_that_is_too_large_fails_the_instance() -> None:
    hub = KindHub(grows, payload_bytes_max=5_000)
    hub.start("grows", "x" * 100)
    hub.run()
    failure = hub.record().failure
    assert failure is not None and failure["type"].endswith("PayloadTooLarge")
    assert hub.names() == ["ExecutionStarted", "ExecutionCompleted"]
