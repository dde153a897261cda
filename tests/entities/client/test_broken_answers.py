"""A client whose part fails in stead itself: whoever waits is told, and the client is of use again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stead.app import App
from stead.app._hub.definitions import Definitions
from stead.app._sync.portal import Portal
from stead.entities import ClassEntityType, Entity, EntityClient, Registry
from stead.entities._client import calls
from stead.entities.extending import Failure, encode_failure
from stead.transport import MemoryStore, Settings
from support.scripted_worker import scripted_worker

pytestmark = pytest.mark.anyio


class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> int:
        if amount < 0:
            raise ValueError("no way")
        return amount


@asynccontextmanager
async def client_of(store: MemoryStore, settings: Settings) -> AsyncGenerator[EntityClient, None]:
    registry = Registry()
    registry.add(ClassEntityType(Counter))
    async with EntityClient(store, registry, settings) as client:
        yield client


async def test_an_answer_that_cannot_be_explained_is_its_calls_error(
    memory: MemoryStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explain(*_: Any) -> Any:
        raise LookupError("a slip")

    async with client_of(memory, settings) as client:
        monkeypatch.setattr(calls, "entity_error", explain)
        reply = client._calls  # pyright: ignore[reportPrivateUsage]
        call = await reply.begin("@counter@a", "add")
        address = reply.reply_to(call)
        failure = Failure("operation", "ValueError", "no way")
        reply._deliver(encode_failure(address.call_id, failure))  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(LookupError, match="a slip"):
            await call.future
        reply.end(call)


async def test_when_answers_cannot_be_read_for_once_they_are_read_later(
    memory: MemoryStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = memory.read_replies

    async def broken(*_: Any) -> Any:
        monkeypatch.setattr(memory, "read_replies", read)
        raise LookupError("a slip")

    monkeypatch.setattr(memory, "read_replies", broken)
    async with client_of(memory, settings) as client, scripted_worker(memory):
        assert await client.call_entity(Counter.add, "b", 7) > 0


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_process_is_raised_where_it_was_asked_for_and_ends_no_other_callers_client(
    kind: type[BaseException],
) -> None:
    async def leave(_: Any) -> None:
        raise kind("of a validator, say")

    async def stay(_: Any) -> int:
        return 1

    app = App("portal")
    portal = Portal(Definitions(app.name, app.settings, app.registry, app.orchestrations), "memory://")
    try:
        thread = portal.open()
        with pytest.raises(kind, match="of a validator"):
            portal.run(leave)
        assert portal.run(stay) == 1
        assert portal.open() is thread
    finally:
        portal.close()
