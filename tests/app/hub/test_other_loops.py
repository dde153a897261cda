"""What lives in one event loop and is used from another says so at once; it would wait there for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.app import App, Client
from stead.app._hub.definitions import Definitions
from stead.app._sync.portal import LoopThread
from stead.app.testing import TestHub
from stead.entities import CallTimeout, Entity, EntityId, WrongEventLoop
from stead.orchestrations import OrchestrationContext, UnknownInstance
from support.guards import HANGS_S


class Counter(Entity):
    count: int = 0

    def add(self, number: int) -> int:
        self.count += number
        return self.count


def make_app() -> App:
    app = App("loops")
    app.entity(Counter)

    @app.orchestration
    async def nothing(context: OrchestrationContext) -> None:
        pass

    return app


async def elsewhere(work: Callable[[], Awaitable[object]]) -> BaseException | None:
    """What comes of it in an event loop of another thread; it must not wait there."""
    found: list[BaseException | None] = []

    async def limited() -> None:
        async with asyncio.timeout(HANGS_S):
            await work()

    def run() -> None:
        try:
            asyncio.run(limited())
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            found.append(error)
        else:
            found.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join)
    return found[0]


async def first(items: Any) -> None:
    async for _ in items:
        return


COUNTER = EntityId("Counter", "k")
METHODS: dict[str, Callable[[Client], Awaitable[object]]] = {
    "signal_entity": lambda client: client.signal_entity(Counter.add, "k", 1),
    "after": lambda client: client.after(timedelta(1)).signal_entity(Counter.add, "k", 1),
    "call_entity": lambda client: client.call_entity(Counter.add, "k", 1),
    "by name": lambda client: client.call_entity(COUNTER, "add", 1),
    "read_entity": lambda client: client.read_entity(Counter, "k"),
    "list_entities": lambda client: first(client.list_entities(Counter)),
    "start_new": lambda client: client.start_new("nothing"),
    "get_status": lambda client: client.get_status("i"),
    "wait_for_completion": lambda client: client.wait_for_completion("i"),
    "raise_event": lambda client: client.raise_event("i", "e"),
    "terminate": lambda client: client.terminate("i"),
    "rewind": lambda client: client.rewind("i"),
    "purge": lambda client: client.purge("i"),
    "purge_instances": lambda client: client.purge_instances(prefix="i"),
    "list_instances": lambda client: first(client.list_instances()),
    "info": lambda client: client.info(),
    "aclose": lambda client: client.aclose(),
}


@pytest.mark.parametrize("method", METHODS)
async def test_a_client(method: str) -> None:
    app = make_app()
    async with app.connect("memory://") as client:
        error = await elsewhere(lambda: METHODS[method](client))
        assert isinstance(error, WrongEventLoop), error
        assert str(error).startswith("this client belongs to another event loop")
        await client.signal_entity(Counter.add, "k", 1)  # at home it still works


async def test_a_producer() -> None:
    app = make_app()
    async with app.connect("memory://") as client:
        assert isinstance(await elsewhere(_async(client.producer)), WrongEventLoop)
        async with client.producer() as producer, client.producer(source="s") as source:
            await producer.signal(Counter.add, "k", 1)
            for work in (
                lambda: producer.signal(Counter.add, "k", 1),
                lambda: producer.raise_event("i", "e"),
                producer.flush,
                producer.aclose,
                producer.__aenter__,
                lambda: source.signal_once(1, Counter.add, "k", 1),
                lambda: source.raise_event_once(1, "i", "e"),
            ):
                assert isinstance(await elsewhere(work), WrongEventLoop)


def _async(work: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def run() -> object:
        return work()

    return run


async def test_a_worker() -> None:
    async with make_app().worker("memory://") as worker:
        for work in (worker.stop, worker.abandon, worker.start):
            assert isinstance(await elsewhere(work), WrongEventLoop)
        assert worker.partitions


async def test_a_test_hub() -> None:
    async with TestHub(make_app()) as hub:
        for work in (
            hub.run_until_idle,
            hub.restart_worker,
            lambda: hub.client.call_entity(Counter.add, "k", 1),
            lambda: hub.client.wait_for_completion("i"),
            lambda: hub.__aexit__(None, None, None),
        ):
            assert isinstance(await elsewhere(work), WrongEventLoop)


def test_a_client_that_outlived_its_loop() -> None:
    app = make_app()

    async def connect() -> Client:
        return await app.connect("memory://")

    client = asyncio.run(connect())
    with pytest.raises(WrongEventLoop):
        asyncio.run(METHODS["signal_entity"](client))  # type: ignore[arg-type]


def test_a_synchronous_client_closes_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the end of the interpreter, from Python 3.12 on, after a host name was looked up in a thread."""
    app = make_app()
    thread = LoopThread(Definitions(app.name, app.settings, app.registry, app.orchestrations), "memory://")

    async def look_up() -> None:
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    asyncio.run_coroutine_threadsafe(look_up(), thread.loop).result()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    thread.close()


async def test_waiting_for_no_time_at_all_sees_what_is_finished() -> None:
    app = make_app()
    async with app.worker("memory://"), app.connect("memory://") as client:
        instance = await client.start_new("nothing")
        assert (await client.wait_for_completion(instance)).is_finished
        for seconds in (0, 0.0, -1):
            assert (await client.wait_for_completion(instance, timeout=seconds)).is_finished
        with pytest.raises(UnknownInstance):
            await client.wait_for_completion("nobody", timeout=0)
        later = await client.start_new("nothing", at=datetime.now(UTC) + timedelta(days=1))
        with pytest.raises(CallTimeout):
            await client.wait_for_completion(later, timeout=0)
    async with TestHub(app) as hub:
        instance = await hub.client.start_new("nothing")
        await hub.run_until_idle()
        assert (await hub.client.wait_for_completion(instance, timeout=0)).is_finished
