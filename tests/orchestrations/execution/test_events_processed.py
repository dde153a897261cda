"""Which external events the next execution finds again: those of which the code could not have known."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.outcome import ContinuedAsNew
from stead.orchestrations._history.events import TaskScheduled
from support.instance_driver import begin, done, failed, raised, scheduled

Look = Callable[[OrchestrationContext, Any], Coroutine[Any, Any, None]]


def left(look: Look, *, keep: bool = True, with_error: bool = False, name: str = "go") -> list[tuple[str, Any]]:
    """What the next execution finds of an event, after the code had this look at its wait for it, and something else."""

    async def flow(context: OrchestrationContext) -> None:
        event = context.wait_for_external_event("go", int)
        await look(context, event)
        context.continue_as_new(None, preserve_unprocessed_events=keep)

    execution = begin(flow)
    execution.feed(raised(name, "no number" if with_error else 1))
    for call in scheduled(execution):
        if execution.outcome is None and isinstance(call, TaskScheduled):
            execution.feed(failed(call, ValueError()) if call.name == "fails" else done(call))
    assert isinstance(execution.outcome, ContinuedAsNew), execution.outcome
    return list(execution.outcome.events)


async def waits_for_the_first(context: OrchestrationContext, event: Any) -> None:
    done, _ = await asyncio.wait([event, context.create_timer(timedelta(hours=1))], return_when="FIRST_COMPLETED")
    assert event in done


async def waits_for_it(context: OrchestrationContext, event: Any) -> None:
    await event


async def waits_for_what_is_there(context: OrchestrationContext, event: Any) -> None:
    await context.call_activity("x")
    await event


async def gathers(context: OrchestrationContext, event: Any) -> None:
    await asyncio.gather(event, context.call_activity("x"))


async def gathers_what_it_is(context: OrchestrationContext, event: Any) -> None:
    await asyncio.gather(event, return_exceptions=True)


async def takes_the_first(context: OrchestrationContext, event: Any) -> None:
    for first in asyncio.as_completed([event, context.create_timer(timedelta(hours=1))]):
        await first
        return


async def waits_for_a_while(context: OrchestrationContext, event: Any) -> None:
    await asyncio.wait_for(event, 60)


async def shields(context: OrchestrationContext, event: Any) -> None:
    await asyncio.shield(event)


async def polls(context: OrchestrationContext, event: Any) -> None:
    while not event.done():
        await context.call_activity("x")


async def asks_for_an_error(context: OrchestrationContext, event: Any) -> None:
    await context.call_activity("x")
    assert event.exception() is None


async def cancels_too_late(context: OrchestrationContext, event: Any) -> None:
    await context.call_activity("x")
    assert not event.cancel()


async def is_called_back(context: OrchestrationContext, event: Any) -> None:
    told = asyncio.Event()

    def call_back(_: object) -> None:
        told.set()

    event.add_done_callback(call_back)
    await told.wait()


def tell(told: asyncio.Event, _: object) -> None:
    told.set()


async def is_called_back_in_parts(context: OrchestrationContext, event: Any) -> None:
    told = asyncio.Event()
    event.add_done_callback(functools.partial(tell, told))
    await told.wait()


async def is_told_by_a_queue(context: OrchestrationContext, event: Any) -> None:
    queue: asyncio.Queue[Any] = asyncio.Queue()
    for each in (event, context.create_timer(timedelta(hours=1))):
        each.add_done_callback(queue.put_nowait)
    assert await queue.get() is event


async def is_told_by_a_queue_in_parts(context: OrchestrationContext, event: Any) -> None:
    queue: asyncio.Queue[Any] = asyncio.PriorityQueue()
    event.add_done_callback(functools.partial(queue.put_nowait))
    await queue.get()


async def has_asyncio_ask(context: OrchestrationContext, event: Any) -> None:
    condition = asyncio.Condition()

    async def look_again() -> None:
        await context.call_activity("x")
        async with condition:
            condition.notify_all()

    looking = asyncio.ensure_future(look_again())
    async with condition:
        await condition.wait_for(event.done)
    await looking


async def has_a_group(context: OrchestrationContext, event: Any) -> None:
    async def wait() -> None:
        await event

    async with asyncio.TaskGroup() as group:
        group.create_task(wait())


async def looks_at_both_of_a_name(context: OrchestrationContext, event: Any) -> None:
    second = context.wait_for_external_event("go")
    await asyncio.wait([second, event], return_when="FIRST_COMPLETED")


@pytest.mark.parametrize(
    "look",
    [
        *(
            waits_for_the_first,
            waits_for_it,
            waits_for_what_is_there,
            gathers,
            gathers_what_it_is,
            takes_the_first,
            waits_for_a_while,
            shields,
        ),
        *(polls, asks_for_an_error, cancels_too_late, is_called_back, is_called_back_in_parts, has_a_group),
        *(looks_at_both_of_a_name, is_told_by_a_queue, is_told_by_a_queue_in_parts, has_asyncio_ask),
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_an_event_of_which_the_code_could_know_is_processed(look: Look, keep: bool) -> None:
    assert left(look, keep=keep) == []


async def looks_away(context: OrchestrationContext, event: Any) -> None:
    await context.call_activity("x")


async def gathers_with_what_fails(context: OrchestrationContext, event: Any) -> None:
    with pytest.raises(Exception, match="fails"):
        await asyncio.gather(event, context.call_activity("fails"))


async def waits_for_more_than_comes(context: OrchestrationContext, event: Any) -> None:
    waiting = asyncio.ensure_future(asyncio.wait([event, context.wait_for_external_event("other")]))
    await context.call_activity("x")
    waiting.cancel()
    await asyncio.wait([waiting])


async def cancels_a_gathering(context: OrchestrationContext, event: Any) -> None:
    other: asyncio.Future[Any] = context.wait_for_external_event("other")
    gathering: asyncio.Future[list[Any]] = asyncio.gather(*[event, other])
    await context.call_activity("x")
    gathering.cancel()
    await asyncio.wait([gathering])


async def gives_a_shield_up(context: OrchestrationContext, event: Any) -> None:
    asyncio.shield(event).cancel()
    await context.call_activity("x")


async def takes_its_callback_back(context: OrchestrationContext, event: Any) -> None:
    def call_back(_: object) -> None:
        raise AssertionError("it was taken back")

    event.add_done_callback(call_back)
    assert event.remove_done_callback(call_back) == 1
    await context.call_activity("x")


UNKNOWN = [
    *(looks_away, gathers_with_what_fails, waits_for_more_than_comes, cancels_a_gathering, gives_a_shield_up),
    takes_its_callback_back,
]


@pytest.mark.parametrize("look", UNKNOWN)
def test_an_event_of_which_the_code_could_not_know_is_kept(look: Look) -> None:
    assert left(look) == [("go", 1)]


@pytest.mark.parametrize("look", UNKNOWN)
def test_nothing_is_kept_that_the_code_does_not_want(look: Look) -> None:
    assert left(look, keep=False) == []


async def gathers_and_catches(context: OrchestrationContext, event: Any) -> None:
    with pytest.raises(Exception, match="event 'go'"):
        await asyncio.gather(event, context.call_activity("x"))


async def catches(context: OrchestrationContext, event: Any) -> None:
    with pytest.raises(Exception, match="event 'go'"):
        await event


async def asks_for_its_error(context: OrchestrationContext, event: Any) -> None:
    done, _ = await asyncio.wait([event])
    assert [type(each.exception()).__name__ for each in done] == ["InvalidInput"]


@pytest.mark.parametrize("look", [catches, gathers_and_catches, asks_for_its_error])
def test_an_event_that_is_not_of_its_type_is_processed_by_its_error(look: Look) -> None:
    assert left(look, with_error=True) == []


def test_a_wait_that_was_given_up_takes_no_event() -> None:
    async def flow(context: OrchestrationContext) -> None:
        try:
            await asyncio.wait_for(context.wait_for_external_event("go"), 60)
        except TimeoutError:
            await context.call_activity("x")
        context.continue_as_new(None)

    execution = begin(flow)
    (timer,) = scheduled(execution)
    execution.feed(done(timer))
    execution.feed(raised("go", 1))
    (call,) = scheduled(execution)
    execution.feed(done(call))
    assert execution.outcome == ContinuedAsNew(None, None, [("go", 1)])


def test_of_two_events_of_a_name_only_the_seen_one_is_processed() -> None:
    async def flow(context: OrchestrationContext) -> None:
        first, _ = (context.wait_for_external_event("go") for _ in range(2))
        await asyncio.wait([first])
        await context.call_activity("x")
        context.continue_as_new(None)

    execution = begin(flow)
    execution.feed(raised("go", 1))
    execution.feed(raised("GO", 2))
    (call,) = scheduled(execution)
    execution.feed(done(call))
    assert execution.outcome == ContinuedAsNew(None, None, [("GO", 2)])
