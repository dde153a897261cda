"""Batches: one call for what waits in a row; all or nothing, and each message counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, cast

import pytest
from pydantic import AfterValidator

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.entities import (
    ClassEntityType,
    Entity,
    EntityId,
    InvalidDefinition,
    InvalidInput,
    OperationFailed,
    batched,
)
from stead.entities._turns import batch
from stead.orchestrations import OrchestrationContext
from support.hostile import ERRORS

CALLS: list[tuple[str, list[Any]]] = []


NEWER: list[int] = []


def older(item: int) -> int:
    """Takes 99 from its sender, and not where it arrives."""
    NEWER.append(item)
    if item == 99 and NEWER.count(99) > 1:
        raise ValueError("not any more")
    return item


class Station(Entity):
    count: int = 0
    total: float = 0.0
    seen: list[int] = []

    @batched
    def record(self, readings: list[float]) -> None:
        CALLS.append(("record", list(readings)))
        self.count += len(readings)
        self.total += sum(readings)

    @batched(most=5)
    def bid(self, amounts: list[int]) -> list[bool]:
        CALLS.append(("bid", list(amounts)))
        self.seen.extend(amounts)
        for amount in amounts:
            if amount < 0:
                raise ValueError("negative")
        return [amount > 10 for amount in amounts]

    @batched
    async def later(self, items: list[int]) -> list[int]:
        CALLS.append(("later", list(items)))
        self.seen.extend(items)
        await asyncio.sleep(0)
        if 13 in items:
            raise ValueError("thirteen")
        return [item + 1 for item in items]

    @batched
    def spoil(self, items: list[dict[str, Any]]) -> list[int]:
        CALLS.append(("spoil", [dict(item) for item in items]))
        found: list[int] = [item.pop("n") for item in items]
        if len(items) > 1:
            raise ValueError("not together")
        return found

    @batched
    def hostile(self, names: list[str]) -> None:
        CALLS.append(("hostile", list(names)))
        if error := ERRORS.get(names[0]):
            raise error()

    @batched
    def wrong(self, items: list[int]) -> list[int]:
        CALLS.append(("wrong", list(items)))
        self.count += len(items)
        return [1, 2] if len(items) == 3 else [7] * len(items)

    @batched
    def spread(self, items: list[int]) -> None:
        CALLS.append(("spread", list(items)))
        for item in items:
            for _ in range(item):
                self.context.signal_entity(EntityId("Station", "other"), "record", 1.0)

    @batched
    def fit(self, items: list[Annotated[int, AfterValidator(older)]]) -> None:
        CALLS.append(("fit", list(items)))
        self.count += len(items)
        self.total += sum(items)

    @batched
    def echo(self, sizes: list[int]) -> list[str]:
        CALLS.append(("echo", list(sizes)))
        self.count += len(sizes)
        return ["x" * size for size in sizes]

    def plain(self) -> None:
        CALLS.append(("plain", []))

    def own(self) -> bool:
        self.record(3.5)
        return self.bid(11)


def make_app(name: str, **settings: Any) -> App:
    app = App(name, settings=Settings(partitions=2, **settings))
    app.entity(name="Station")(type("Own", (Station,), {"__module__": __name__}))
    return app


S = EntityId("Station", "a")


async def warm(hub: TestHub, operation: str, item: Any) -> None:
    """Let it be known that it takes no time: a batch's length begins with one."""
    for _ in range(6):
        for _ in range(10):
            await hub.client.signal_entity(EntityId("Station", "warm"), operation, item)
        await hub.run_until_idle()
    CALLS.clear()


async def send(hub: TestHub, *calls: tuple[Any, ...]) -> list[Any]:
    """Calls that are in the inbox together, and what came of them."""
    tasks = [asyncio.ensure_future(hub.client.call_entity(S, name, *args)) for name, *args in calls]
    await hub.run_until_idle()
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, what runs here takes no time: how a batch's length follows that is in `test_pace.py`."""
    monkeypatch.setattr(batch, "TIME_S", 86_400.0)


@pytest.mark.hazard(110)
async def test_what_waits_in_a_row_is_one_call() -> None:
    async with TestHub(make_app("batches-row")) as hub:
        await warm(hub, "record", 1.0)
        answers = await send(hub, *[("record", float(index)) for index in range(20)])
        assert answers == [None] * 20
        assert next(len(items) for name, items in CALLS if name == "record") > 1
        assert [item for _, items in CALLS for item in items] == [float(index) for index in range(20)]
        state = await hub.client.read_entity(S)
        assert (state["count"], state["total"]) == (20, 190.0)


async def test_another_operation_ends_a_batch_and_most_does() -> None:
    async with TestHub(make_app("batches-ends")) as hub:
        await warm(hub, "bid", 1)
        calls = [("bid", index) for index in range(7)] + [("plain",)] + [("BID", index) for index in (11, 12)]
        answers = await send(hub, *calls)
        assert answers == [False] * 7 + [None] + [True] * 2
        lengths = [len(items) for _, items in CALLS]
        assert max(lengths) <= 5
        assert [item for _, items in CALLS for item in items] == [*range(7), 11, 12]
        assert [name for name, _ in CALLS].count("plain") == 1


async def test_a_batch_that_fails_runs_one_by_one_and_nothing_is_counted_twice() -> None:
    async with TestHub(make_app("batches-fails")) as hub:
        await warm(hub, "bid", 1)
        answers = await send(hub, ("bid", 1), ("bid", -1), ("bid", 20), ("bid", 2))
        assert [type(answer) for answer in answers] == [bool, OperationFailed, bool, bool]
        assert answers[2] is True
        state = await hub.client.read_entity(S)
        assert state["seen"] == [1, 20, 2]
        assert ("bid", [1, -1, 20, 2]) in CALLS
        CALLS.clear()
        assert await send(hub, ("bid", 3), ("bid", 4)) == [False, False]
        assert ("bid", [3, 4]) in CALLS, "after the trouble they are batches again"


@pytest.mark.parametrize("name", ["one without attributes", "__class__ raises", "a class that lies", "exit"])
async def test_whatever_a_batch_raises_its_messages_run_one_by_one(name: str) -> None:
    async with TestHub(make_app("batches-hostile")) as hub:
        await warm(hub, "hostile", "fine")
        answers = await send(hub, *[("hostile", name)] * 3)
        assert [type(answer) for answer in answers] == [OperationFailed] * 3
        assert [len(items) for _, items in CALLS] == [3, 1, 1, 1]
        assert await send(hub, ("bid", 30)) == [True]


async def test_an_asynchronous_batch() -> None:
    async with TestHub(make_app("batches-async")) as hub:
        answers = await send(hub, *[("later", index) for index in range(5)])
        assert answers == [1, 2, 3, 4, 5]
        assert len([name for name, _ in CALLS if name == "later"]) < 5
        answers = await send(hub, ("later", 12), ("later", 13), ("later", 14))
        assert [type(answer) for answer in answers] == [int, OperationFailed, int]
        state = await hub.client.read_entity(S)
        assert state["seen"] == [0, 1, 2, 3, 4, 12, 14]


async def test_an_item_that_does_not_fit_fails_alone() -> None:
    """As it does if its sender has another version of the class."""
    async with TestHub(make_app("batches-item")) as hub:
        await warm(hub, "fit", 1)
        NEWER.clear()
        answers = await send(hub, ("fit", 1), ("fit", 99), ("fit", 2))
        assert ("fit", [1, 2]) in CALLS
        assert [type(answer) for answer in answers] == [type(None), InvalidInput, type(None)]
        state = await hub.client.read_entity(S)
        assert (state["count"], state["total"]) == (2, 3.0)


async def test_what_a_failed_batch_did_to_its_items_is_undone() -> None:
    async with TestHub(make_app("batches-items")) as hub:
        await warm(hub, "spoil", {"n": 1})
        answers = await send(hub, *[("spoil", {"n": index}) for index in range(4)])
        assert answers == [0, 1, 2, 3]


async def test_results_of_another_number_fail_the_batch() -> None:
    async with TestHub(make_app("batches-results")) as hub:
        await warm(hub, "wrong", 1)
        answers = await send(hub, ("wrong", 1), ("wrong", 2), ("wrong", 3))
        assert answers == [7, 7, 7]
        assert (await hub.client.read_entity(S))["count"] == 3


async def test_a_batch_that_sends_too_much_is_halved() -> None:
    async with TestHub(make_app("batches-sends", turn_sends_max=10)) as hub:
        await warm(hub, "spread", 1)
        answers = await send(hub, *[("spread", 4) for _ in range(4)])
        assert answers == [None] * 4
        assert (await hub.client.read_entity(EntityId("Station", "other")))["count"] >= 16
        lengths = [len(items) for name, items in CALLS if name == "spread"]
        assert max(lengths) > 2 and 2 in lengths
        answers = await send(hub, ("spread", 11), ("spread", 1))
        assert [type(answer) for answer in answers] == [OperationFailed, type(None)]


async def test_inside_the_class_it_takes_one_item() -> None:
    async with TestHub(make_app("batches-own")) as hub:
        assert await send(hub, ("own",)) == [True]
        assert CALLS == [("record", [3.5]), ("bid", [11])]


async def test_careful_mode_runs_batches_of_one() -> None:
    async with TestHub(make_app("batches-restart")) as hub:
        await warm(hub, "record", 1.0)
        for index in range(10):
            await hub.client.signal_entity(S, "record", float(index))
        await hub.restart_worker()
        await hub.run_until_idle()
        assert (await hub.client.read_entity(S))["count"] == 10


async def test_results_that_are_too_many_bytes_go_in_halves() -> None:
    async with TestHub(make_app("batches-bytes", batch_bytes_max=100_000, payload_bytes_max=50_000)) as hub:
        await warm(hub, "echo", 1)
        answers = await send(hub, *[("echo", 30_000) for _ in range(8)])
        assert [len(answer) for answer in answers] == [30_000] * 8
        lengths = [len(items) for name, items in CALLS if name == "echo"]
        assert max(lengths) > 3 and (await hub.client.read_entity(S))["count"] == 8


async def test_what_waits_behind_a_lock_is_a_batch_when_it_goes() -> None:
    app = make_app("batches-lock")

    @app.orchestration(name="holds")
    async def holds(context: OrchestrationContext) -> list[bool]:
        async with context.lock_entities(S):
            own = [await context.call_entity(S, "bid", amount) for amount in (1, 12)]  # its own do not wait
            await asyncio.sleep(20)
            return own

    async with TestHub(app) as hub:
        await warm(hub, "bid", 1)
        instance = await hub.client.start_new("holds")
        await hub.run_until_idle()
        tasks = [asyncio.ensure_future(hub.client.call_entity(S, "bid", amount)) for amount in (20, 3, 4)]
        await hub.run_until_idle()
        assert CALLS == [("bid", [1]), ("bid", [12])]
        await hub.advance(timedelta(seconds=21))
        assert await asyncio.gather(*tasks) == [True, False, False]
        assert CALLS[2:] == [("bid", [20, 3, 4])]
        assert (await hub.client.wait_for_completion(instance)).result() == [False, True]


def two(self: Any, first: list[int], second: int) -> None: ...
def none(self: Any) -> None: ...
def default(self: Any, items: list[int] = []) -> None: ...  # noqa: B006
def named(self: Any, *, items: list[int]) -> None: ...
def delete(self: Any, items: list[int]) -> None: ...
def on_expire(self: Any, items: list[int]) -> None: ...


@pytest.mark.hazard(76)
@pytest.mark.parametrize("function", [two, none, default, named, delete, on_expire, print, 3])
def test_what_is_no_batch_is_refused_where_it_stands(function: Any) -> None:
    with pytest.raises(InvalidDefinition, match="batched"):
        batched(function)


@pytest.mark.parametrize("most", [0, -1, True, 1.5, "3", 10**9])
def test_most_is_a_number_of_messages(most: Any) -> None:
    with pytest.raises(InvalidDefinition, match="most"):
        batched(most=most)(cast("Any", single))


def text(self: Any, items: str) -> None: ...
def untyped(self: Any, items) -> None: ...  # type: ignore[no-untyped-def]
def single(self: Any, items: list[int]) -> int:
    return 3


NO_BATCHES: list[Callable[..., Any]] = [text, untyped, single]


@pytest.mark.parametrize("function", NO_BATCHES)
def test_types_that_are_none_of_a_batch_are_refused_at_the_definition(function: Callable[..., Any]) -> None:
    cls = type("Wrong", (Entity,), {"__module__": __name__, function.__name__: batched(function)})
    with pytest.raises(InvalidDefinition, match="list"):
        ClassEntityType(cls)


def test_callers_are_told_of_one_item() -> None:
    known = ClassEntityType(type("Known", (Station,), {"__module__": __name__})).operation("record")
    assert known.encode([3.5], {}) == ([3.5], None)
    for args, kwargs in (([[3.5]], {}), ([], {}), ([1.0, 2.0], {}), ([], {"readings": 3.5}), (["x"], {})):
        with pytest.raises(InvalidInput, match="record"):
            known.encode(args, kwargs)
