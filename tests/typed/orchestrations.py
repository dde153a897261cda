"""What type checkers know of orchestrations and activities: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type
from uuid import UUID

from pydantic import BaseModel

from stead.app import App, SyncClient
from stead.entities import Entity, EntityId
from stead.orchestrations import (
    Activity,
    ActivityFailed,
    AsyncActivity,
    DurableTask,
    FailureDetails,
    InputOptional,
    InstanceId,
    InstanceProducer,
    InstanceSourceProducer,
    Orchestration,
    OrchestrationClient,
    OrchestrationContext,
    OrchestrationStatus,
    PlainActivity,
    RetryPolicy,
    RuntimeStatus,
    ScheduleOfStarts,
    ScheduleStatus,
)

app = App("typed")


class Expense(BaseModel):
    amount: float


class Station(Entity):
    count: int = 0

    def record(self, celsius: float, *, flag: bool = False) -> None:
        self.count += 1

    async def slow(self) -> Expense:
        return Expense(amount=1)

    def begin(self) -> None:
        assert_type(self.context.start_new(approval, Expense(amount=1)), str)
        assert_type(self.context.start_new("approval", instance_id="x"), str)


# -- definitions -------------------------------------------------------------------------------------------------------


@app.activity
async def request_approval(expense: Expense) -> None: ...


@app.activity(name="charge it", retry=RetryPolicy(max_attempts=3), queue="bank")
async def charge(expense: Expense, *, currency: str = "NOK") -> int:
    return 1


@app.activity
def square(number: int) -> int:
    return number * number


@app.activity(tags={"a": "b"})
def now() -> datetime:
    return datetime.now(UTC)


@app.orchestration
async def approval(context: OrchestrationContext, expense: Expense) -> str:
    return "fine"


@app.orchestration(name="Other", version="2.0")
async def many(context: OrchestrationContext, numbers: list[int]) -> list[float]:
    return [1.0]


@app.orchestration
async def greeting(context: OrchestrationContext, name: str = "you") -> str | None:
    return None


@app.orchestration(version="1")
async def optional(context: OrchestrationContext, number: int | None = None) -> int:
    return 1


@app.orchestration
async def nothing(context: OrchestrationContext) -> Expense:
    return Expense(amount=1)


@app.orchestration(retry=RetryPolicy(max_attempts=2))
async def pair(context: OrchestrationContext, both: tuple[int, float]) -> None: ...


@app.orchestration  # type: ignore[arg-type]
def plain(context: OrchestrationContext) -> int:
    return 1


@app.orchestration  # type: ignore[arg-type]
async def too_many(context: OrchestrationContext, one: int, two: int) -> int:
    return 1


@app.orchestration  # type: ignore[arg-type]
async def no_context(expense: Expense) -> int:
    return 1


@app.orchestration(version="2")  # type: ignore[arg-type]
def plain_too(context: OrchestrationContext) -> int:
    return 1


def definitions(context: OrchestrationContext) -> None:
    app.orchestration(version=2)  # type: ignore[call-overload]
    app.activity(retry=3)  # type: ignore[call-overload]
    assert_type(nothing, InputOptional[None, Expense])
    assert_type(greeting, InputOptional[str, str | None])
    assert_type(optional, InputOptional[int | None, int])
    assert_type(approval, Orchestration[Expense, str])
    assert_type(many, Orchestration[list[int], list[float]])
    assert_type(approval.with_options(version="2"), Orchestration[Expense, str])
    assert_type(approval.with_options(parent_close="cancel"), Orchestration[Expense, str])
    approval.with_options(parent_close="leave")  # type: ignore[arg-type]
    assert_type(greeting.with_options(instance_id="x", tags={"a": "b"}), InputOptional[str, str | None])
    assert_type(square(3), int)
    assert_type(now(), datetime)
    known: Activity[[int], int] = square
    assert_type(known.name, str)
    asynchronous: AsyncActivity[[Expense], None] = request_approval
    synchronous: PlainActivity[[int], int] = square.with_options(queue="")
    assert_type(asynchronous.is_async, bool)
    assert_type(synchronous.queue, str)
    request_approval.with_options(retry=RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=1)))
    request_approval.with_options(timeout=timedelta(minutes=5), heartbeat_timeout=timedelta(seconds=30))
    request_approval.with_options(await_cleanup=True)
    request_approval.with_options(local=False)
    request_approval.with_options(local="yes")  # type: ignore[arg-type]
    request_approval.with_options(await_cleanup="yes")  # type: ignore[arg-type]
    request_approval.with_options(total_timeout=5)  # type: ignore[arg-type]
    request_approval.with_options(version="2")  # type: ignore[call-arg]
    approval.with_options(queue="x")  # type: ignore[call-arg]
    square("3")  # type: ignore[arg-type]


async def in_unit_tests(context: OrchestrationContext) -> None:
    assert_type(await approval(context, Expense(amount=1)), str)
    assert_type(await charge(Expense(amount=1), currency="EUR"), int)
    await charge(1)  # type: ignore[arg-type]
    await approval(context, 1)  # type: ignore[arg-type]


# -- orchestrators -----------------------------------------------------------------------------------------------------


async def activities(context: OrchestrationContext) -> None:
    assert_type(context.call_activity(square, 3), DurableTask[int])
    assert_type(await context.call_activity(square, number=3), int)
    assert_type(await context.call_activity(charge, Expense(amount=1), currency="EUR"), int)
    assert_type(await context.call_activity(charge.with_options(queue="x"), Expense(amount=1)), int)
    assert_type(await context.call_activity(now), datetime)
    assert_type(await context.call_activity("square", 3), Any)
    assert_type(
        await asyncio.gather(context.call_activity(square, 3), context.call_activity(now)), tuple[int, datetime]
    )
    assert_type(await asyncio.wait_for(context.call_activity(square, 3), 5), int)
    done, pending = await asyncio.wait([context.call_activity(square, n) for n in range(3)])
    assert_type(done, set[DurableTask[int]])
    assert_type(pending, set[DurableTask[int]])
    wider: DurableTask[object] = context.call_activity(square, 3)
    wider.cancel()

    context.call_activity(square, "3")  # type: ignore[call-overload]
    context.call_activity(square)  # type: ignore[call-overload]
    context.call_activity(square, 3, 4)  # type: ignore[call-overload]
    context.call_activity(charge, Expense(amount=1), money="EUR")  # type: ignore[call-arg]
    context.call_activity(len, "x")  # type: ignore[call-overload]
    context.call_activity(approval, Expense(amount=1))  # type: ignore[call-overload]


async def sub_orchestrations(context: OrchestrationContext) -> None:
    assert_type(context.call_sub_orchestrator(approval, Expense(amount=1)), DurableTask[str])
    assert_type(await context.call_sub_orchestrator(many, [1]), list[float])
    assert_type(await context.call_sub_orchestrator(many, []), list[float])
    assert_type(await context.call_sub_orchestrator(pair, (1, 2)), None)
    assert_type(await context.call_sub_orchestrator(greeting), str | None)
    assert_type(await context.call_sub_orchestrator(greeting, "me"), str | None)
    assert_type(await context.call_sub_orchestrator(optional), int)
    assert_type(await context.call_sub_orchestrator(optional, 1), int)
    assert_type(await context.call_sub_orchestrator(nothing), Expense)
    assert_type(await context.call_sub_orchestrator(approval.with_options(version="2"), Expense(amount=1)), str)
    assert_type(await context.call_sub_orchestrator("approval"), Any)
    assert_type(context.start_new(approval, Expense(amount=1), tags={"a": "b"}), InstanceId[str])
    assert_type(context.start_new("approval", 1), InstanceId[Any])

    context.call_sub_orchestrator(approval)  # type: ignore[call-overload]
    context.call_sub_orchestrator(approval, "x")  # type: ignore[misc]
    context.call_sub_orchestrator(many, ["x"])  # type: ignore[misc]
    context.call_sub_orchestrator(greeting, 5)  # type: ignore[misc]
    context.call_sub_orchestrator(nothing, 5)  # type: ignore[misc]
    context.call_sub_orchestrator(approval, Expense(amount=1), 2)  # type: ignore[call-overload]
    context.call_sub_orchestrator(square, 5)  # type: ignore[call-overload]
    context.start_new(approval)  # type: ignore[call-overload]


async def entities(context: OrchestrationContext) -> None:
    assert_type(await context.call_entity(Station.slow, "oslo"), Expense)
    await context.call_entity(Station.record, "oslo", 3.5, flag=True)
    assert_type(await context.call_entity(EntityId("Station", "oslo"), "slow"), Any)
    context.signal_entity(Station.record, "oslo", 3.5)
    context.after(timedelta(hours=1)).signal_entity(Station.record, "oslo", 3.5)
    context.at(datetime.now(UTC)).signal_entity(EntityId("Station", "oslo"), "record", 3.5)
    async with context.lock_entities(EntityId(Station, "a"), EntityId(Station, "b")):
        assert_type(context.is_locked, bool)
    context.call_entity(Station.record, "oslo", "warm")  # type: ignore[call-overload]
    context.signal_entity(Station.record, "oslo")  # type: ignore[call-overload]


async def events_and_timers(context: OrchestrationContext) -> None:
    assert_type(await context.wait_for_external_event("go", bool), bool)
    assert_type(await context.wait_for_external_event("go", int | None), int | None)
    assert_type(await context.wait_for_external_event("go", list[int]), list[int])
    assert_type(await context.wait_for_external_event("go", Expense), Expense)
    assert_type(await context.wait_for_external_event("go", Any), Any)
    assert_type(await context.wait_for_external_event("go"), Any)
    assert_type(context.wait_for_external_event("go", str), DurableTask[str])
    assert_type(await context.create_timer(timedelta(hours=1)), None)
    assert_type(await context.create_timer(context.now + timedelta(hours=1)), None)
    context.send_event("other", "go", 1)
    context.set_custom_status({"step": 1})
    context.wait_for_external_event(5)  # type: ignore[call-overload]
    context.create_timer(5)  # type: ignore[arg-type]


def properties(context: OrchestrationContext) -> None:
    assert_type(context.instance_id, str)
    assert_type(context.parent_instance_id, str | None)
    assert_type(context.name, str)
    assert_type(context.now, datetime)
    assert_type(context.is_replaying, bool)
    assert_type(context.new_uuid(), UUID)
    assert_type(context.random, random.Random)


# -- clients -----------------------------------------------------------------------------------------------------------


async def starts(client: OrchestrationClient) -> None:
    instance_id = await client.start_new(approval, Expense(amount=1), instance_id="x", version="2", tags={"a": "b"})
    assert_type(instance_id, InstanceId[str])
    as_text: str = instance_id
    assert_type(as_text.upper(), str)
    assert_type(await client.wait_for_completion(instance_id), OrchestrationStatus[str])
    assert_type((await client.wait_for_completion(instance_id, timeout=5)).output, str | None)
    assert_type(await client.wait_for_completion("x"), OrchestrationStatus[Any])
    assert_type((await client.wait_for_completion(await client.start_new(greeting))).output, str | None)
    assert_type((await client.wait_for_completion(await client.start_new(many, [1, 2]))).output, list[float] | None)
    assert_type(await client.start_new(nothing, reuse="always", at=datetime.now(UTC)), InstanceId[Expense])
    assert_type(await client.start_new(nothing, None), InstanceId[Expense])
    assert_type(await client.start_new(pair, (1, 2)), InstanceId[None])
    assert_type(await client.start_new(many.with_options(tags={"a": "b"}), []), InstanceId[list[float]])
    assert_type(await client.start_new("approval"), InstanceId[Any])
    assert_type(await client.start_new("approval", {"amount": 1}, instance_id="y"), InstanceId[Any])

    await client.start_new(approval)  # type: ignore[call-overload]
    await client.start_new(approval, 5)  # type: ignore[misc]
    await client.start_new(approval, instance_id="x")  # type: ignore[call-overload]
    await client.start_new(greeting, 5)  # type: ignore[misc]
    await client.start_new(nothing, 5)  # type: ignore[misc]
    await client.start_new(many, ["x"])  # type: ignore[misc]
    await client.start_new(approval, Expense(amount=1), "x")  # type: ignore[call-overload]
    await client.start_new(nothing, reuse="sometimes")  # type: ignore[call-overload]
    await client.start_new(square, 5)  # type: ignore[call-overload]


async def looks(client: OrchestrationClient, instance_id: InstanceId[int]) -> None:
    assert_type(await client.get_status(instance_id), OrchestrationStatus[int] | None)
    assert_type(await client.get_status("x", show_history=True), OrchestrationStatus[Any] | None)
    assert_type(await client.restart(instance_id), InstanceId[Any])
    assert_type(await client.restart("x", new_instance_id=False), InstanceId[Any])
    async for status in client.list_instances(statuses=["Running", RuntimeStatus.FAILED], name=approval, prefix="a"):
        assert_type(status.runtime_status, RuntimeStatus)
        assert_type(status.failure, FailureDetails | None)
    assert_type(await client.purge("x"), bool)
    assert_type(await client.purge_instances(statuses=[RuntimeStatus.COMPLETED]), int)
    await client.raise_event(instance_id, "go", True)
    async with client.producer() as producer, client.producer("log") as source:
        assert_type(producer, InstanceProducer)
        assert_type(source, InstanceSourceProducer)
        await producer.raise_event(instance_id, "go", True)
        await source.raise_event_once(1, instance_id, "go", True)
        await source.raise_event(instance_id, "go", True)  # type: ignore[attr-defined]


def synchronous_client(client: SyncClient) -> None:
    instance_id = client.start_new(approval, Expense(amount=1), tags={"a": "b"})
    assert_type(instance_id, InstanceId[str])
    assert_type(client.wait_for_completion(instance_id), OrchestrationStatus[str])
    assert_type(client.wait_for_completion("x"), OrchestrationStatus[Any])
    assert_type(client.start_new(greeting), InstanceId[str | None])
    client.start_new(approval)  # type: ignore[call-overload]
    client.start_new(approval, 5)  # type: ignore[misc]


async def through_the_app() -> None:
    async with app.connect() as client:
        assert_type((await client.wait_for_completion(await client.start_new(many, [1]))).output, list[float] | None)


# -- functions that take definitions -----------------------------------------------------------------------------------


async def twice(context: OrchestrationContext, activity: Activity[[int], int], number: int) -> int:
    return await context.call_activity(activity, await context.call_activity(activity, number))


def wider(orchestration: Orchestration[int | None, object]) -> None: ...


def uses(context: OrchestrationContext, error: ActivityFailed) -> Coroutine[Any, Any, int]:
    assert_type(error.cause, FailureDetails | None)
    wider(optional)
    wider(approval)  # type: ignore[arg-type]
    function: Callable[[int], int] = square
    function(1)
    return twice(context, square, 3)


# -- schedules ---------------------------------------------------------------------------------------------------------


async def schedules(client: OrchestrationClient, blocking: SyncClient) -> None:
    hour = timedelta(hours=1)
    assert_type(
        app.schedule("a", cron="0 3 * * *", timezone="Europe/Oslo").start_new(approval, Expense(amount=1)), None
    )
    app.schedule("b", every=hour, jitter=hour, catch_up=hour).signal_entity(Station.record, "oslo", 3.5, flag=True)
    app.schedule("c", every=hour, start=datetime.now(UTC), end=datetime.now(UTC)).start_new("approval", 5, version="2")
    assert_type(app.schedule("d", every=hour, overlap="skip"), ScheduleOfStarts[None])
    making = client.schedules.create("e", every=hour, overlap="terminate").start_new(approval, Expense(amount=1))
    await assert_type(making, Coroutine[Any, Any, None])
    await client.schedules.create("f", cron="0 3 * * *").signal_entity(EntityId("Station", "x"), "record", 3.5)
    assert_type(await client.schedules.get("e"), ScheduleStatus | None)
    assert_type(await client.schedules.trigger("e"), str | None)
    async for schedule in client.schedules.list():
        assert_type(schedule, ScheduleStatus)
    assert_type(await client.schedules.list(), list[ScheduleStatus])
    assert_type(blocking.schedules.create("e", every=hour).start_new("approval"), None)
    assert_type(blocking.schedules.get("e"), ScheduleStatus | None)

    app.schedule("x")  # type: ignore[call-overload]
    app.schedule("x", cron="0 3 * * *", every=hour)  # type: ignore[call-overload]
    app.schedule("x", every=hour, timezone="UTC")  # type: ignore[call-overload]
    app.schedule("x", every=hour, overlap="queue")  # type: ignore[call-overload]
    app.schedule("x", every=hour).start_new(approval)  # type: ignore[call-overload]
    app.schedule("x", every=hour).start_new(approval, "lunch")  # type: ignore[misc]
    app.schedule("x", every=hour).signal_entity(Station.record, "oslo", "warm")  # type: ignore[call-overload]
    app.schedule("x", every=hour, overlap="skip").signal_entity(Station.record, "oslo", 3.5)  # type: ignore[attr-defined]
