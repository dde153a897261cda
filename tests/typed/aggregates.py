"""What type checkers know of aggregates and batched operations: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from stead.entities import Entity, EntityClient, batched
from stead.entities.aggregates import Distinct, Quantiles, Tally, TopItems, Windowed, windowed

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)


class Route(Entity):
    """As a user would write it."""

    delays: Tally = Tally()
    recent: Windowed[Tally] = windowed(Tally(), MINUTE, keep=60, ahead=5 * MINUTE)
    latency: Windowed[Quantiles] = windowed(Quantiles(accuracy=0.01), MINUTE, keep=60)
    users: Distinct = Distinct()
    pages: TopItems = TopItems(most=100)
    by_gate: dict[str, Tally] = {}

    @batched
    def record(self, readings: list[float]) -> None:
        self.delays.extend(readings)

    @batched(most=500)
    def bid(self, amounts: list[int]) -> list[bool]:
        return [amount > 1 for amount in amounts]

    @batched
    async def fetch(self, keys: list[str]) -> list[bytes]:
        return [key.encode() for key in keys]

    @batched(most=5)
    async def forget(self, keys: list[str]) -> None: ...

    def landed(self, delay: float, user: str, at: datetime) -> None:
        self.delays.add(delay)
        self.recent.at(at).add(delay)
        self.latency.at(at).add(delay)
        self.users.add(user)
        self.pages.add(user, 3)
        assert_type(self.record(3.5), None)
        assert_type(self.bid(3), bool)
        self.record([3.5])  # type: ignore[arg-type]
        self.delays.add("late")  # type: ignore[arg-type]
        self.recent.at(delay)  # type: ignore[arg-type]
        self.users.add(3.5)  # type: ignore[arg-type]
        self.delays.merge(self.recent)  # type: ignore[arg-type]


def read(route: Route) -> None:
    assert_type(route.delays.count, int)
    assert_type(route.delays.mean, float | None)
    assert_type(route.delays.variance, float | None)
    assert_type(route.recent.over(15 * MINUTE), Tally)
    assert_type(route.recent.series(), list[tuple[datetime, Tally]])
    assert_type(route.recent.late, int)
    assert_type(route.latency.over(MINUTE).quantile(0.99), float | None)
    assert_type(route.users.estimate(), float)
    assert_type(route.pages.top(10), list[tuple[str, int]])
    assert_type(Tally.merged([route.delays, Tally()]), Tally)
    assert_type(Windowed[Tally].merged([route.recent]), Windowed[Tally])
    assert_type(route.delays.summary(), dict[str, Any])
    assert_type(Tally.from_bytes(route.delays.to_bytes()), Tally)


async def send(client: EntityClient) -> None:
    await client.signal_entity(Route.record, "oslo", 3.5)
    assert_type(await client.call_entity(Route.bid, "oslo", 3), bool)
    assert_type(await client.call_entity(Route.fetch, "oslo", "a"), bytes)
    await client.signal_entity(Route.forget, "oslo", "a")
    async with client.producer() as producer:
        await producer.signal(Route.record, "oslo", 3.5)
    await client.signal_entity(Route.record, "oslo", [3.5])  # type: ignore[call-overload]
    await client.signal_entity(Route.record, "oslo")  # type: ignore[call-overload]
    await client.call_entity(Route.bid, "oslo", "x")  # type: ignore[call-overload]


@batched  # type: ignore[arg-type]
def single(self: Route, item: int) -> None: ...
