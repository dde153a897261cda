"""Continuing as new: a new history, with what was not processed and nothing else of the old one."""

from __future__ import annotations

import datetime

from stead.entities import EntityId
from stead.orchestrations._execution.context import OrchestrationContext
from support.kind_bench import CALLER
from support.kind_modes import Make


async def counts(context: OrchestrationContext, input: list[int]) -> list[int]:
    until, *seen = input
    seen.append(await context.wait_for_external_event("go"))
    if len(seen) < until:
        context.continue_as_new([until, *seen])
    return seen


def test_no_event_is_lost_when_it_continues_as_new(make: Make) -> None:
    hub = make(counts)
    hub.start("counts", [20])
    for number in range(10):
        hub.send("one", "event", "go", number)
    hub.send("one", "suspend", "")
    for number in range(10, 20):
        hub.send("one", "event", "go", number)
    hub.send("one", "resume", "")
    hub.run()
    assert hub.output() == list(range(20))
    assert hub.record().history_length == len(hub.history())


async def loops(context: OrchestrationContext, number: int) -> int:
    if number < 30:
        context.continue_as_new(number + 1)
    return number


def test_an_endless_loop_makes_room_for_others(make: Make) -> None:
    hub = make(loops)
    hub.slice.stop_at = 0
    hub.start("loops", 0)
    hub.run()
    assert hub.output() == 30
    assert len(hub.commits) >= 30


def test_a_worker_dies_while_an_instance_continues_as_new(make: Make) -> None:
    hub = make(loops)
    for _ in range(10):
        hub.slice.stop_at = 0
        if not hub.states:
            hub.start("loops", 0)
        hub._receive()
        hub.kind.run(hub.activation("one"), hub.effects, hub.slice)
        hub.commit()
        assert hub.status() == "Running"
        hub.crash()
    hub.run()
    assert hub.output() == 30


def test_an_old_execution_is_called_off_when_it_continues_as_new(make: Make) -> None:
    async def again(context: OrchestrationContext, round: int) -> str:
        context.set_custom_status(round)
        context.call_activity("slow")
        context.create_timer(datetime.timedelta(hours=1))
        if round == 1:
            await context.wait_for_external_event("stop")
            return "done"
        async with context.lock_entities(EntityId("a", "1")):
            context.continue_as_new(1)
            return ""

    hub = make(again)
    hub.run_tasks = False
    hub.activities["slow"] = lambda: None
    hub.start("again", 0, tags={"a": "b"})
    hub.run()
    (task_id,) = hub.tasks
    (old_timer,) = hub.timers
    hub.send("one", "wait", reply_to=CALLER)
    hub.answer(hub.outgoing[0])
    hub.run()
    assert task_id not in hub.tasks and len(hub.tasks) == 1 and old_timer not in hub.timers and len(hub.timers) == 1
    assert [message.operation for message in hub.outgoing] == ["!lock", "!release"]
    assert hub.record().tags == {"a": "b"} and not hub.replies
    hub.send("one", "event", "stop", None)
    hub.run()
    assert hub.output() == "done" and len(hub.replies) == 1
