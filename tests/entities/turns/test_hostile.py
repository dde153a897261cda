"""An operation's error may be anything: its caller hears of it, and everything else of the worker goes on."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import field_validator, model_serializer

from stead.entities import (
    ClassEntityType,
    DeadLetters,
    Entity,
    EntityClient,
    EntityContext,
    EntityId,
    FunctionEntityType,
    OperationFailed,
    Registry,
    UnknownOperation,
    Worker,
)
from stead.transport import MemoryStore, ServerClock, Settings
from support.hostile import ERRORS, Loose

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=1, slot_groups=1, call_timeout_ms=60_000, drain_ms=200)

make: Callable[[], BaseException] = ValueError  # what operations raise
moody = False  # whether validators and serializers of a state refuse what they took before


left: list[asyncio.Task[None]] = []  # what operations have left behind


def _raise() -> None:
    raise make()


async def _raise_later() -> None:
    raise make()


class Bad(Entity):
    n: int = 0

    def fail(self) -> None:
        self.n += 1
        raise make()

    async def fail_later(self) -> None:
        self.n += 1
        await asyncio.sleep(0)
        raise make()

    def fail_while_failing(self) -> None:
        try:
            raise make()
        except BaseException:  # noqa: BLE001
            raise ValueError("worse")  # noqa: B904 - the context is what is to be looked at

    def leave_behind(self) -> None:
        """What is raised where nobody waits for it."""
        loop = asyncio.get_running_loop()
        loop.call_soon(_raise)
        left.append(loop.create_task(_raise_later()))

    def give(self) -> Any:
        return Loose()

    def send(self) -> None:
        self.context.signal_entity(EntityId("Other", "x"), "take", Loose())

    def look(self) -> int:
        return self.n


class Good(Entity):
    n: int = 0

    def add(self) -> int:
        self.n += 1
        return self.n


class Checked(Entity):
    """Its validator is not always of the same mind."""

    n: int = 0

    @field_validator("n")
    @classmethod
    def check(cls, value: int) -> int:
        if moody:
            raise make()
        return value

    def fail(self) -> None:
        self.n += 1
        raise ValueError("as meant")

    async def fail_later(self) -> None:
        self.fail()

    def add(self) -> int:
        self.n += 1
        return self.n


class Dumped(Entity):
    """Nor is its serializer."""

    n: int = 0

    @model_serializer
    def as_data(self) -> dict[str, int]:
        if moody:
            raise make()
        return {"n": self.n}

    def add(self) -> int:
        self.n += 1
        return self.n

    async def add_later(self) -> int:
        return self.add()


def function(context: EntityContext) -> Any:
    if context.operation_name == "look":
        return context.get_state(int, 0)
    context.set_state(5)
    raise make()


async def function_later(context: EntityContext) -> Any:
    return function(context)


@asynccontextmanager
async def running() -> AsyncGenerator[tuple[Worker, EntityClient, MemoryStore]]:
    registry = Registry()
    for kind in (Bad, Good, Checked, Dumped):
        registry.add(ClassEntityType(kind))
    registry.add(FunctionEntityType("plain", function))
    registry.add(FunctionEntityType("later", function_later))
    store = MemoryStore("hostile", SETTINGS, ServerClock())
    async with Worker(store, registry, SETTINGS) as worker:
        client = EntityClient(store, registry, SETTINGS)
        try:
            yield worker, client, store
        finally:
            await client.aclose()


async def goes_on(worker: Worker, client: EntityClient) -> None:
    """The worker is well, and others are served, of the same partition."""
    assert await client.call_entity(Good.add, "others") > 0
    assert worker.failure is None
    assert worker.partitions == {0}
    assert not worker.busy


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.moody", False)


@pytest.mark.invariant(12)
@pytest.mark.parametrize("name", ERRORS)
async def test_whatever_an_operation_raises_is_its_own_failure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with running() as (worker, client, store):
        for operation in (Bad.fail, Bad.fail_later, Bad.fail_while_failing):
            with pytest.raises(OperationFailed) as caught:
                await client.call_entity(operation, "x")
            assert caught.value.error_type
            await client.signal_entity(operation, "x")
        for entity in ("plain", "later"):
            with pytest.raises(OperationFailed):
                await client.call_entity(EntityId(entity, "x"), "break")
            await client.signal_entity(EntityId(entity, "x"), "break")
            assert await client.call_entity(EntityId(entity, "x"), "look") == 0
        assert await client.call_entity(Bad.look, "x") == 0, "all of it was rolled back"
        await goes_on(worker, client)
        assert len([letter async for letter in DeadLetters(store).all()]) == 5


@pytest.mark.parametrize("name", [name for name in ERRORS if name != "exit"])  # which ends a loop, whoever calls it
def test_what_is_raised_where_nobody_waits_is_said_and_no_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an event loop without a handler of its own, which the tests' have."""
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    told = ListHandler()
    monkeypatch.setattr(logging.root, "handlers", [told])

    async def main() -> None:
        async with running() as (worker, client, _):
            await client.call_entity(Bad.leave_behind, "x")
            while not all(task.done() for task in left):
                await asyncio.sleep(0)
            left.clear()
            gc.collect()
            await goes_on(worker, client)

    gc.freeze()  # what all other tests have left need not be looked through
    try:
        asyncio.run(main())
    finally:
        gc.unfreeze()
    assert told.lines or name == "cancelled"


async def test_the_members_of_an_error_do_not_say_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has every attribute was taken for an argument that was refused."""
    monkeypatch.setattr(f"{__name__}.make", ERRORS["one with every attribute"])
    async with running() as (_, client, _store):
        with pytest.raises(OperationFailed, match="AnswerEverything"):
            await client.call_entity(Bad.fail, "x")


async def test_a_function_entitys_own_error_keeps_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", lambda: UnknownOperation("break"))
    async with running() as (_, client, _store):
        with pytest.raises(UnknownOperation):
            await client.call_entity(EntityId("plain", "x"), "break")


@pytest.mark.parametrize("operation", [Bad.give, Bad.send])
async def test_a_value_that_cannot_be_looked_at_is_refused(operation: Any) -> None:
    async with running() as (worker, client, _):
        with pytest.raises(OperationFailed):
            await client.call_entity(operation, "x")
        await goes_on(worker, client)


@pytest.mark.parametrize("operation", [Checked.fail, Checked.fail_later])
@pytest.mark.parametrize("name", ["a wrapper of an answer", "str raises", "exit", "cancelled", "generator exit"])
async def test_a_state_that_cannot_be_rolled_back_stops_its_entity_alone(
    name: str, operation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with running() as (worker, client, store):
        assert await client.call_entity(Checked.add, "x") == 1
        monkeypatch.setattr(f"{__name__}.moody", True)
        with pytest.raises(OperationFailed, match="as meant"):
            await client.call_entity(operation, "x")
        await client.signal_entity(Checked.add, "x")  # waits
        await goes_on(worker, client)
        monkeypatch.setattr(f"{__name__}.moody", False)
        blocked = (await store.info())[0].blocked
        assert len(blocked) == 1
        await worker.stop()
        async with Worker(store, worker._registry, SETTINGS):  # one whose validators are of the old mind
            assert await client.call_entity(Checked.add, "x") == 3


@pytest.mark.parametrize("operation", [Dumped.add, Dumped.add_later])
@pytest.mark.parametrize("name", ["a wrapper of an answer", "str raises", "exit", "cancelled", "a wide group"])
async def test_a_serializer_may_raise_anything(name: str, operation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with running() as (worker, client, _):
        assert await client.call_entity(Dumped.add, "x") == 1
        monkeypatch.setattr(f"{__name__}.moody", True)
        with pytest.raises(OperationFailed):
            await client.call_entity(operation, "x")
        await goes_on(worker, client)
        monkeypatch.setattr(f"{__name__}.moody", False)
        assert await client.call_entity(Dumped.add, "x") == 2


@pytest.mark.parametrize("name", ["a wrapper of an answer", "str raises", "exit", "cancelled", "a base error"])
async def test_a_state_that_cannot_be_loaded_waits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with running() as (worker, client, store):
        assert await client.call_entity(Checked.add, "x") == 1
        await worker.stop()
        monkeypatch.setattr(f"{__name__}.moody", True)
        async with Worker(store, worker._registry, SETTINGS) as other:
            await client.signal_entity(Checked.add, "x")
            await goes_on(other, client)
        monkeypatch.setattr(f"{__name__}.moody", False)
        async with Worker(store, worker._registry, SETTINGS):
            assert await client.call_entity(Checked.add, "x") == 3


class ListHandler(logging.Handler):
    """Formats, as handlers do, and raises what is raised by that."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Broken(logging.Handler):
    """A handler that raises what it is to show."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise make()


@pytest.mark.parametrize("name", ["a wrapper of an answer", "str raises", "exit", "a base error"])
async def test_a_log_that_cannot_be_written_stops_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    handler = Broken()
    logging.getLogger("stead").addHandler(handler)
    try:
        async with running() as (worker, client, _):
            await client.signal_entity(Bad.fail, "x")  # of which the log would be told
            with pytest.raises(OperationFailed):
                await client.call_entity(Bad.fail_later, "x")
            await goes_on(worker, client)
    finally:
        logging.getLogger("stead").removeHandler(handler)


def test_what_ends_the_process_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is held by it any more, should the event loop go on."""
    monkeypatch.setattr(f"{__name__}.make", KeyboardInterrupt)

    async def main(operation: Any, seen: list[Any]) -> None:
        async with running() as (worker, client, _):
            seen.append(worker)
            await client.signal_entity(operation, "x")
            await asyncio.Event().wait()

    for operation in (Bad.fail, Bad.fail_later):
        seen: list[Any] = []
        loop = asyncio.new_event_loop()
        task = loop.create_task(main(operation, seen))
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(task)
        (worker,) = seen
        assert isinstance(worker.failure, KeyboardInterrupt)
        assert worker.partitions == frozenset()
        others = asyncio.all_tasks(loop)
        for other in others:
            other.cancel()
        loop.run_until_complete(asyncio.gather(*others, return_exceptions=True))
        loop.close()
