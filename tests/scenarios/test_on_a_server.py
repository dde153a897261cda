"""Scenarios where real time and a real server make a difference: many clients at once, two workers, workers that go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from examples.patterns import bank, eternal
from stead.app import App, Settings
from stead.orchestrations import InstanceExists, OrchestrationContext, RuntimeStatus

pytestmark = pytest.mark.slow

app = App("real", settings=Settings(partitions=8, slot_groups=2, lease_ms=2_000, heartbeat_ms=300))


@app.activity
async def echo(text: str) -> str:
    await asyncio.sleep(0.005)
    return text


@app.activity(queue="elsewhere")
async def far_away(text: str) -> str:
    return text


@app.orchestration
async def hello(context: OrchestrationContext, count: int = 5) -> list[str]:
    return [await context.call_activity(echo, str(number)) for number in range(count)]


@app.orchestration
async def wide(context: OrchestrationContext, count: int) -> int:
    return len(await asyncio.gather(*(context.call_activity(echo, str(number)) for number in range(count))))


@app.orchestration
async def queued(context: OrchestrationContext, count: int) -> int:
    return len(await asyncio.gather(*(context.call_activity(far_away, str(number)) for number in range(count))))


@app.orchestration
async def count_events(context: OrchestrationContext, state: tuple[int, int, bool]) -> int:
    """Durabletask-dotnet #387."""
    counted, wanted, pause = state
    await context.wait_for_external_event("Event")
    counted += 1
    if pause:
        await context.create_timer(timedelta(0))
    if counted < wanted:
        context.continue_as_new((counted, wanted, pause))
    return counted


@app.orchestration
async def later(context: OrchestrationContext, milliseconds: int) -> float:
    due = context.now + timedelta(milliseconds=milliseconds)
    await context.create_timer(due)
    return (context.now - due).total_seconds()


async def test_hello(server_url: str) -> None:
    async with app.worker(server_url), app.connect(server_url) as client:
        started = [await client.start_new(hello) for _ in range(100)]
        for instance_id in started:
            status = await client.wait_for_completion(instance_id)
            assert status.output == list("01234")
            assert status.created_time is not None
            assert abs(status.created_time - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("pause", [False, True])
async def test_events_sent_fast_around_continue_as_new(server_url: str, pause: bool) -> None:
    async with app.worker(server_url), app.connect(server_url) as client:
        instance_id = await client.start_new(count_events, (0, 200, pause))
        await asyncio.gather(*(client.raise_event(instance_id, "Event", None) for _ in range(200)))
        assert (await client.wait_for_completion(instance_id)).output == 200


async def test_the_eternal_counter_misses_nothing(server_url: str) -> None:
    async with (
        eternal.app.worker(server_url),
        eternal.app.connect(server_url) as one,
        eternal.app.connect(server_url) as other,
    ):
        instance_id = await one.start_new(eternal.counter, 0)

        async def add(client: object) -> None:
            chosen = one if client is one else other
            for _ in range(100):
                await chosen.raise_event(instance_id, "add", 1)

        await asyncio.gather(add(one), add(other))
        await one.raise_event(instance_id, "stop", None)
        assert (await one.wait_for_completion(instance_id)).output == 200


async def test_twenty_starts_at_once_by_five_clients(server_url: str) -> None:
    async with app.worker(server_url):
        clients = [await app.connect(server_url) for _ in range(5)]
        try:
            starts = [client.start_new(later, 500, instance_id="same") for client in clients for _ in range(4)]
            results = await asyncio.gather(*starts, return_exceptions=True)
            assert sum(isinstance(result, InstanceExists) for result in results) == 19
            status = await clients[0].wait_for_completion("same")
            assert status.output is not None
            assert 0 <= status.output < 1
        finally:
            for client in clients:
                await client.aclose()


async def test_two_workers_share_a_fan_out(server_url: str) -> None:
    async with app.worker(server_url), app.worker(server_url), app.connect(server_url) as client:
        instance_id = await client.start_new(wide, 500)
        assert (await client.wait_for_completion(instance_id)).output == 500
        instance_id = await client.start_new(queued, 100)
        assert (await client.wait_for_completion(instance_id)).output == 100


async def test_workers_that_change_lose_nothing(server_url: str) -> None:
    async with app.connect(server_url) as client:
        started: list[str] = []
        for _ in range(3):
            async with app.worker(server_url):
                started += [await client.start_new(hello, 20) for _ in range(20)]
                await asyncio.sleep(0.05)  # they are somewhere in the middle when the worker goes
        async with app.worker(server_url):
            for instance_id in started:
                status = await client.wait_for_completion(instance_id)
                assert status.output == [str(number) for number in range(20)]


async def test_the_bank_keeps_the_sum(server_url: str) -> None:
    names = [f"n{number}" for number in range(10)]
    async with bank.app.worker(server_url), bank.app.connect(server_url) as client:
        await asyncio.gather(*(client.call_entity(bank.Account.deposit, name, 100) for name in names))
        orders = [
            bank.Transfer(source=names[number % 10], destination=names[(number * 3 + 1) % 10], amount=number % 40)
            for number in range(200)
            if number % 10 != (number * 3 + 1) % 10
        ]
        started = await asyncio.gather(*(client.start_new(bank.transfer, order) for order in orders))
        ended = await asyncio.gather(*(client.wait_for_completion(instance_id) for instance_id in started))
        assert {status.runtime_status for status in ended} == {RuntimeStatus.COMPLETED}
        balances = [await client.call_entity(bank.Account.get, name) for name in names]
        assert sum(balances) == 1_000
        assert min(balances) >= 0
