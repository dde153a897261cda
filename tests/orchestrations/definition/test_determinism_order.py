"""What differs from process to process is found at the definition: the order of sets, hashes, zones, what outlives a turn."""

# pyright: reportUnusedVariable=false, reportConstantRedefinition=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# ruff: noqa: B007, C414, C416, C420, F841, PERF102, PLC0208, PLW0131, RUF059

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from stead.app import App
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext
from stead.orchestrations._definition.determinism import find_nondeterminism

app = App("order")
CITIES = {"oslo", "rome"}
FROZEN = frozenset(CITIES)
LIST = ["oslo"]
TABLE: dict[str, list[int]] = {}
QUEUE: deque[int] = deque()
NUMBERS = itertools.count()


class Config:
    limit = 3


class Order(BaseModel):
    tags: set[str] = set()
    groups: dict[str, set[str]] = {}
    lines: list[str] = []

    @property
    def colours(self) -> frozenset[str]:
        return frozenset(self.tags)


@dataclass
class Trip:
    stops: set[str] = field(default_factory=set)
    order: Order = field(default_factory=Order)


@app.activity
def find() -> set[str]:
    return set()


@app.activity
def greet(name: str) -> str:
    return name


@app.entity
class Station(Entity):
    names: list[str] = []

    def known(self) -> set[str]:
        return set(self.names)


def names_of(order: Order) -> set[str]:
    return order.tags


def found_in(function: Callable[..., Any]) -> list[str]:
    return [finding.what for finding in find_nondeterminism(function)]


# -- sets --------------------------------------------------------------------------------------------------------------


async def displays(context: OrchestrationContext) -> None:
    for name in {"a", "b"}:
        await context.call_activity(greet, name)


async def made(context: OrchestrationContext, names: list[str]) -> Any:
    for name in set(names):
        await context.call_activity(greet, name)
    await asyncio.gather(*[context.call_activity(greet, name) for name in frozenset(names)])


async def comprehension(context: OrchestrationContext, names: list[str]) -> Any:
    small = {name.lower() for name in names}
    return [await context.call_activity(greet, name) for name in small]


async def parameter(context: OrchestrationContext, names: set[str]) -> Any:
    return await asyncio.gather(*(context.call_activity(greet, name) for name in names))


async def optional_parameter(context: OrchestrationContext, names: frozenset[str] | None = None) -> Any:
    for name in names or ():
        await context.call_activity(greet, name)


async def abstract_parameter(context: OrchestrationContext, names: Annotated[AbstractSet[str], "x"]) -> list[str]:
    return list(names)


async def annotated(context: OrchestrationContext) -> None:
    names: set[str] = await context.call_activity("somebody's")
    for name in names:
        await context.call_activity(greet, name)


async def field_of_a_model(context: OrchestrationContext, order: Order) -> None:
    for tag in order.tags:
        await context.call_activity(greet, tag)


async def deep_fields(context: OrchestrationContext, trip: Trip) -> Any:
    first = [tag for tag in trip.order.tags]
    return [first, tuple(trip.stops), list(trip.order.colours), [x for x in trip.order.groups["a"]]]


async def result(context: OrchestrationContext) -> None:
    for name in await context.call_activity(find):
        await context.call_activity(greet, name)


async def kept_result(context: OrchestrationContext) -> None:
    names = await context.call_activity(find.with_options(tags={"a": "b"}))
    for name in names:
        await context.call_activity(greet, name)


async def result_of_an_entity(context: OrchestrationContext) -> None:
    for name in await context.call_entity(Station.known, "a"):
        await context.call_activity(greet, name)


async def result_of_a_function(context: OrchestrationContext, order: Order) -> list[str]:
    return [name for name in names_of(order)]


async def constant(context: OrchestrationContext) -> None:
    for name in CITIES:
        await context.call_activity(greet, name)


async def frozen_constant(context: OrchestrationContext) -> Any:
    return ",".join(FROZEN)


async def operators(context: OrchestrationContext, names: list[str], more: dict[str, int]) -> Any:
    seen = set(names)
    for name in seen - {"a"}:
        await context.call_activity(greet, name)
    return [list(seen | CITIES), list(more.keys() - names), tuple(CITIES.union(names)), next(iter(seen)), seen.pop()]


async def unpacked(context: OrchestrationContext) -> Any:
    first, second = CITIES
    return [first, [*FROZEN], list(zip(CITIES, LIST, strict=False)), list(map(str, CITIES)), enumerate(CITIES)]


async def by_itertools(context: OrchestrationContext) -> Any:
    return [itertools.chain(CITIES, LIST), list(itertools.product(FROZEN, LIST))]


async def through_a_dictionary(context: OrchestrationContext, names: list[str]) -> None:
    totals = {name: 0 for name in set(names)}
    for name in totals:
        await context.call_activity(greet, name)


async def extended(context: OrchestrationContext) -> None:
    names: list[str] = []
    names.extend(CITIES)


async def tasks_by_name(context: OrchestrationContext) -> Any:
    return {name: context.call_activity(greet, name) for name in CITIES}


async def added_to(context: OrchestrationContext, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        seen.add(name)
    for name in seen:
        await context.call_activity(greet, name)


async def helper_of(context: OrchestrationContext, names: set[str]) -> None:
    for name in names:
        await context.call_activity(greet, name)


async def calls_a_helper(context: OrchestrationContext, names: list[str]) -> None:
    await helper_of(context, set(names))


SETS = [
    displays, made, comprehension, parameter, optional_parameter, abstract_parameter, annotated, field_of_a_model, deep_fields,
    result, kept_result, result_of_an_entity, result_of_a_function, constant, frozen_constant, operators, unpacked,
    by_itertools, through_a_dictionary, extended, tasks_by_name, added_to, helper_of, calls_a_helper,
]  # fmt: skip
COUNTS = {by_itertools: 2, made: 2, deep_fields: 4, operators: 5, unpacked: 3}


@pytest.mark.parametrize("function", SETS)
def test_going_over_a_set_is_found(function: Callable[..., Any]) -> None:
    found = found_in(function)
    assert all("whose order is another one in each process" in what for what in found)
    assert len(found) == COUNTS.get(function, 1), found


async def asks(context: OrchestrationContext, names: set[str], order: Order) -> Any:
    seen = set(names)
    seen.add("x")
    if "a" in names and len(names) > 3 and names <= seen and not names.isdisjoint(CITIES):
        seen |= CITIES
    return [len(seen), bool(seen), seen == CITIES, any(n == "a" for n in names), sum(len(n) for n in names), max(names)]


async def sorts(context: OrchestrationContext, names: set[str], trip: Trip) -> Any:
    for name in sorted(names):
        await context.call_activity(greet, name)
    listed = list(names)
    listed.sort()
    for stop in sorted(stop.lower() for stop in trip.stops):
        await context.call_activity(greet, stop)
    return [listed, sorted(trip.order.tags), min(trip.stops), sorted([n for n in names]), sorted(list(names))]


async def makes_sets(context: OrchestrationContext, names: set[str]) -> Any:
    small = {name.lower() for name in names}
    return [small | names, small - CITIES, set(names), frozenset(n for n in names), names.union(CITIES), small.copy()]


async def becomes_a_list(context: OrchestrationContext, names: Any) -> None:
    found = set(names)
    found = sorted(found)  # type: ignore[assignment]
    for name in found:
        await context.call_activity(greet, name)


async def waits_for_tasks(context: OrchestrationContext, names: list[str]) -> None:
    running = {context.call_activity(greet, name) for name in names}
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    both = {context.call_activity(greet, "a"), context.call_activity(greet, "b")}
    for task in both:
        await task
    collected = set()
    for name in names:
        collected.add(context.call_activity(greet, name))
    for task in collected:
        await task
    typed: set[asyncio.Task[str]] = set()
    await asyncio.gather(*typed, *both)


async def other_collections(context: OrchestrationContext, order: Order, given: dict[str, int]) -> Any:
    totals: dict[str, int] = dict.fromkeys(order.lines, 0)
    for line in order.lines:
        totals[line] += 1
    for key, value in given.items():
        await context.call_activity(greet, key)
    counts = {name: 0 for name in CITIES}
    counts["oslo"] += 1
    return [list(given), [*totals], list(LIST), ",".join(order.lines), counts["oslo"], len(counts), 5 - 3, LIST + LIST]


def product(names: set[str]) -> str:
    return ",".join(sorted(names))


async def calls_its_own(context: OrchestrationContext, names: set[str], list: Callable[[Any], int]) -> Any:
    return [product(names), list(names)]


async def shadows(context: OrchestrationContext, set: Callable[[Any], list[str]]) -> None:
    CITIES = ["oslo"]  # noqa: N806
    for name in set("x"):
        await context.call_activity(greet, name)
    for city in CITIES:
        await context.call_activity(greet, city)


async def only_while_new(context: OrchestrationContext, names: set[str]) -> None:
    if not context.is_replaying:
        for name in names:
            print(name)


@pytest.mark.parametrize(
    "function",
    [
        asks,
        sorts,
        makes_sets,
        becomes_a_list,
        waits_for_tasks,
        other_collections,
        calls_its_own,
        shadows,
        only_while_new,
    ],
)
def test_asking_sorting_and_waiting_are_fine(function: Callable[..., Any]) -> None:
    assert found_in(function) == []


# -- hashes, zones -----------------------------------------------------------------------------------------------------


async def hashes(context: OrchestrationContext, name: str) -> int:
    return hash(name) % 7


async def identities(context: OrchestrationContext, name: str) -> int:
    return id(name)


async def zones(context: OrchestrationContext) -> Any:
    moment = context.now.timestamp()
    here = [datetime.fromtimestamp(moment), date.fromtimestamp(moment), context.now.astimezone()]
    return [here, time.localtime(), time.localtime(moment), time.ctime(moment), time.mktime(time.gmtime(moment))]


async def clock_without_arguments(context: OrchestrationContext) -> Any:
    return [time.gmtime(), time.strftime("%H"), time.asctime()]


@pytest.mark.parametrize(
    ("function", "words", "count"),
    [
        (hashes, "hash() is another number in each process", 1),
        (identities, "id() is another number in each process", 1),
        (zones, "depends on the machine's time zone", 6),
        (clock_without_arguments, "reads the clock", 3),
    ],
)
def test_hashes_and_zones_are_found(function: Callable[..., Any], words: str, count: int) -> None:
    found = found_in(function)
    assert all(words in what for what in found) and len(found) == count, found


async def tells_the_zone(context: OrchestrationContext, hash: Callable[[str], int]) -> Any:
    moment = context.now.timestamp()
    told = [datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(moment, tz=UTC), context.now.astimezone(UTC)]
    return [told, time.gmtime(moment), time.strftime("%H", time.gmtime(moment)), hash("x")]


# -- what outlives a turn ----------------------------------------------------------------------------------------------


async def appends(context: OrchestrationContext) -> None:
    LIST.append("x")


async def sets_an_item(context: OrchestrationContext) -> None:
    TABLE["x"] = [1]
    TABLE["x"][0] += 1
    del TABLE["x"]


async def changes_a_set(context: OrchestrationContext) -> None:
    CITIES.add("x")
    QUEUE.appendleft(1)
    TABLE.setdefault("x", []).append(1)


async def draws_a_number(context: OrchestrationContext) -> int:
    return next(NUMBERS)


async def sets_attributes(context: OrchestrationContext) -> None:
    Config.limit += 1
    collections.limit = 3  # type: ignore[attr-defined]
    sets_attributes.calls = 1  # type: ignore[attr-defined]


async def declares(context: OrchestrationContext, names: list[str]) -> None:
    global LIST, TABLE, NUMBERS
    for LIST in [["a"]]:
        pass
    TABLE, other = {}, 1
    (NUMBERS := itertools.count())


def made_around() -> Callable[..., Any]:
    calls = 0
    kept: list[int] = []

    async def counts(context: OrchestrationContext) -> None:
        nonlocal calls
        calls += 1
        kept.append(calls)

    return counts


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (appends, {"'LIST'"}),
        (sets_an_item, {"'TABLE'", "\"TABLE['x']\""}),
        (changes_a_set, {"'CITIES'", "'QUEUE'", "'TABLE'"}),
        (draws_a_number, {"'NUMBERS'"}),
        (sets_attributes, {"'Config.limit'", "'collections.limit'", "'sets_attributes.calls'"}),
        (declares, {"'LIST'", "'TABLE'", "'NUMBERS'"}),
        (made_around(), {"'calls'", "'kept'"}),
    ],
)
def test_changes_of_what_outlives_a_turn_are_found(function: Callable[..., Any], names: set[str]) -> None:
    found = found_in(function)
    assert {what.split(" is a global variable")[0] for what in found} == names


async def changes_its_own(context: OrchestrationContext, order: Order) -> Any:
    kept: list[str] = []
    table: dict[str, int] = {}
    total = 0

    def add(name: str) -> None:
        nonlocal total
        total += 1
        kept.append(name)

    add("x")
    table["x"] = total
    order.lines.append("x")
    LIST = ["mine"]  # noqa: N806
    LIST.append("x")
    numbers = itertools.count()
    return [TABLE.get("x"), Config.limit, CITIES & {"a"}, next(numbers), table.pop("x")]


@pytest.mark.parametrize("function", [tells_the_zone, changes_its_own])
def test_what_stays_within_is_fine(function: Callable[..., Any]) -> None:
    assert found_in(function) == []
