"""The dashboard of a server that has no key for the payloads of its hub: what is locked is said in its place, and all else works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect

from support.gateway_tools import Served, serve
from support.locked_app import WITH_KEY, make_locked
from support.user_folder import WorkerThread
from support.valkey_server import ValkeyServer

from .conftest import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.hazard(114)]


async def fill(url: str) -> None:
    """What somebody with the key has left: an entity, a letter, and two instances, of which one has ended."""
    app, note, story = make_locked(WITH_KEY)
    async with app.connect(url) as client, app.worker(url):
        await client.call_entity(note.put, "k", "secret")
        await client.signal_entity(note.boom, "k", "secret")
        for instance_id in ("on", "ended"):
            await client.start_new(story, "secret", instance_id=instance_id)
        await client.raise_event("ended", "go", "secret")
        await client.wait_for_completion("ended")
        while not any(part.dead for part in await client.store.info()):
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def locked(module_server: ValkeyServer) -> Iterator[Served]:
    with ThreadPoolExecutor(1) as beside:  # this thread runs the browser's loop
        beside.submit(lambda: asyncio.run(fill(module_server.url))).result()
    with serve(make_locked(None)[0], module_server.url, worker=False) as running:
        yield running


@pytest.fixture
def stranger(browser: Browser, locked: Served) -> Iterator[Visitor]:
    """Visits the gateway without the key."""
    one = Visitor(browser, locked)
    yield one
    assert one.faults == []


SAID = {
    "#/entities/Note": "locked",
    "#/entities/Note/k": "Locked: it is encoded, and this server has no key for it.",
    "#/instances": "locked",
    "#/instances/ended": "Locked: it is encoded, and this server has no key for it.",
    "#/instances/ended?view=History": "Locked: its history is encoded, and this server has no key for it.",
    "#/dead-letters": "locked: it is encoded, and this process has no codec",
}


@pytest.mark.parametrize("address", SAID)
def test_what_is_locked_is_said_in_its_place(stranger: Visitor, address: str) -> None:
    with stranger.visit(address) as page:
        expect(page.locator("main").get_by_text(SAID[address]).first).to_be_visible()
        assert "secret" not in page.content()


def test_an_instance_is_ended_without_the_key(stranger: Visitor, locked: Served) -> None:
    with stranger.visit("#/instances/on") as page:
        expect(page.get_by_text("Running").first).to_be_visible()
        worker = WorkerThread(make_locked(WITH_KEY)[0], locked.store_url)
        try:
            assert locked.http.post("/api/v1/instances/on/terminate", json={"reason": "enough"}).is_success
            expect(page.get_by_text("Terminated").first).to_be_visible()
        finally:
            worker.end()
