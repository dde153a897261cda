"""Code of the process that cancels tasks which are not its own: the server goes on, or ends and says so."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from stead.app import App
from stead.gateway import HttpSettings, Keys, addresses_of, bind, serving
from stead.gateway._http.app import Gateway
from stead.gateway._http.body import unless_gone
from stead.gateway._http.serving import ServerEnded
from support.guards import HANGS_S

Tasks = set["asyncio.Task[object]"]


def others() -> Tasks:
    """All tasks but the test's own."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def ended(before: Tasks) -> Tasks:
    """Cancel what has come since, until all of it has ended."""
    cancelled = others() - before
    for task in cancelled:
        task.cancel()
    await asyncio.wait(cancelled)
    return cancelled


async def test_idle_connections_are_closed_though_every_task_was_cancelled() -> None:
    settings = HttpSettings(idle_ms_max=1_000)
    gateway = Gateway(App("cancelled"), "memory://", Keys(None), settings, None, [])
    sockets, before = bind("127.0.0.1", 0), others()
    with pytest.raises(ServerEnded, match="cancelled by other code of this process"):
        async with serving(gateway, sockets, settings) as server:
            while not server.started:
                await asyncio.sleep(0)
            reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
            while not server.server_state.connections:
                await asyncio.sleep(0)
            await ended(before)
            assert await reader.read() == b"", "it is swept all the same"
            writer.close()
            async with asyncio.timeout(HANGS_S):
                assert isinstance(await gateway.failure(), ServerEnded), "whoever serves is told"


@pytest.mark.parametrize("began", [False, True])
async def test_a_server_that_was_cancelled_listens_no_more_and_says_so(began: bool) -> None:
    settings = HttpSettings()
    gateway = Gateway(App("cancelled"), "memory://", Keys(None), settings, None, [])
    sockets = bind("127.0.0.1", 0)
    (url,) = addresses_of(sockets)
    with pytest.raises(ServerEnded):
        async with serving(gateway, sockets, settings) as server:
            while began and not server.started:
                await asyncio.sleep(0)
            assert server.task is not None
            server.task.cancel()
            async with asyncio.timeout(HANGS_S):
                await gateway.failure()
    async with httpx.AsyncClient(timeout=HANGS_S) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)


async def test_a_request_whose_watcher_was_cancelled_is_carried_out() -> None:
    go = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nothing comes")

    async def work() -> str:
        await go.wait()
        return "done"

    before = others()
    request = asyncio.create_task(unless_gone(Request({"type": "http"}, receive), work()))
    await asyncio.sleep(0)
    (watching,) = [task for task in others() - before if ".gone" in repr(task.get_coro())]
    watching.cancel()
    await asyncio.wait((watching,))
    go.set()
    assert await request == "done"
