"""What an operation leaves behind has no effect: tasks that go on, references that were kept, defaults that were changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import ClassEntityType, ContextEnded, Entity, EntityClient, OperationFailed, Registry, Worker
from stead.transport import Commit, CommitAnswer, MemoryStore, Settings
from support.activation_bench import Bench
from support.guards import HANGS_S

KEPT: list[Any] = []
TASKS: list[asyncio.Task[None]] = []
go: asyncio.Event

app = App("left-alone")


class Part(BaseModel):
    names: list[str] = []


async def later(act: Callable[[], None]) -> None:
    await go.wait()
    act()


def leave(act: Callable[[], None]) -> None:
    TASKS.append(asyncio.create_task(later(act)))


@app.entity
class Plain(Entity):
    """A state that is packed as it is."""

    n: int = 0
    items: list[str] = []
    rows: list[list[int]] = []
    padding: str = ""

    def add(self) -> int:
        self.n += 1
        leave(self._spoil)
        return self.n

    async def add_later(self) -> int:
        await asyncio.sleep(0)
        return self.add()

    def _spoil(self) -> None:
        self.n = 99
        self.items.append("spoilt")

    async def leave_at_the_end(self) -> list[int]:
        await go.wait()
        context, result = self.context, [1]

        async def spoil() -> None:
            self._spoil()
            result.append(2)
            KEPT.append(self)
            try:
                context.signal_entity(type(self).add, "z")
            except ContextEnded as error:
                KEPT.append(error)

        self.n += 1
        self.items.append("mine")
        TASKS.append(asyncio.create_task(later(lambda: TASKS.append(asyncio.create_task(spoil())))))
        return result

    def keep_items(self) -> None:
        self.items.append("mine")
        KEPT.append(self.items)

    def keep_self(self) -> None:
        self.n += 1
        KEPT.append(self)

    def grow(self) -> None:
        self.padding = "x" * 5000

    def look(self) -> tuple[int, list[str]]:
        return self.n, self.items

    async def wait_and_add(self) -> int:
        go.set()
        await asyncio.gather(*TASKS)
        self.n += 1
        return self.n

    def wrong(self) -> int:
        self.n += 1
        return "x"  # type: ignore[return-value]


@app.entity
class Dumped(Plain):
    """A state that is dumped and loaded."""

    part: Part = Part()

    def _spoil(self) -> None:
        self.n = 99
        self.part.names.append("spoilt")


CLASSES: Any = [Plain, Dumped]


@pytest.fixture(autouse=True)
def _anew() -> None:
    global go
    go = asyncio.Event()
    KEPT.clear()
    TASKS.clear()


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("operation", ["add", "add_later"])
async def test_a_task_that_goes_on_has_no_effect_and_is_logged(
    cls: type[Plain], large: bool, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with TestHub(app) as hub:
        if large:
            await hub.client.call_entity(cls.grow, "a")
        assert await hub.client.call_entity(getattr(cls, operation), "a") == 1
        go.set()
        await asyncio.gather(*TASKS)
        assert await hub.client.call_entity(cls.look, "a") == (1, [])
        assert "changed after the operation had ended" in caplog.text
        assert await hub.client.call_entity(cls.add, "a") == 2
        state: Any = await hub.client.read_entity(cls, "a")
        assert (state.n, state.items) == (2, [])


@pytest.mark.invariant(5)
@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("large", [False, True])
async def test_nor_while_the_operation_waits_for_room_in_a_commit(
    cls: type[Plain], large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(partitions=1, slot_groups=1, batch_length_max=1)
    store, registry = MemoryStore("hub", settings), Registry()
    registry.add(ClassEntityType(cls))
    room = asyncio.Event()
    room.set()
    commit = store.commit

    async def slow(commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        await room.wait()
        return await commit(commits, generation)

    monkeypatch.setattr(store, "commit", slow)
    async with Worker(store, registry, settings) as worker, EntityClient(store, registry, settings) as client:
        if large:
            await client.call_entity(cls.grow, "a")
        call = asyncio.create_task(client.call_entity(cls.leave_at_the_end, "a"))
        board = worker._board
        assert board is not None
        (partition,) = board.partitions.values()
        async with asyncio.timeout(HANGS_S):
            while not partition.busy:
                await asyncio.sleep(0)
            room.clear()
            for key in ("b", "c", "d", "e"):  # one commit is under way, and the next one is full
                await client.signal_entity(cls.add, key)
            while not partition.slice.full:
                await asyncio.sleep(0)
            go.set()  # it ends, and what it leaves goes on
            while len(KEPT) < 2:
                await asyncio.sleep(0)
            assert partition.busy
            room.set()
            assert await call == [1]
            state: Any = await client.read_entity(cls, "a")
            assert (state.n, state.items) == (1, ["mine"])
            while not store.is_idle():
                await asyncio.sleep(0)
            assert await client.read_entity(cls, "z") is None
    assert isinstance(KEPT[1], ContextEnded)


@pytest.mark.parametrize("cls", CLASSES)
async def test_a_task_cannot_change_what_a_later_operation_waits_over(cls: type[Plain]) -> None:
    async with TestHub(app) as hub:
        assert await hub.client.call_entity(cls.add, "a") == 1
        assert await hub.client.call_entity(cls.wait_and_add, "a") == 2
        state: Any = await hub.client.read_entity(cls, "a")
        assert (state.n, state.items) == (2, [])


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("keep", ["keep_items", "keep_self"])
async def test_a_reference_that_was_kept_changes_nothing(cls: type[Plain], keep: str) -> None:
    async with TestHub(app) as hub:
        await hub.client.call_entity(getattr(cls, keep), "a")
        before = await hub.client.call_entity(cls.look, "a")
        kept = KEPT[0]
        if hasattr(kept, "append"):
            kept.append("more")
        else:
            kept.n = 50
            kept.items.append("more")
        assert await hub.client.call_entity(cls.look, "a") == before


async def test_nothing_is_logged_of_operations_that_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with TestHub(app) as hub:
        for cls in CLASSES:
            for operation in (cls.keep_items, cls.grow, cls.look, cls.keep_self, cls.look):
                await hub.client.call_entity(operation, "b")
    assert "had ended" not in caplog.text


@pytest.mark.parametrize("cls", CLASSES)
async def test_a_result_of_another_type_is_rolled_back(cls: type[Plain]) -> None:
    async with TestHub(app) as hub:
        with pytest.raises(OperationFailed, match=r"result of .*\.wrong"):
            await hub.client.call_entity(cls.wrong, "a")
        assert await hub.client.read_entity(cls, "a") is None


# -- defaults ------------------------------------------------------------------------------------------------------------


class Defaults(Entity):
    """Operations with defaults that can change."""

    seen: list[str] = []

    def gather(self, name: str, into: list[str] = []) -> list[str]:  # noqa: B006 - that is what is tested
        into.append(name)
        return into

    def nested(self, name: str) -> list[str]:
        return self.gather(name)

    def named(self, name: str, *, into: dict[str, int] = {}, part: Part = Part()) -> tuple[int, int]:  # noqa: B006, B008
        into[name] = 1
        part.names.append(name)
        return len(into), len(part.names)

    async def later(self, name: str, into: set[str] = set()) -> int:  # noqa: B006
        into.add(name)
        return len(into)


class Inherited(Defaults):
    """Has them from its base."""


@pytest.mark.parametrize("cls", [Defaults, Inherited])
def test_defaults_that_can_change_are_copied(cls: type[Defaults]) -> None:
    entity = ClassEntityType(cls)
    benches = [Bench(entity), Bench(entity)]
    for bench in benches * 2:
        assert bench.run("gather", "x") == ["x"]
        assert bench.run("nested", "x") == ["x"]
        assert bench.run("named", "x") == (1, 1)
        assert bench.run("later", f"{id(bench)}") == 1
    assert cls().gather("x") == ["x"]
    assert benches[0].run("gather", "y", into=["x"]) == ["x", "y"]


def test_defaults_of_activities_are_copied() -> None:
    activities = App("defaults")

    @activities.activity
    def gather(name: str, into: list[str] = []) -> list[str]:  # noqa: B006 - see above
        into.append(name)
        return into

    @activities.activity
    async def gather_later(name: str, into: list[str] = []) -> list[str]:  # noqa: B006
        into.append(name)
        return into

    for _ in range(2):
        assert gather.prepare(["x"], None)() == ["x"]
        running: Coroutine[Any, Any, list[str]] = gather_later.prepare(["x"], None)()
        assert asyncio.run(running) == ["x"]
