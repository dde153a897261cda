"""External events: none is lost and none comes twice, whatever the orchestration is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import InstanceFinished, OrchestrationContext, RuntimeStatus

MakeHub = Callable[[App], TestHub]

app = App("events")


@app.orchestration
async def count_events(context: OrchestrationContext, state: tuple[int, int, bool]) -> int:
    """Durabletask-dotnet #387, literally: wait for an event, count, perhaps a zero timer, continue as new until N."""
    counted, wanted, pause = state
    await context.wait_for_external_event("Event")
    counted += 1
    if pause:
        await context.create_timer(timedelta(0))
    if counted < wanted:
        context.continue_as_new((counted, wanted, pause))
    return counted


@app.orchestration
async def sum_batches(context: OrchestrationContext, state: tuple[int, int]) -> int:
    """Takes up to three events an execution, and carries on what it has not taken."""
    total, left = state
    for _ in range(min(3, left)):
        total += await context.wait_for_external_event("add", int)
        left -= 1
    if left:
        context.continue_as_new((total, left))
    return total


@app.orchestration
async def forgetful(context: OrchestrationContext, executions: int) -> int:
    """Waits for nothing that was there before it began anew."""
    if executions:
        await context.wait_for_external_event("next")
        await context.create_timer(timedelta(minutes=1))
        context.continue_as_new(executions - 1, preserve_unprocessed_events=False)
        return 0
    try:
        async with asyncio.timeout(60):
            return await context.wait_for_external_event("data", int)
    except TimeoutError:
        return -1


@app.orchestration
async def in_order(context: OrchestrationContext, count: int) -> list[int]:
    return [await context.wait_for_external_event("Number", int) for _ in range(count)]


@app.orchestration
async def three_waiters(context: OrchestrationContext) -> list[str]:
    return list(await asyncio.gather(*(context.wait_for_external_event("x", str) for _ in range(3))))


@app.orchestration
async def given_up(context: OrchestrationContext) -> str:
    """A wait that was cancelled takes nothing."""
    try:
        async with asyncio.timeout(60):
            await context.wait_for_external_event("x", str)
    except TimeoutError:
        pass
    return await context.wait_for_external_event("x", str)


@app.orchestration
async def teller(context: OrchestrationContext, target: str) -> None:
    for number in range(10):
        context.send_event(target, "number", number)
    context.send_event("nobody", "number", 1)


@app.orchestration
async def selector(context: OrchestrationContext) -> str:
    """Whichever comes first, as often as they come."""
    got = ""
    while len(got) < 6:
        a, b = context.wait_for_external_event("a", str), context.wait_for_external_event("b", str)
        done, pending = await asyncio.wait({a, b}, return_when=asyncio.FIRST_COMPLETED)
        got += "".join(sorted(task.result() for task in done))
        for task in pending:
            task.cancel()
    return got


@pytest.mark.parametrize("pause", [False, True])
async def test_events_sent_fast_around_continue_as_new(make_hub: MakeHub, pause: bool) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(count_events, (0, 100, pause))
        await asyncio.gather(*(hub.client.raise_event(instance_id, "Event", None) for _ in range(100)))
        status = await hub.client.wait_for_completion(instance_id)
        assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, 100)


async def test_events_that_come_while_it_begins_anew(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(sum_batches, (0, 50))
        for number in range(50):
            await hub.client.raise_event(instance_id, "ADD", number)
            if number % 7 == 0:
                await hub.run_until_idle()
        assert (await hub.client.wait_for_completion(instance_id)).output == sum(range(50))


@pytest.mark.parametrize("at_once", [1, 7, 50])
async def test_a_producers_events_around_continue_as_new(make_hub: MakeHub, at_once: int) -> None:
    """However many of them come at once."""
    async with make_hub(app) as hub:
        ids = [await hub.client.start_new(sum_batches, (0, 50)) for _ in range(3)]
        async with hub.client.producer() as producer:
            for number in range(50):
                for instance_id in ids:
                    await producer.raise_event(instance_id, "add", number)
                if number % at_once == at_once - 1:
                    await producer.flush()
                    await hub.run_until_idle()
        for instance_id in ids:
            assert (await hub.client.wait_for_completion(instance_id)).output == sum(range(50))


async def test_events_are_dropped_where_that_is_wanted(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(forgetful, 1)
        await hub.client.raise_event(instance_id, "data", 5)
        await hub.client.raise_event(instance_id, "next", None)
        await hub.advance(timedelta(minutes=3))
        assert (await hub.client.wait_for_completion(instance_id)).output == -1


async def test_events_of_one_name_come_in_order_whatever_their_case(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(in_order, 40)
        for number in range(40):
            await hub.client.raise_event(instance_id, ("number", "NUMBER", "Number")[number % 3], number)
        assert (await hub.client.wait_for_completion(instance_id)).output == list(range(40))


async def test_whoever_waits_first_gets_the_first_event(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(three_waiters)
        await hub.run_until_idle()
        for text in ("first", "second", "third"):
            await hub.client.raise_event(instance_id, "x", text)
        assert (await hub.client.wait_for_completion(instance_id)).output == ["first", "second", "third"]


async def test_a_wait_that_timed_out_takes_no_event(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(given_up)
        await hub.advance(timedelta(minutes=2))
        await hub.client.raise_event(instance_id, "x", "late")
        assert (await hub.client.wait_for_completion(instance_id)).output == "late"


async def test_orchestrations_send_each_other_events(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        receiver = await hub.client.start_new(in_order, 10)
        sender = await hub.client.start_new(teller, receiver)
        assert (await hub.client.wait_for_completion(receiver)).output == list(range(10))
        assert (await hub.client.wait_for_completion(sender)).runtime_status == RuntimeStatus.COMPLETED


async def test_events_in_one_batch_count_one_by_one(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(selector)
        await hub._driver.stop()
        for name in "abbaab":
            await hub.client.raise_event(instance_id, name, name)
        await hub._driver.start()
        assert (await hub.client.wait_for_completion(instance_id)).output == "abbaab"


async def test_an_event_for_a_finished_instance_is_an_error(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(in_order, 0)
        await hub.client.wait_for_completion(instance_id)
        with pytest.raises(InstanceFinished):
            await hub.client.raise_event(instance_id, "number", 1)


async def test_a_suspended_instance_keeps_its_events(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(in_order, 6)
        await hub.client.raise_event(instance_id, "number", 0)
        await hub.client.suspend(instance_id, "lunch")
        for number in range(1, 6):
            await hub.client.raise_event(instance_id, "number", number)
        await hub.run_until_idle()
        status = await hub.client.get_status(instance_id)
        assert status is not None
        assert status.runtime_status == RuntimeStatus.SUSPENDED
        await hub.client.suspend(instance_id, "again")  # nothing happens
        await hub.client.resume(instance_id, "back")
        assert (await hub.client.wait_for_completion(instance_id)).output == list(range(6))
