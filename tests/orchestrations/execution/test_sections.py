"""Critical sections: what is sent, and what is refused, in the words of Durable Functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stead.entities import EntityId
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.sections import CriticalSections
from stead.orchestrations._history.errors import CriticalSectionError
from stead.orchestrations._history.event_table import fields_of
from stead.orchestrations._history.events import (
    EntityLockRequested,
    EntityOperationSignaled,
    EntityUnlockSent,
)
from stead.transport import InvalidInput
from support.instance_driver import START_MS, Driver, begin, done, failure_of, only, raised, result_of, scheduled

A, B, C = EntityId("Account", "a"), EntityId("Account", "b"), EntityId("Account", "c")


async def test_locks_are_asked_for_in_order_and_given_back() -> None:
    async def flow(context: OrchestrationContext) -> list[bool]:
        seen = [context.is_locked]
        async with context.lock_entities(B, A, B):
            seen.append(context.is_locked)
            await asyncio.gather(context.call_entity(A, "take", 5), context.call_entity(B, "give", 5))
            context.signal_entity(C, "note")
            await context.call_activity("mail")
        return [*seen, context.is_locked]

    execution = begin(flow)
    (request,) = scheduled(execution)
    lock = b"0123456789abcdef.1"
    assert request == EntityLockRequested(START_MS, 1, lock, ["@account@a", "@account@b"])
    execution.feed(done(request))
    first, second = scheduled(execution)
    assert fields_of(first) == ("@account@a", "take", [5], None, lock)
    assert second.lock == lock
    execution.feed(done(first))
    execution.feed(done(second))
    signal, mail = scheduled(execution)
    assert isinstance(signal, EntityOperationSignaled)
    execution.feed(done(mail))
    (release,) = scheduled(execution)
    assert (type(release), fields_of(release)) == (EntityUnlockSent, (lock, ["@account@a", "@account@b"], True))
    assert result_of(execution) == [False, True, False]


async def nested(context: OrchestrationContext) -> None:
    async with context.lock_entities(B):
        pass


async def sub_orchestration(context: OrchestrationContext) -> None:
    await context.call_sub_orchestrator("child")


async def signal(context: OrchestrationContext) -> None:
    context.signal_entity(A, "go")


async def called_twice(context: OrchestrationContext) -> None:
    context.call_entity(A, "go")
    context.call_entity(A, "go")


async def not_locked(context: OrchestrationContext) -> None:
    context.call_entity(C, "go")


VIOLATIONS: dict[str, Callable[[OrchestrationContext], Coroutine[Any, Any, None]]] = {
    "Must not enter another critical section from within a critical section.": nested,
    "While holding locks, cannot call suborchestrators.": sub_orchestration,
    "Must not signal a locked entity from a critical section.": signal,
    "Must not call an entity from a critical section while a prior call to the same entity is still pending.": called_twice,
    "Must not call an entity from a critical section if it is not one of the locked entities.": not_locked,
}


@pytest.mark.parametrize("message", VIOLATIONS)
async def test_what_a_section_does_not_allow(message: str) -> None:
    async def flow(context: OrchestrationContext) -> str:
        async with context.lock_entities(A, B):
            try:
                await VIOLATIONS[message](context)
            except CriticalSectionError as error:
                return str(error)
        return "allowed"

    execution = begin(flow)
    execution.feed(done(only(execution)))
    assert result_of(execution) == message


async def test_calls_wait_for_the_lock() -> None:
    async def flow(context: OrchestrationContext) -> str:
        async def locks() -> None:
            async with context.lock_entities(A):
                await context.call_activity("x")

        holder = asyncio.get_running_loop().create_task(locks())
        await asyncio.sleep(0)
        try:
            await context.call_entity(A, "go")
        except CriticalSectionError as error:
            holder.cancel()
            await asyncio.wait([holder])
            return str(error)
        return "allowed"

    execution = begin(flow)
    request, release = scheduled(execution)
    assert fields_of(release) == (request.lock, request.entity_ids, False)
    assert result_of(execution) == "Must await the completion of the lock request prior to calling any entity."


async def test_no_entities_and_no_ids_are_refused() -> None:
    async def nothing(context: OrchestrationContext) -> None:
        context.lock_entities()

    async def text(context: OrchestrationContext) -> None:
        context.lock_entities("@account@a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert failure_of(begin(nothing)).error_type == "ValueError"
    assert failure_of(begin(text)).is_caused_by(InvalidInput)


async def test_a_lock_that_is_given_up_while_waiting_is_released_along_the_chain() -> None:
    async def flow(context: OrchestrationContext) -> str:
        try:
            async with asyncio.timeout(5), context.lock_entities(A, B):
                return "locked"
        except TimeoutError:
            await context.call_entity(A, "go")  # not in a section any more
            return "late"

    execution = begin(flow)
    timer, request = scheduled(execution)
    execution.feed(done(timer))
    release, call = execution.take()
    assert fields_of(release) == (request.lock, request.entity_ids, False)
    assert not execution.accepts(done(request))
    execution.feed(done(call))
    assert result_of(execution) == "late"


async def test_an_error_in_the_section_releases() -> None:
    async def flow(context: OrchestrationContext) -> None:
        async with context.lock_entities(A):
            raise LookupError("inside")

    execution = begin(flow)
    execution.feed(done(only(execution)))
    (release,) = scheduled(execution)
    assert isinstance(release, EntityUnlockSent)
    assert failure_of(execution).error_type == "LookupError"


@pytest.mark.hazard(13)
async def test_dropping_the_code_releases_nothing() -> None:
    async def flow(context: OrchestrationContext) -> None:
        async with context.lock_entities(A):
            await context.wait_for_external_event("never")

    held = begin(flow)
    held.feed(done(only(held)))
    held.close()
    waiting = begin(flow)
    assert len(scheduled(waiting)) == 1
    waiting.close()
    assert held.take() == waiting.take() == []


async def test_sections_replay() -> None:
    async def flow(context: OrchestrationContext) -> str:
        for _ in range(3):
            async with context.lock_entities(A, B):
                await context.call_entity(A, "go")
                await context.wait_for_external_event("next")
        return "end"

    drivers = [Driver(flow), Driver(flow, replay_every_turn=True)]
    for driver in drivers:
        for n in range(3):
            driver.raise_event("next", n, after_ms=n * 7)
        assert driver.run() is not None
    assert drivers[0].log == drivers[1].log


def test_the_rules_alone() -> None:
    section = CriticalSections()
    section.check_enter()
    section.begin_call("@a@a")()
    section.enter(b"1", ("@a@a", "@a@b"))
    section.granted = True
    over = section.begin_call("@a@a")
    section.begin_call("@a@b")
    over()
    section.begin_call("@a@a")
    section.leave()
    section.check_signal("@a@a")
    section.check_sub_orchestration()


async def test_a_call_that_is_cancelled_frees_its_entity() -> None:
    async def flow(context: OrchestrationContext) -> str:
        async with context.lock_entities(A):
            call = context.call_entity(A, "slow")
            await context.wait_for_external_event("stop")
            call.cancel()
            return str(await context.call_entity(A, "quick"))

    execution = begin(flow)
    execution.feed(done(only(execution)))
    assert len(scheduled(execution)) == 1
    execution.feed(raised("stop"))
    execution.feed(done(scheduled(execution)[-1], "ok"))
    assert result_of(execution) == "ok"
