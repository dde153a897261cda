"""The examples of patterns, each in virtual time, replayed at every turn, and with a worker that dies again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from examples.patterns import aggregator, approval, bank, chaining, eternal, fan_out, monitor, progress, saga
from stead.app import App, Client
from stead.app.testing import TestHub
from stead.entities import EntityId
from stead.orchestrations import OrchestrationFailed, RuntimeStatus

MakeHub = Callable[[App], TestHub]


@pytest.fixture(
    params=["plain", "replay", "kills 1", *(pytest.param(f"kills {n}", marks=pytest.mark.slow) for n in (2, 3))]
)
def make_hub(request: pytest.FixtureRequest) -> MakeHub:
    mode, _, seed = str(request.param).partition(" ")
    return lambda app: TestHub(app, mode == "replay", kill_seed=int(seed) if seed else None)


async def activities(client: Client, instance_id: str) -> list[str]:
    """The names of the activities that an instance has scheduled, in order."""
    status = await client.get_status(instance_id, show_history=True)
    assert status is not None and status.history is not None
    return [event.fields["name"] for event in status.history if event.event_type == "TaskScheduled"]


async def test_a_chain_gives_what_its_steps_gave(make_hub: MakeHub) -> None:
    async with make_hub(chaining.app) as hub:
        instance_id = await hub.client.start_new(chaining.book, chaining.Trip(city="Lisbon", nights=3))
        status = await hub.client.wait_for_completion(instance_id)
        assert status.output == chaining.Booking(
            booked=True, confirmations=["hotel in Lisbon, 3 nights", "flight to Lisbon", "paid 660"]
        )
        assert await activities(hub.client, instance_id) == ["reserve_hotel", "reserve_flight", "charge"]


async def test_a_chain_that_breaks_is_undone_in_reverse(make_hub: MakeHub) -> None:
    async with make_hub(chaining.app) as hub:
        instance_id = await hub.client.start_new(chaining.book, chaining.Trip(city="Oslo", nights=2, budget=500))
        status = await hub.client.wait_for_completion(instance_id)
        assert status.output == chaining.Booking(booked=False, reason="540 is more than 500")
        assert await activities(hub.client, instance_id) == [
            *("reserve_hotel", "reserve_flight", "charge", "charge", "charge", "cancel_flight", "cancel_hotel")
        ]


ORDER = saga.Order(product="clock", count=2, card="4711")


async def test_a_saga_that_succeeds_undoes_nothing(make_hub: MakeHub) -> None:
    async with make_hub(saga.app) as hub:
        instance_id = await hub.client.start_new(saga.buy, ORDER)
        assert (await hub.client.wait_for_completion(instance_id)).result() == "parcel from b7, 2000 cents"
        assert await activities(hub.client, instance_id) == ["reserve", "charge", "ship"]


async def test_a_saga_that_fails_undoes_what_was_done_with_what_it_gave(make_hub: MakeHub) -> None:
    async with make_hub(saga.app) as hub:
        hub.fail_activity(saga.ship, ConnectionError("the van is broken"))
        instance_id = await hub.client.start_new(saga.buy, ORDER)
        with pytest.raises(OrchestrationFailed, match="the van is broken"):
            (await hub.client.wait_for_completion(instance_id)).result()
        assert await activities(hub.client, instance_id) == ["reserve", "charge", "ship", "refund", "release"]
        refunds = hub.calls(saga.refund)  # a worker that dies calls it again
        assert refunds and all(call.args == (saga.Payment(cents=2_000, card="4711"),) for call in refunds)


async def test_a_saga_that_is_cancelled_undoes_what_was_done() -> None:
    reached = asyncio.Event()

    async def never(shelf: str, cents: int) -> str:
        reached.set()
        await asyncio.Event().wait()
        return ""

    async with TestHub(saga.app) as hub:
        hub.fake_activity(saga.ship).calls(never)
        instance_id = await hub.client.start_new(saga.buy, ORDER)
        await reached.wait()
        await hub.client.cancel(instance_id, "changed my mind")
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.CANCELED
        assert await activities(hub.client, instance_id) == ["reserve", "charge", "ship", "refund", "release"]


async def test_an_error_of_the_first_step_leaves_nothing_to_undo() -> None:
    async with TestHub(chaining.app) as hub:
        hub.fail_activity(chaining.reserve_hotel, ConnectionError("the hotel's system is down"))
        instance_id = await hub.client.start_new(chaining.book, chaining.Trip(city="Oslo"))
        status = await hub.client.wait_for_completion(instance_id)
        assert status.output == chaining.Booking(booked=False, reason="the hotel's system is down")
        assert await activities(hub.client, instance_id) == ["reserve_hotel"]
        again = await hub.client.start_new(chaining.book, chaining.Trip(city="Oslo"))
        booking = (await hub.client.wait_for_completion(again)).output
        assert booking is not None
        assert booking.booked  # it was to fail once


async def test_an_activity_that_fails_twice_is_tried_three_times() -> None:
    async with TestHub(chaining.app) as hub:
        hub.fail_activity("charge", ConnectionError("no answer"), times=2)
        began = hub.now
        instance_id = await hub.client.start_new(chaining.book, chaining.Trip(city="Oslo"))
        status = await hub.client.wait_for_completion(instance_id)
        assert status.output is not None
        assert status.output.booked
        assert hub.now - began == timedelta(seconds=2)  # the waits between the tries


async def test_fan_out_counts_every_text(make_hub: MakeHub) -> None:
    texts = ["a b", *(["b"] * 50), "c c"]
    async with make_hub(fan_out.app) as hub:
        instance_id = await hub.client.start_new(fan_out.most_frequent, texts)
        assert (await hub.client.wait_for_completion(instance_id)).output == "b"


async def test_the_monitor_sees_the_end_of_a_job(
    make_hub: MakeHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished: set[str] = set()
    monkeypatch.setattr(monitor, "finished_jobs", finished)
    async with make_hub(monitor.app) as hub:
        instance_id = await hub.client.start_new(monitor.watch, monitor.Watch(job="build"))
        await hub.advance(timedelta(minutes=40))  # looks at 0, 5, 15 and 35 minutes
        status = await hub.client.get_status(instance_id)
        assert status is not None
        assert status.custom_status == {"looks": 4}
        finished.add("build")
        await hub.advance(timedelta(hours=1))
        assert (await hub.client.wait_for_completion(instance_id)).output == "finished"
        assert "build: finished" in capsys.readouterr().out


async def test_the_monitor_gives_up_after_its_limit(
    make_hub: MakeHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(monitor, "finished_jobs", set[str]())
    async with make_hub(monitor.app) as hub:
        began = hub.now
        instance_id = await hub.client.start_new(monitor.watch, monitor.Watch(job="build", limit=timedelta(hours=72)))
        await hub.advance(timedelta(hours=71, minutes=59))
        status = await hub.client.get_status(instance_id)
        assert status is not None
        assert status.runtime_status == RuntimeStatus.RUNNING
        await hub.advance(timedelta(minutes=1))
        done = await hub.client.wait_for_completion(instance_id)
        assert done.output == "expired"
        assert done.last_updated_time - began == timedelta(hours=72)


@pytest.mark.parametrize(("answer", "output"), [(True, "paid"), (False, "refused")])
async def test_an_approval_in_time(make_hub: MakeHub, answer: bool, output: str) -> None:
    async with make_hub(approval.app) as hub:
        instance_id = await hub.client.start_new(approval.approval, approval.Expense(amount=12))
        await hub.advance(timedelta(hours=71))
        await hub.client.raise_event(instance_id, "approvalevent", answer)
        assert (await hub.client.wait_for_completion(instance_id)).output == output


async def test_an_approval_that_never_comes_escalates_after_72_hours(make_hub: MakeHub) -> None:
    async with make_hub(approval.app) as hub:
        instance_id = await hub.client.start_new(approval.approval, approval.Expense(amount=12))
        await hub.advance(timedelta(hours=71))
        status = await hub.client.get_status(instance_id)
        assert status is not None
        assert status.runtime_status == RuntimeStatus.RUNNING
        await hub.advance(timedelta(hours=2))
        assert (await hub.client.wait_for_completion(instance_id)).output == "escalated"


async def test_the_aggregator_orders_once_per_hundred(make_hub: MakeHub) -> None:
    async with make_hub(aggregator.app) as hub:
        for _ in range(25):
            await hub.client.signal_entity(aggregator.Shelf.sell, "umbrellas", 10)
        await hub.run_until_idle()
        shelf = await hub.client.read_entity(aggregator.Shelf, "umbrellas")
        assert shelf is not None
        assert len(shelf.orders) == len(set(shelf.orders)) == 2
        assert shelf.covered <= shelf.sold == 250
        for instance_id in shelf.orders:
            status = await hub.client.wait_for_completion(instance_id)
            assert str(status.output).startswith("order of ")


async def test_the_eternal_counter_misses_nothing(make_hub: MakeHub) -> None:
    async with make_hub(eternal.app) as hub:
        instance_id = await hub.client.start_new(eternal.counter, 0)
        await asyncio.gather(*(hub.client.raise_event(instance_id, "add", number) for number in range(100)))
        await hub.run_until_idle()
        status = await hub.client.get_status(instance_id, show_history=True)
        assert status is not None and status.history is not None
        assert (status.runtime_status, status.custom_status) == (RuntimeStatus.RUNNING, 4_950)
        assert len(status.history) < 5
        await hub.client.raise_event(instance_id, "stop", None)
        assert (await hub.client.wait_for_completion(instance_id)).output == 4_950


async def test_the_bank_keeps_the_sum(make_hub: MakeHub) -> None:
    names = [f"n{number}" for number in range(5)]
    async with make_hub(bank.app) as hub:
        for name in names:
            await hub.client.signal_entity(bank.Account.deposit, name, 100)
        orders = [
            bank.Transfer(source=names[number % 5], destination=names[(number * 3 + 1) % 5], amount=10 + 7 * number)
            for number in range(20)
            if number % 5 != (number * 3 + 1) % 5
        ]
        started = [await hub.client.start_new(bank.transfer, order) for order in orders]
        done = [(await hub.client.wait_for_completion(instance_id)).output for instance_id in started]
        assert set(done) == {True, False}
        await hub.run_until_idle()
        balances = {
            entity_id.key: account.balance async for entity_id, account in hub.client.list_entities(bank.Account)
        }
        expected = dict.fromkeys(names, 100)
        for order, did in zip(orders, done, strict=True):
            expected[order.source] -= order.amount if did else 0
            expected[order.destination] += order.amount if did else 0
        assert balances == expected
        assert min(balances.values()) >= 0
        for name in names:  # no lock is left
            assert await hub.client.call_entity(bank.Account.get, name) == balances[name]


async def test_progress_can_be_asked_for(make_hub: MakeHub) -> None:
    async with make_hub(progress.app) as hub:
        instance_id = await hub.client.start_new(progress.convert_all, 5)
        status = await hub.client.wait_for_completion(instance_id)
        assert (status.output, status.custom_status) == (5_010, {"pages": 5, "done": 5})


async def test_an_entity_can_be_tested_without_orchestrations() -> None:
    async with TestHub(bank.app) as hub:
        await hub.client.signal_entity(bank.Account.deposit, "ann", 5)
        assert await hub.client.call_entity(EntityId(bank.Account, "ann"), "get") == 5
        await hub.restart_worker()
        assert await hub.client.call_entity(bank.Account.get, "ann") == 5
