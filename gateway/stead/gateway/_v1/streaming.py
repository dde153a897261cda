"""Server-sent events: how a stream of them begins, what an event looks like, and what keeps it alive while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

from starlette.responses import Response, StreamingResponse

from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import to_json
from stead.gateway._http.routes import Answer
from stead.transport import begin_task, end_task, see_through

T = TypeVar("T")

EVENT_STREAM = "text/event-stream"
STREAM = Answer(
    "A stream of events",
    {
        "type": "object",
        "properties": {"event": {"type": "string"}, "id": {"type": "string"}, "data": {"type": "string"}},
    },
    EVENT_STREAM,
)
HEARTBEAT_S = 15.0


def stream(hub: Hub, events: AsyncIterator[bytes]) -> Response:
    """A response of events. Raises `HttpError` (429) if there are too many streams."""
    hub.traffic.refuse_if_full()
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_begun(hub, events), media_type=EVENT_STREAM, headers=headers)


async def _begun(hub: Hub, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with hub.traffic.wait():
        yield b"retry: 1000\n\n"
        async for each in events:
            yield each


def event(name: str, event_id: str, data: dict[str, Any]) -> bytes:
    """One event. Without an ID the one before it still counts."""
    named = b"id: %b\n" % event_id.encode() if event_id else b""
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), named, to_json(data))


async def with_heartbeats(hub: Hub, items: AsyncGenerator[T]) -> AsyncIterator[T | None]:
    """What is given, and None whenever nothing was for a while, until the server stops. Closes `items` in the end."""
    stopping = begin_task(_stopped(hub), name="stead stream stopping")
    following: asyncio.Task[T] | None = None
    try:
        while True:
            following = following or begin_task(_next(items), name="stead stream")
            await asyncio.wait((following, stopping), timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return
            if following.done():
                item, following = following.result(), None
                yield item
            else:
                yield None
    finally:
        await see_through(_end(items, stopping, following))


async def _end(items: AsyncGenerator[T], *tasks: asyncio.Task[Any] | None) -> None:
    for task in tasks:
        if task is not None:
            await end_task(task)
    await items.aclose()


async def _stopped(hub: Hub) -> None:
    await hub.traffic.stopping.wait()


async def _next(items: AsyncGenerator[T]) -> T:
    return await anext(items)
