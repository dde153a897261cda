"""What a test says of activities: fakes and errors in their place; and what it is told of their calls."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from stead.app import App
from stead.app.testing import ObservedCall, TestHub
from stead.entities import InvalidInput
from stead.orchestrations import ActivityFailed, OrchestrationContext, RetryPolicy

app = App("testing-fakes")
SECOND = timedelta(seconds=1)


class Money(BaseModel):
    amount: int


@app.activity
async def charge(money: Money, *, currency: str = "NOK") -> int:
    raise AssertionError("no test may charge anybody")


@app.activity
def book(place: str) -> list[str]:
    raise AssertionError("no test may book anything")


@app.activity
async def note(text: str) -> None: ...


@app.orchestration(retry=RetryPolicy(max_attempts=1))
async def buy(context: OrchestrationContext, amount: int) -> int:
    patient = charge.with_options(retry=RetryPolicy(max_attempts=3, first_interval=SECOND))
    return await context.call_activity(patient, Money(amount=amount), currency="EUR")


@app.orchestration
async def travel(context: OrchestrationContext, place: str) -> list[str]:
    return await context.call_activity(book, place)


@app.orchestration
async def notes(context: OrchestrationContext, texts: list[str]) -> None:
    for text in texts:
        await context.call_activity(note, text)


async def result(hub: TestHub, orchestration: Any, input: Any) -> Any:
    instance_id = await hub.client.start_new(orchestration, input)
    return (await hub.client.wait_for_completion(instance_id)).result()


async def test_a_fake_returns_a_value() -> None:
    async with TestHub(app) as hub:
        hub.fake_activity(charge).returns(3)
        hub.fake_activity(book).returns(["seat 1"])
        assert await result(hub, buy, 12) == 3
        assert await result(hub, travel, "Oslo") == ["seat 1"]


async def test_a_fake_is_called_with_arguments_of_the_activitys_types() -> None:
    async def charge_twice(money: Money, *, currency: str = "NOK") -> int:
        assert currency == "EUR"
        return 2 * money.amount

    threads: list[str] = []

    def book_here(place: str) -> list[str]:
        threads.append(threading.current_thread().name)
        return [place]

    async with TestHub(app) as hub:
        hub.fake_activity(charge).calls(charge_twice)
        hub.fake_activity(book).calls(book_here)
        assert await result(hub, buy, 12) == 24
        assert await result(hub, travel, "Oslo") == ["Oslo"]
        assert threads[0].startswith("stead-activity")
        hub.fake_activity(charge).calls(lambda money, *, currency="NOK": money.amount)  # the last one holds
        assert await result(hub, buy, 12) == 12


async def test_calls_are_told_with_each_attempt_and_whatever_stood_in() -> None:
    async with TestHub(app) as hub:
        assert hub.calls(charge) == []
        hub.fake_activity(charge).returns(3)
        hub.fail_activity(charge, ConnectionError("no answer"), times=2)
        instance_id = await hub.client.start_new(buy, 12)
        assert (await hub.client.wait_for_completion(instance_id)).result() == 3
        args, kwargs = (Money(amount=12),), {"currency": "EUR"}
        assert hub.calls(charge) == [ObservedCall(args, kwargs, instance_id, attempt) for attempt in (1, 2, 3)]
        hub.calls("charge").clear()  # a list of the caller's own
        assert len(hub.calls("CHARGE")) == 3


async def test_calls_of_the_activity_itself_are_told_in_their_order() -> None:
    async with TestHub(app) as hub:
        await result(hub, notes, ["a", "b"])
        assert [call.args for call in hub.calls(note)] == [("a",), ("b",)]


async def test_fakes_and_calls_stay_when_the_worker_is_replaced() -> None:
    async with TestHub(app, kill_seed=3) as hub:
        hub.fake_activity(charge).returns(3)
        for amount in range(10):
            assert await result(hub, buy, amount) == 3
            await hub.restart_worker()
        assert {call.args[0].amount for call in hub.calls(charge)} == set(range(10))


async def test_an_error_of_a_fake_is_the_activitys_failure() -> None:
    def refuse(place: str) -> list[str]:
        raise LookupError(f"no seats in {place}")

    async with TestHub(app) as hub:
        hub.fake_activity(book).calls(refuse)
        status = await hub.client.wait_for_completion(await hub.client.start_new(travel, "Oslo"))
        assert status.failure is not None
        assert status.failure.is_caused_by(ActivityFailed) and status.failure.is_caused_by(LookupError)


async def test_what_a_fake_gives_has_to_be_what_the_activity_may_give() -> None:
    wrong: Any = "three"
    async with TestHub(app) as hub:
        with pytest.raises(InvalidInput, match="result of activity charge"):
            hub.fake_activity(charge).returns(wrong)
        hub.fake_activity(charge).calls(lambda money, *, currency="NOK": wrong)
        status = await hub.client.wait_for_completion(await hub.client.start_new(buy, 1))
        assert status.failure is not None and "result of activity charge" in str(status.failure)


async def test_a_fake_in_a_thread_cannot_be_awaited() -> None:
    async def slowly(place: str) -> list[str]:
        return [place]

    async with TestHub(app) as hub:
        with pytest.raises(InvalidInput, match="as a `def`"):
            hub.fake_activity(book).calls(slowly)


async def test_nothing_is_faked_before_it_is_said_what_by() -> None:
    async with TestHub(app) as hub:
        hub.fake_activity(note)
        await result(hub, notes, ["a"])
        assert len(hub.calls(note)) == 1


async def test_an_activity_that_the_app_does_not_have_is_refused() -> None:
    other = App("testing-other-fakes")

    @other.activity
    async def somebody_elses() -> None: ...

    async with TestHub(app) as hub:
        for ask in (hub.calls, hub.fake_activity):
            with pytest.raises(InvalidInput, match="book, charge, note"):
                ask(somebody_elses)
            with pytest.raises(InvalidInput, match="no such activity"):
                ask("chrage")
