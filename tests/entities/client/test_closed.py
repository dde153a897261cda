"""A client that was closed says so at once, whatever it is asked for: nothing is tried again on a closed store."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from stead.entities import EntityClient, EntityId, Registry, StoreUnavailable
from stead.orchestrations import OrchestrationClient, OrchestrationRegistry
from stead.transport import Settings, Store
from stead.transport._redis.store import RedisStore
from support.swallowing_proxy import SwallowingProxy
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

# Far below the tries of the store, far above what an error at once takes.
AT_ONCE_S = 5
ENTITY = EntityId("Counter", "a")


@pytest.fixture
def settings() -> Settings:
    return Settings(partitions=4, slot_groups=2, store_tries_ms=60_000)


def client_of(store: Store, settings: Settings) -> OrchestrationClient:
    return OrchestrationClient(store, Registry(), settings, OrchestrationRegistry(settings))


async def first_of(client: OrchestrationClient) -> None:
    async for _ in client.list_instances():
        break


REQUESTS: dict[str, Callable[[OrchestrationClient], Awaitable[object]]] = {
    "signal_entity": lambda client: client.signal_entity(ENTITY, "add", 1),
    "call_entity": lambda client: client.call_entity(ENTITY, "add", 1),
    "read_entity": lambda client: client.read_entity(ENTITY),
    "page_entities": lambda client: client.page_entities(),
    "start_new": lambda client: client.start_new("trip"),
    "get_status": lambda client: client.get_status("i"),
    "list_instances": first_of,
    "wait_for_completion": lambda client: client.wait_for_completion("i"),
    "raise_event": lambda client: client.raise_event("i", "go"),
    "purge": lambda client: client.purge("i"),
}


@pytest.mark.parametrize("request_name", REQUESTS)
async def test_a_closed_client_refuses_at_once(store: Store, settings: Settings, request_name: str) -> None:
    client = client_of(store, settings)
    await client.aclose()
    async with asyncio.timeout(AT_ONCE_S):
        with pytest.raises(StoreUnavailable, match="the client is closed") as caught:
            await REQUESTS[request_name](client)
    assert caught.value.outcome == "refused"


async def test_a_call_that_waits_for_its_turn_when_the_client_is_closed_was_not_sent(
    store: Store, settings: Settings
) -> None:
    client = client_of(store, settings.model_copy(update={"calls_in_flight_max": 1}))
    calls = [asyncio.ensure_future(client.call_entity(ENTITY, "add", number)) for number in range(3)]
    while client._calls._slots._free:
        await asyncio.sleep(0)
    async with asyncio.timeout(AT_ONCE_S):
        await client.aclose()
        outcomes = [
            error.outcome
            for error in await asyncio.gather(*calls, return_exceptions=True)
            if isinstance(error, StoreUnavailable)
        ]
    assert outcomes == ["unknown", "refused", "refused"]


async def test_a_closed_client_makes_no_producer(store: Store, settings: Settings) -> None:
    client = client_of(store, settings)
    await client.aclose()
    with pytest.raises(StoreUnavailable, match="the client is closed"):
        client.producer()


async def test_what_is_under_way_ends_when_the_client_and_its_store_are_closed(
    server: ValkeyServer, settings: Settings
) -> None:
    with tempfile.TemporaryDirectory(prefix="st") as folder:
        proxy = SwallowingProxy(Path(folder), server.socket)
        await proxy.start()
        store = await RedisStore.open(proxy.url, "closing", settings)
        client = client_of(store, settings)
        assert await client.get_status("i") is None  # it is connected
        proxy.swallow()
        under_way = [asyncio.ensure_future(REQUESTS[name](client)) for name in REQUESTS]
        async with asyncio.timeout(AT_ONCE_S):
            await proxy.asked.wait()
            await client.aclose()
            await store.close()
            results = await asyncio.gather(*under_way, return_exceptions=True)
        assert {type(result) for result in results} == {StoreUnavailable}
        await proxy.stop()


async def test_a_store_that_was_closed_under_its_client_is_not_tried_again(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    store = await RedisStore.open(start_server().url, "closed", settings)
    async with EntityClient(store, Registry(), settings) as client:
        await store.close()
        async with asyncio.timeout(AT_ONCE_S):
            with pytest.raises(StoreUnavailable, match="the store is closed") as caught:
                await client.read_entity(ENTITY)
            assert caught.value.outcome == "refused"
            with pytest.raises(StoreUnavailable, match="the store is closed"):
                await client.signal_entity(ENTITY, "add", 1)
