"""Entities with aggregates that do what they are told, and what can be seen of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydantic import BaseModel

from stead.entities import ClassEntityType, Entity
from stead.entities.aggregates import Aggregate, Distinct, Quantiles, Tally, TopItems, Windowed, windowed
from support.activation_bench import Bench

MINUTE = timedelta(minutes=1)
START = datetime(1970, 1, 1, tzinfo=UTC)  # the bench's time

Step = list[Any]


def spans() -> Windowed[Tally]:
    return windowed(Tally(), MINUTE, keep=3)


class Inner(BaseModel):
    tally: Tally = Tally()
    more: list[Tally] = []


class Steps(Entity):
    """Does what it is told to aggregates, and fails or not."""

    count: int = 0
    tally: Tally = Tally()
    recent: Windowed[Tally] = windowed(Tally(), MINUTE, keep=3)
    maybe: Tally | None = None
    latency: Quantiles = Quantiles(accuracy=0.05)
    users: Distinct = Distinct()
    pages: TopItems = TopItems(most=3)

    def do(self, steps: list[Step], fails: bool = False) -> None:
        for step in steps:
            act(self, step)
        if fails:
            raise ValueError("as it was told")

    async def later(self, steps: list[Step], fails: bool = False) -> None:
        self.do(steps[:1])
        await asyncio.sleep(0)
        self.do(steps[1:], fails)

    def look(self) -> Any:
        return [self.tally.mean, self.latency.quantile(0.5), self.users.estimate(), self.pages.top(1)]

    def _count(self) -> None:
        self.count += 1

    def _add(self, number: float) -> None:
        self.tally.add(number)

    def _event(self, minutes: int, number: float) -> None:
        self.recent.at(START + minutes * MINUTE).add(number)

    def _maybe(self) -> None:
        self.maybe = None if self.maybe is not None else Tally()

    def _clear(self) -> None:
        for one in (self.tally, self.recent, self.pages):
            one.clear()

    def _new(self) -> None:
        self.tally = Tally()

    def _nested(self, number: float) -> None:
        """Only where something is."""

    def _sketch(self, number: float) -> None:
        self.latency.add(number)
        self.users.add(f"{number}")
        self.pages.add(f"{number}")

    def _read(self) -> None:
        self.look()

    def _many(self, number: float) -> None:
        for index in range(5_000):
            self.latency.add(number + index)


class Plain(Steps):
    """Some in lists and dicts."""

    parts: list[Tally] = []
    by_key: dict[str, Tally] = {}
    windows: dict[str, Windowed[Tally]] = {}

    def _append(self) -> None:
        self.parts.append(Tally())

    def _last(self, number: float) -> None:
        for part in self.parts[-1:]:
            part.add(number)

    def _pop(self) -> None:
        del self.parts[-1:]

    def _key(self, key: str, number: float) -> None:
        self.by_key.setdefault(key, Tally()).add(number)

    def _span(self, key: str, minutes: int) -> None:
        self.windows.setdefault(key, spans()).at(START + minutes * MINUTE).add(1)

    def _merge(self) -> None:
        for tally in self.by_key.values():
            self.tally.merge(tally)

    def _shared(self) -> None:
        self.parts = [self.tally, self.tally, *self.parts[:1]]

    def _swap(self) -> None:
        first = self.by_key.setdefault("a", Tally())
        self.by_key["b"], self.tally = self.tally, first


class Nested(Plain):
    inner: Inner = Inner()
    several: dict[str, Inner] = {}

    def _nested(self, number: float) -> None:
        self.inner.tally.add(number)
        self.inner.more.append(Tally())
        self.several.setdefault("x", Inner()).more.extend([self.inner.tally, Tally()][: int(number) % 3])


class Mixed(Plain):
    """And something else in a list."""

    numbers: list[int] = [1]


class Flat(Steps):
    """Aggregates and single values only."""

    label: str = ""
    ratio: float = 0.0
    large: int | None = None

    def put(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def _append(self) -> None:
        self.label = f"{self.count}"

    def _last(self, number: float) -> None:
        self.ratio = number

    def _pop(self) -> None:
        self.large = None

    def _key(self, key: str, number: float) -> None:
        self.large = 2**60 + int(number)

    def _span(self, key: str, minutes: int) -> None:
        self._event(minutes, 1.0)

    def _merge(self) -> None:
        self.tally.merge(self.recent.over(MINUTE))

    def _shared(self) -> None:
        self.maybe = self.tally

    def _swap(self) -> None:
        self.tally, self.maybe = self.maybe or Tally(), self.tally


def act(state: Any, step: Step) -> None:
    getattr(state, f"_{step[0]}")(*step[1:])


def seen(state: Any) -> dict[str, Any]:
    """What can be seen of a state: of sketches not their bytes, which are drawn."""
    return {name: _seen(value) for name, value in state.__dict__.items()}


def _seen(value: Any) -> Any:
    given: Any = value
    if isinstance(value, Aggregate):
        return (value.summary(), repr(value))
    if isinstance(value, BaseModel):
        return seen(value)
    if isinstance(value, dict):
        return {key: _seen(inner) for key, inner in given.items()}
    return [_seen(inner) for inner in given] if isinstance(value, list) else value


def live(bench: Bench) -> Any:
    """The instance on which operations run."""
    return cast("Any", bench.cell)._instance


def bench_of(cls: type[Entity]) -> Bench:
    return Bench(ClassEntityType(type(cls.__name__, (cls,), {"__module__": __name__})))
