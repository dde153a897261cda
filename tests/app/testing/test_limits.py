"""Limits of activities over a whole hub, as their users see them: in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, NamedTuple, cast

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import InvalidDefinition
from stead.orchestrations import ActivityFailed, OrchestrationContext, RuntimeStatus, activity_context
from stead.orchestrations.histories import TaskScheduled
from stead.transport import InvalidInput, LimitView

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(113)]


class Order(NamedTuple):
    shop: str
    number: int


class Peak:
    """How many there were at once, by what."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.order: list[int] = []

    async def see(self, what: str, number: int) -> int:
        self.now[what] += 1
        self.most[what] = max(self.most[what], self.now[what])
        self.order.append(number)
        await asyncio.sleep(0)
        self.now[what] -= 1
        return number


async def limits_of(hub: TestHub) -> list[LimitView]:
    return await hub._driver.store.limits([""], 10)


async def test_no_more_run_at_once_than_may_per_key() -> None:
    app, peak = App("app"), Peak()

    @app.activity(concurrency=2, key=lambda order: order.shop)
    async def charge(order: Order) -> int:
        return await peak.see(order.shop, order.number)

    @app.orchestration
    async def sell(context: OrchestrationContext, number: int) -> list[int]:
        calls = [context.call_activity(charge, Order(f"{each % 2}", each)) for each in range(number)]
        return list(await asyncio.gather(*calls))

    async with TestHub(app) as hub:
        ids = [await hub.client.start_new(sell, 10) for _ in range(3)]
        for instance_id in ids:
            assert (await hub.client.wait_for_completion(instance_id)).result() == list(range(10))
    assert len(peak.order) == 30
    assert 1 <= peak.most["0"] <= 2
    assert 1 <= peak.most["1"] <= 2


async def test_a_rate_is_kept_in_the_hubs_time() -> None:
    app = App("app")
    begun: list[float] = []

    @app.activity(rate="6/min")
    async def fetch() -> None:
        begun.append(hub.now.timestamp())

    @app.orchestration
    async def crawl(context: OrchestrationContext) -> None:
        await asyncio.gather(*(context.call_activity(fetch) for _ in range(5)))

    async with TestHub(app) as hub:
        started = hub.now
        instance_id = await hub.client.start_new(crawl)
        assert (
            await hub.client.wait_for_completion(instance_id, timeout=100)
        ).runtime_status is RuntimeStatus.COMPLETED
        assert [round(each - started.timestamp()) for each in begun] == [0, 10, 20, 30, 40]


async def test_what_has_priority_goes_first_and_one_by_one() -> None:
    app, peak = App("app"), Peak()

    @app.activity(concurrency=1)
    async def work(number: int) -> int:
        return await peak.see("", number)

    @app.orchestration
    async def many(context: OrchestrationContext) -> None:
        first = [context.call_activity(work, number) for number in range(3)]
        urgent = context.call_activity(work.with_options(priority=5), 10)
        idle = context.call_activity(work.with_options(priority=-5), 20)
        await asyncio.gather(*first, urgent, idle, context.call_activity(work, 3))

    async with TestHub(app) as hub:
        await hub.client.wait_for_completion(await hub.client.start_new(many))
    assert peak.order == [0, 10, 1, 2, 3, 20]
    assert peak.most[""] == 1


async def test_the_total_time_out_counts_the_wait() -> None:
    app = App("app")

    @app.activity(rate="1/h", total_timeout=timedelta(minutes=90))
    async def seldom(number: int) -> int:
        return number

    @app.orchestration
    async def three(context: OrchestrationContext) -> list[str]:
        found = await asyncio.gather(
            *(context.call_activity(seldom, number) for number in range(3)), return_exceptions=True
        )
        return [each.error_type if isinstance(each, ActivityFailed) else str(each) for each in found]

    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new(three)
        status = await hub.client.wait_for_completion(instance_id, timeout=86_400)
        assert status.result() == ["0", "1", "TimeoutError"]
        assert await limits_of(hub) == []


@pytest.mark.parametrize("how", ["cancel", "terminate"])
async def test_what_an_ended_instance_waited_for_leaves_the_queue(how: str) -> None:
    app = App("app")

    @app.activity(rate="1/h")
    async def seldom(number: int) -> int:
        return number

    @app.orchestration
    async def many(context: OrchestrationContext, count: int) -> None:
        await asyncio.gather(*(context.call_activity(seldom, number) for number in range(count)))

    async with TestHub(app) as hub:
        first, second = await hub.client.start_new(many, 50), await hub.client.start_new(many, 1)
        await hub.run_until_idle()
        assert [view.waiting for view in await limits_of(hub)] == [50]
        await (hub.client.cancel(first, "why") if how == "cancel" else hub.client.terminate(first, "why"))
        await hub.run_until_idle()
        assert [view.waiting for view in await limits_of(hub)] == [1]
        await hub.client.wait_for_completion(second, timeout=3_700)


async def test_a_retry_waits_like_any_other() -> None:
    app = App("app")
    attempts: list[int] = []

    @app.activity(concurrency=1)
    async def shaky() -> None:
        attempts.append(activity_context().attempt)
        raise ValueError("not yet")

    @app.orchestration
    async def call(context: OrchestrationContext) -> str:
        try:
            await context.call_activity(shaky)
        except ActivityFailed as error:
            return error.error_type
        return ""

    async with TestHub(app) as hub:
        assert (await hub.client.wait_for_completion(await hub.client.start_new(call))).result() == "ValueError"
    assert attempts == [1]


async def test_by_name_it_is_the_same() -> None:
    app, peak = App("app"), Peak()

    @app.activity(concurrency=1, key=lambda number: number % 2)
    def odd(number: int) -> int:
        peak.order.append(number)
        return number

    @app.orchestration
    async def many(context: OrchestrationContext) -> list[int]:
        return list(await asyncio.gather(*(context.call_activity("odd", number) for number in range(6))))

    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new(many)
        assert (await hub.client.wait_for_completion(instance_id)).result() == list(range(6))
        history = await hub.client.read_history(instance_id)
    limits = {event.limit for event in history if isinstance(event, TaskScheduled)}
    assert limits == {"odd:0", "odd:1"}


async def test_a_key_that_fails_is_the_failure_of_the_call() -> None:
    app = App("app")

    def first_of(items: list[str]) -> str:
        return items[0]

    @app.activity(concurrency=1, key=first_of)
    async def work(items: list[str]) -> None: ...

    @app.orchestration
    async def call(context: OrchestrationContext) -> str:
        try:
            await context.call_activity(work, [])
        except InvalidInput as error:
            return str(error)
        return ""

    async with TestHub(app, replay_every_turn=True) as hub:
        result = (await hub.client.wait_for_completion(await hub.client.start_new(call))).result()
    assert "the limit's key of activity 'work'" in result
    assert "IndexError" in result


@pytest.mark.parametrize("rate", ["100", "0/min", "many/min", "5/fortnight", "1/0min", "1000000/s", "", 5, "-1/s"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(InvalidInput, match="rate="):

        @App("app").activity(rate=rate)
        async def work() -> None: ...


@pytest.mark.parametrize("rate", ["100/min", "1/s", "5 / 10 Minutes", "3/h", "2/day", "1/30d"])
def test_a_rate_is_a_count_and_a_time(rate: str) -> None:
    @App("app").activity(rate=rate)
    async def work() -> None: ...

    assert work.limits is not None


@pytest.mark.parametrize("concurrency", [0, -1, True, 2.5, "3"])
def test_a_concurrency_that_is_none_is_refused(concurrency: int) -> None:
    with pytest.raises(InvalidInput, match="concurrency="):

        @App("app").activity(concurrency=concurrency)
        async def work() -> None: ...


def test_a_key_takes_parameters_of_its_activity() -> None:
    app = App("app")

    @app.activity(concurrency=1, key=lambda shop: shop)
    async def by_name(order: int, shop: str = "oslo") -> None: ...

    assert by_name.limit_of([1], None) == "by_name:oslo"
    assert by_name.limit_of([1, "bergen"], None) == "by_name:bergen"

    @app.activity(concurrency=1, key=lambda a, b: f"{a}/{b}")
    async def in_order(order: int, shop: str) -> None: ...

    assert in_order.limit_of([1], {"shop": "x"}) == "in_order:1/x"

    with pytest.raises(InvalidDefinition, match="takes"):

        @app.activity(concurrency=1, key=lambda one, two, three: one)
        async def too_few(order: int) -> None: ...

    with pytest.raises(InvalidDefinition, match="concurrency"):

        @app.activity(key=lambda order: order)
        async def no_limit(order: int) -> None: ...

    with pytest.raises(InvalidDefinition, match="function"):

        @app.activity(concurrency=1, key=cast("Any", "shop"))
        async def no_function(shop: str) -> None: ...


@pytest.mark.parametrize("key", ["x" * 10_000, "a\nb", "å\x00%", "\ud800"])
def test_any_text_is_a_key(key: str) -> None:
    @App("app").activity(concurrency=1, key=lambda shop: key)
    async def work(shop: str) -> None: ...

    limit = work.limit_of([""], None)
    assert limit is not None
    assert len(limit) <= 205
    assert limit.isprintable()


def test_what_cannot_be_is_refused_at_once() -> None:
    app = App("app")

    @app.activity(concurrency=1)
    async def limited() -> None: ...

    @app.activity
    async def free() -> None: ...

    with pytest.raises(InvalidInput, match="no limit"):
        free.with_options(priority=1)
    with pytest.raises(InvalidInput, match="priority="):
        limited.with_options(priority=1_001)
    with pytest.raises(InvalidInput, match="queue="):
        limited.with_options(queue="gpu")
    assert limited.with_options(queue="", priority=-3).priority == -3
