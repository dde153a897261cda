"""Instances from their start to their end, however messages are batched and whatever is forgotten in between."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import time
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import EntityId
from stead.orchestrations import ActivityFailed
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.record import decode_instance_record
from stead.transport import Settings, pack
from support.kind_bench import CALLER, KindHub, messages_to
from support.kind_modes import Make


def greet(name: str) -> str:
    return f"hello {name}"


def square(number: int) -> int:
    return number * number


async def hello(context: OrchestrationContext, names: list[str]) -> list[str]:
    return [await context.call_activity("greet", name) for name in names]


async def together(context: OrchestrationContext, count: int) -> int:
    return sum(await asyncio.gather(*(context.call_activity("square", number) for number in range(count))))


async def patient(context: OrchestrationContext) -> list[Any]:
    return [await context.wait_for_external_event("go") for _ in range(2)]


async def sleepy(context: OrchestrationContext) -> str:
    await context.create_timer(datetime.timedelta(seconds=10))
    return context.now.isoformat()


async def parent(context: OrchestrationContext, name: str) -> object:
    return await context.call_sub_orchestrator(name, [])


async def breaks(context: OrchestrationContext) -> None:
    raise ValueError("no")


def test_activities_one_after_the_other(make: Make) -> None:
    hub = make(hello)
    hub.activities["greet"] = greet
    hub.start("hello", ["a", "b"])
    hub.run()
    assert hub.output() == ["hello a", "hello b"]
    assert hub.names() == [
        "ExecutionStarted", "TaskScheduled", "TaskCompleted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"
    ]  # fmt: skip
    assert hub.record().history_length == 6
    assert not (hub.tasks or hub.timers or hub.reserved or hub.inbox)


@pytest.mark.hazard(17)
def test_a_fan_out_larger_than_a_commit(make: Make) -> None:
    hub = make(together, batch_length_max=10)
    hub.activities["square"] = square
    hub.start("together", 100)
    hub.run()
    assert hub.output() == sum(number * number for number in range(100))
    assert max(len(commit.tasks) for commit in hub.commits) <= 10


@pytest.mark.hazard(17)
def test_a_crash_in_the_middle_of_a_fan_out() -> None:
    hub = KindHub(together, batch_length_max=10)
    hub.activities["square"] = square
    hub.run_tasks = False
    hub.start("together", 35)
    hub._receive()
    for _ in range(2):
        hub.kind.run(hub.activations["one"], hub.effects, hub.slice)
        hub.commit()
    assert len(hub.tasks) == 20
    hub.run_tasks = True
    hub.crash().run()
    assert hub.output() == sum(number * number for number in range(35))
    assert len([name for name in hub.names() if name == "TaskScheduled"]) == 35


def test_an_unknown_activity_fails_at_once(make: Make) -> None:
    hub = make(hello)
    hub.start("hello", ["a"])
    hub.run()
    assert hub.status() == "Failed"
    failure = hub.record().failure
    assert failure is not None and failure["type"].endswith("ActivityFailed")
    assert failure["cause"]["type"].endswith("ActivityNotFound")
    assert not hub.tasks


async def some_refused(context: OrchestrationContext) -> list[int]:
    ended: list[int] = []

    async def one(number: int) -> None:
        with contextlib.suppress(ActivityFailed):
            await context.call_activity("square" if number % 2 else "unknown", number)
        ended.append(number)

    await asyncio.gather(*(one(number) for number in range(12)))
    at_first = list(ended)
    context.signal_entity(EntityId("Order", "seen"), "set", at_first)
    await context.wait_for_external_event("go")
    return at_first


@pytest.mark.parametrize("length", [2, 3, 5, 8])
@pytest.mark.parametrize("commits", [1, 2, 3, 5])
def test_a_crash_in_a_fan_out_of_which_some_is_refused(length: int, commits: int) -> None:
    hub = KindHub(some_refused, batch_length_max=length)
    hub.activities["square"] = square
    hub.start("some_refused")
    for _ in range(commits):
        hub.step()
    hub.crash().run()  # results of what was scheduled come while the rest is still to be
    (seen,) = messages_to(hub, "@order@seen")
    hub.send("one", "event", "go", None)
    hub.crash().run()
    assert hub.output() == seen.args[0]


def test_events_come_in_their_order_and_are_kept(make: Make) -> None:
    hub = make(patient)
    hub.start("patient")
    for number in range(3):
        hub.send("one", "event", "GO", number)
    hub.run()
    assert hub.output() == [0, 1]
    hub.send("one", "event", "go", 3)
    hub.run()
    assert hub.names()[-1] == "ExecutionCompleted"
    assert not hub.dead


async def test_code_that_holds_the_worker_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = App("slow", settings=Settings(determinism="off"))

    @app.orchestration
    async def blocks(context: OrchestrationContext) -> str:
        time.sleep(0.1)
        return "done"

    async with TestHub(app) as hub:
        await hub.client.start_new(blocks, instance_id="one")
        await hub.run_until_idle()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "stead.worker"]
    assert re.match(r"one: a turn of orchestration blocks held the worker for [1-9]\d{2,} ms", line)


def test_a_timer(make: Make) -> None:
    hub = make(sleepy)
    hub.start("sleepy")
    hub.run()
    assert hub.status() == "Running"
    hub.advance(9_999)
    assert hub.status() == "Running"
    hub.advance(1)
    assert hub.output() == "2026-01-01T00:00:10+00:00"
    assert not hub.timers


def test_what_is_pending_at_the_end_is_called_off(make: Make) -> None:
    async def hasty(context: OrchestrationContext) -> str:
        context.create_timer(datetime.timedelta(hours=1))
        context.call_activity("greet", "x")
        await context.wait_for_external_event("go")
        return "done"

    hub = make(hasty)
    hub.run_tasks = False
    hub.activities["greet"] = greet
    hub.start("hasty")
    hub.run()
    assert len(hub.timers) == len(hub.tasks) == 1
    hub.send("one", "event", "go", None)
    hub.run()
    assert hub.output() == "done"
    assert not hub.timers and not hub.tasks


def test_waiting_clients_are_told(make: Make) -> None:
    hub = make(patient)
    hub.send("one", "wait", reply_to=CALLER)
    hub.run()
    assert hub.replies == [(1, "unknown")]
    hub.start("patient")
    hub.send("one", "wait", reply_to=CALLER._replace(call_id=2))
    hub.run()
    assert len(hub.replies) == 1
    for _ in range(2):
        hub.send("one", "event", "go", 5)
    hub.run()
    call_id, record = hub.replies[-1]
    assert call_id == 2 and decode_instance_record(record) == hub.record()
    hub.send("one", "wait", reply_to=CALLER._replace(call_id=3))
    hub.run()
    assert hub.replies[-1] == (3, record)


def test_children_answer_their_parents(make: Make) -> None:
    hub = make(parent, hello, breaks)
    hub.start("parent", "hello")
    hub.start("parent", "breaks", "two")
    hub.run()
    assert hub.output() == []
    child = hub.history()[1].instance_id
    assert hub.record(child).parent is not None and hub.status(child) == "Completed"
    assert hub.status("two") == "Failed"


def test_a_locked_section_is_given_back(make: Make) -> None:
    async def section(context: OrchestrationContext) -> str:
        async with context.lock_entities(EntityId("a", "1"), EntityId("b", "2")):
            await context.wait_for_external_event("go")
        return "done"

    hub = make(section)
    hub.start("section")
    hub.run()
    (request,) = hub.outgoing
    assert (request.target, request.operation) == ("@a@1", "!lock")
    hub.answer(request)
    hub.run()
    hub.send("one", "event", "go", None)
    hub.run()
    lock = request.args[0]
    assert [(m.target, m.operation, m.args) for m in hub.outgoing[1:]] == [
        ("@a@1", "!release", [lock, ["@a@1", "@b@2"], 0, True]),
        ("@b@2", "!release", [lock, ["@a@1", "@b@2"], 1, True]),
    ]
    assert hub.output() == "done"


def test_a_lock_goes_with_its_instance(make: Make) -> None:
    async def section(context: OrchestrationContext) -> None:
        async with context.lock_entities(EntityId("a", "1"), EntityId("b", "2")):
            await context.wait_for_external_event("go")

    for granted in (True, False):
        hub = make(section)
        hub.start("section")
        hub.run()
        if granted:
            hub.answer(hub.outgoing[0])
            hub.run()
        hub.send("one", "terminate", "enough", True)
        hub.run()
        releases = [(m.target, m.args[2:]) for m in hub.outgoing if m.operation == "!release"]
        expected = [("@a@1", [0, True]), ("@b@2", [1, True])] if granted else [("@a@1", [0, False])]
        assert releases == expected
        assert hub.status() == "Terminated"


def test_a_result_that_is_too_large_fails_the_instance(make: Make) -> None:
    async def large(context: OrchestrationContext, count: int) -> str:
        return "x" * count

    hub = make(large, payload_bytes_max=2_000)
    hub.start("large", 1_500)
    hub.start("large", 2_500, "two")
    hub.run()
    assert (hub.status(), hub.status("two")) == ("Completed", "Failed")
    failure = hub.record("two").failure
    assert failure is not None and failure["type"].endswith("PayloadTooLarge")


def test_a_history_has_a_limit(make: Make) -> None:
    async def endless(context: OrchestrationContext) -> None:
        while True:
            await context.call_activity("greet", "x")

    hub = make(endless, history_length_max=50)
    hub.activities["greet"] = greet
    hub.start("endless")
    hub.run()
    failure = hub.record().failure
    assert failure is not None and failure["type"].endswith("HistoryTooLong")
    assert hub.record().history_length < 60


def test_a_custom_status_has_a_limit(make: Make) -> None:
    async def speaks(context: OrchestrationContext, length: int) -> None:
        context.set_custom_status("x" * length)
        await context.wait_for_external_event("go")

    hub = make(speaks, custom_status_bytes_max=256)
    hub.start("speaks", 200)
    hub.start("speaks", 300, "two")
    hub.run()
    assert hub.record().custom_status == "x" * 200
    assert hub.status("two") == "Failed"


def test_what_cannot_be_read_is_a_dead_letter(make: Make) -> None:
    hub = make(hello)
    hub.send("one", "dance")
    hub.send("one", "start", 1)
    hub.send("one", "task", 1)
    hub.send("one", "timer")
    hub.send("one", "event")
    hub.run()
    assert len(hub.dead) == 5 and not hub.inbox and not hub.states


def test_messages_for_nobody_are_dropped(make: Make) -> None:
    hub = make(hello)
    late: dict[str, list[object]] = {
        "event": ["go", 1], "terminate": ["", True], "suspend": [""], "resume": [""], "rewind": [""], "go-on": [],
        "task": ["e", 1, True, None], "timer": ["e", 1, 5], "purge-due": ["e"], "purge": [False],
    }  # fmt: skip
    for operation, args in late.items():
        hub.send("one", operation, *args)
    hub.send("one", "purge", False, reply_to=CALLER)
    hub.run()
    assert not hub.dead and not hub.inbox and not hub.states
    assert hub.replies == [(1, False)]


def test_a_poisonous_message_fails_the_instance() -> None:
    from stead.entities.extending import Failure, Pending, decode_message

    async def section(context: OrchestrationContext) -> None:
        async with context.lock_entities(EntityId("a", "1")):
            pass

    hub = KindHub(section)
    hub.start("section")
    hub.run()
    hub.send("one", "event", "go", 1)
    stream_id, envelope = hub.inbox[0]
    pending = Pending(stream_id, envelope, decode_message(envelope), False)
    activation = hub.activation("one")
    hub.kind.poisoned(activation, pending, Failure("poison", "PoisonMessage", "3 workers"), hub.effects)
    hub.effects.consume(activation, pending)
    hub.commit()
    assert hub.status() == "Failed"
    assert [message.operation for message in messages_to(hub, "@a@1")] == ["!lock", "!release"]
    hub.start("section", instance_id="two")
    stream_id, envelope = hub.inbox[0]
    pending = Pending(stream_id, envelope, decode_message(envelope), False)
    hub.kind.poisoned(hub.activation("two"), pending, Failure("poison", "PoisonMessage", "3 workers"), hub.effects)
    hub.commit()
    assert hub.status("two") == "Failed" and not hub.reserved


def test_a_history_of_a_newer_stead_waits() -> None:
    hub = KindHub(patient)
    hub.start("patient")
    hub.run()
    hub.logs["one"].append(pack((250, 1, 0)))
    hub.crash()
    hub.send("one", "event", "go", 1)
    hub.run()
    assert "event type 250" in hub.blocked["one"] and len(hub.inbox) == 1


class DamagedHub(KindHub):
    """Whose histories need not be well formed."""

    def check(self) -> None: ...


@pytest.mark.parametrize("damaged", [(7, 1, 1), (6, 1, 1, "work"), (12, 1, 3, 5), (0, 1, 0, "patient"), (99,)])
def test_a_damaged_history_blocks_its_instance_and_no_other(damaged: tuple[object, ...]) -> None:
    hub = DamagedHub(patient)
    for instance_id in ("one", "two"):
        hub.start("patient", instance_id=instance_id)
    hub.run()
    hub.logs["one"].append(pack(damaged))
    hub.crash()
    for instance_id in ("one", "two", "one", "two"):
        hub.send(instance_id, "event", "go", 1)
    for _ in range(3):
        hub.step()
    assert list(hub.blocked) == ["one"] and "history" in hub.blocked["one"]
    assert hub.status("two") == "Completed" and hub.status("one") == "Running"
