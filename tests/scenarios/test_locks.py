"""Critical sections: nobody else gets in, the lock always goes, and everybody else's messages wait their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId, OperationFailed
from stead.orchestrations import OrchestrationContext, RuntimeStatus

MakeHub = Callable[[App], TestHub]

app = App("locks")


@app.entity
class Account(Entity):
    balance: int = 0

    def add(self, amount: int) -> int:
        if self.balance + amount < 0:
            raise ValueError("not enough")
        self.balance += amount
        return self.balance


A, B, C = (EntityId(Account, key) for key in "abc")


@app.orchestration
async def hold(context: OrchestrationContext, how: str) -> str:
    """Locks two accounts, does something, and leaves in different ways."""
    async with context.lock_entities(B, A):
        assert context.is_locked
        await context.call_entity(Account.add, "a", -1)
        match how:
            case "return":
                return "returned"
            case "raise":
                raise ValueError("on purpose")
            case "anew":
                context.continue_as_new("short")
                return ""
            case "month":
                await context.create_timer(timedelta(days=30))
            case "short":
                pass
            case _:
                await context.wait_for_external_event("leave")
        await context.call_entity(Account.add, "b", 1)
    assert not context.is_locked
    return "left"


@app.orchestration
async def hold_or_give_up(context: OrchestrationContext, keys: list[str]) -> str:
    """Gives up waiting for the locks after a minute."""
    try:
        async with asyncio.timeout(60), context.lock_entities(*(EntityId(Account, key) for key in keys)):
            return "locked"
    except TimeoutError:
        return "gave up"


@app.orchestration
async def both_ways(context: OrchestrationContext, keys: tuple[str, str]) -> None:
    """Half of these name the accounts the other way round: no deadlock."""
    first, second = keys
    async with context.lock_entities(EntityId(Account, first), EntityId(Account, second)):
        await context.call_entity(Account.add, first, -1)
        await context.call_entity(Account.add, second, 1)


@app.orchestration
async def in_parallel(context: OrchestrationContext) -> list[int]:
    async with context.lock_entities(A, B, A):
        context.signal_entity(Account.add, "c", 7)  # not a locked one
        return list(
            await asyncio.gather(context.call_entity(Account.add, "a", 1), context.call_entity(Account.add, "b", 2))
        )


@app.orchestration
async def fails_inside(context: OrchestrationContext) -> str:
    async with context.lock_entities(A):
        try:
            await context.call_entity(Account.add, "a", -1_000_000)
        except OperationFailed as error:
            return error.message
    return "?"


@app.orchestration
async def breaks_a_rule(context: OrchestrationContext, rule: str) -> None:
    async with context.lock_entities(A, B):
        match rule:
            case "nested":
                async with context.lock_entities(C):
                    pass
            case "child":
                await context.call_sub_orchestrator(hold, "return")
            case "signal":
                context.signal_entity(Account.add, "a", 1)
            case "other":
                await context.call_entity(Account.add, "c", 1)
            case "twice":
                await asyncio.gather(context.call_entity(Account.add, "a", 1), context.call_entity(Account.add, "a", 1))
            case _:
                pass


async def free(hub: TestHub, *keys: str) -> None:
    """Assert that these accounts answer."""
    for key in keys:
        await hub.client.call_entity(Account.add, key, 0)


async def fill(hub: TestHub) -> None:
    for key in "abc":
        await hub.client.signal_entity(Account.add, key, 100)
    await hub.run_until_idle()


async def balances(hub: TestHub) -> dict[str, int]:
    return {entity_id.key: account.balance async for entity_id, account in hub.client.list_entities(Account)}


@pytest.mark.hazard(12)
@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("return", RuntimeStatus.COMPLETED),
        ("raise", RuntimeStatus.FAILED),
        ("anew", RuntimeStatus.COMPLETED),
        ("short", RuntimeStatus.COMPLETED),
    ],
)
async def test_whichever_way_a_section_is_left_the_locks_go(make_hub: MakeHub, how: str, end: RuntimeStatus) -> None:
    # Durable Functions #2743, #1977
    async with make_hub(app) as hub:
        await fill(hub)
        instance_id = await hub.client.start_new(hold, how)
        assert (await hub.client.wait_for_completion(instance_id)).runtime_status == end
        await free(hub, "a", "b")
        assert (await balances(hub))["a"] == (98 if how == "anew" else 99)


@pytest.mark.parametrize("suspended", [False, True])
async def test_the_locks_of_a_terminated_instance_go(make_hub: MakeHub, suspended: bool) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        instance_id = await hub.client.start_new(hold, "event")
        await hub.run_until_idle()
        if suspended:
            await hub.client.suspend(instance_id, "")
            await hub.run_until_idle()
        await hub.client.terminate(instance_id, "enough")
        await hub.client.wait_for_completion(instance_id)
        await free(hub, "a", "b")


async def test_whoever_is_terminated_while_it_waits_for_a_lock_never_gets_it(make_hub: MakeHub) -> None:
    # Durable Functions #2228: the release overtakes the request, and the lock stays for ever.
    async with make_hub(app) as hub:
        await fill(hub)
        first = await hub.client.start_new(hold, "event")
        await hub.run_until_idle()
        waiting = [await hub.client.start_new(hold, "event") for _ in range(3)]
        await hub.run_until_idle()
        for one in waiting:
            await hub.client.terminate(one, "")
        await hub.client.raise_event(first, "leave", None)
        for one in (first, *waiting):
            await hub.client.wait_for_completion(one)
        await free(hub, "a", "b")


async def test_start_and_terminate_of_a_holder_in_one_batch(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        await hub._driver.stop()
        for number in range(5):
            await hub.client.start_new(hold, "event", instance_id=f"h{number}")
            await hub.client.terminate(f"h{number}", "")
        await hub._driver.start()
        for number in range(5):
            await hub.client.wait_for_completion(f"h{number}")
        await free(hub, "a", "b")


async def test_giving_up_waiting_leaves_no_lock(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        first = await hub.client.start_new(hold, "event")
        await hub.run_until_idle()
        second = await hub.client.start_new(hold_or_give_up, ["a", "c"])
        third = await hub.client.start_new(hold_or_give_up, ["c", "b"])  # gets neither: it begins with the lowest
        await hub.advance(timedelta(minutes=2))
        assert (await hub.client.wait_for_completion(second)).output == "gave up"
        assert (await hub.client.wait_for_completion(third)).output == "gave up"
        await hub.client.raise_event(first, "leave", None)
        assert (await hub.client.wait_for_completion(first)).output == "left"
        await free(hub, "a", "b", "c")


async def test_a_lock_holds_for_a_month_and_over_crashes(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        instance_id = await hub.client.start_new(hold, "month")
        await hub.run_until_idle()
        await hub.client.signal_entity(Account.add, "a", 1_000)
        for _ in range(5):
            await hub.advance(timedelta(days=5))
            await hub.restart_worker()
        account = await hub.client.read_entity(Account, "a")  # reads do not wait
        assert account is not None
        assert account.balance == 99
        await hub.advance(timedelta(days=6))
        assert (await hub.client.wait_for_completion(instance_id)).output == "left"
        assert await balances(hub) == {"a": 1_099, "b": 101, "c": 100}


async def test_messages_of_others_wait_in_order(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        instance_id = await hub.client.start_new(hold, "event")
        await hub.run_until_idle()
        calls = [asyncio.ensure_future(hub.client.call_entity(Account.add, "a", 1)) for _ in range(1)]
        await asyncio.sleep(0)
        await hub.client.raise_event(instance_id, "leave", None)
        assert await asyncio.gather(*calls) == [100]


async def test_no_deadlock_whichever_way_round(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        pairs = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "a"), ("a", "c")] * 8
        started = [await hub.client.start_new(both_ways, pair) for pair in pairs]
        for instance_id in started:
            assert (await hub.client.wait_for_completion(instance_id)).runtime_status == RuntimeStatus.COMPLETED
        assert sum((await balances(hub)).values()) == 300
        await free(hub, "a", "b", "c")


async def test_calls_to_different_locked_entities_may_run_at_once(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        instance_id = await hub.client.start_new(in_parallel)
        assert (await hub.client.wait_for_completion(instance_id)).output == [101, 102]
        await free(hub, "a", "b")
        assert (await balances(hub))["c"] == 107


async def test_a_failing_operation_does_not_end_the_section(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        instance_id = await hub.client.start_new(fails_inside)
        assert (await hub.client.wait_for_completion(instance_id)).output == "not enough"
        await free(hub, "a")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("nested", "Must not enter another critical section from within a critical section."),
        ("child", "While holding locks, cannot call suborchestrators."),
        ("signal", "Must not signal a locked entity from a critical section."),
        (
            "other",
            "Must not call an entity from a critical section if it is not one of the locked entities.",
        ),
        (
            "twice",
            "Must not call an entity from a critical section while a prior call to the same entity is still pending.",
        ),
    ],
)
async def test_what_is_not_allowed_in_a_section_fails_and_unlocks(make_hub: MakeHub, rule: str, message: str) -> None:
    async with make_hub(app) as hub:
        await fill(hub)
        instance_id = await hub.client.start_new(breaks_a_rule, rule)
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.FAILED
        assert status.failure is not None
        assert status.failure.message == message
        await free(hub, "a", "b", "c")
