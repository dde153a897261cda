"""Waiting for something in the store to change: it is looked at again and again, less and less often while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request

from stead.gateway._http.body import unless_gone
from stead.gateway._http.hub import Hub

Read = Callable[[], Awaitable[dict[str, Any]]]
"""Reads what is watched, as JSON data with an `etag`; raises if it is not there."""

LOOK_S_FIRST = 0.05
LOOK_S_MAX = 1.0
SLOWER = 1.5


async def pause(hub: Hub, seconds: float) -> bool:
    """Sleep for so long; True at once if the server stops."""
    try:
        async with asyncio.timeout(seconds):
            await hub.traffic.stopping.wait()
    except TimeoutError:
        return False
    return True


async def wait_for_change(request: Request, hub: Hub, read: Read, since: str, seconds: float) -> dict[str, Any]:
    """What is there once it has another tag than `since`, or once the time is up, whatever it has then."""

    async def changed() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        interval = LOOK_S_FIRST
        while True:
            found = await read()
            left = until - loop.time()
            if found["etag"] != since or left <= 0 or await pause(hub, min(interval, left)):
                return found
            interval = min(interval * SLOWER, LOOK_S_MAX)

    if seconds <= 0:
        return await read()
    with hub.traffic.wait():
        return await unless_gone(request, changed())
