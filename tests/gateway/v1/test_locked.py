"""A gateway without the codec of its hub: it says what is locked, and answers for all that is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from stead.gateway import asgi
from stead.transport import forget_memory_hubs
from support.locked_app import WITH_KEY, make_locked

pytestmark = pytest.mark.hazard(114)

URL = "memory://"


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    forget_memory_hubs()
    yield
    forget_memory_hubs()


async def test_what_is_locked_is_said_and_all_else_is_answered() -> None:
    coded, note, story = make_locked(WITH_KEY)
    async with coded.connect(URL) as client, coded.worker(URL):
        await client.call_entity(note.put, "k", "secret")
        await client.signal_entity(note.boom, "k", "secret")
        told = await client.start_new(story, "secret", instance_id="told")
        await client.raise_event(told, "go", "secret")
        await client.wait_for_completion(told)
        while not any(part.dead for part in await client.store.info()):
            await asyncio.sleep(0.01)
    plain, _, _ = make_locked(None)
    application = asgi(plain, URL)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://stead") as http:
        answers = [
            await http.get(f"/api/v1/{path}")
            for path in ("entities/Note", "entities/Note/k", "instances", "instances/told", "dead-letters")
        ]
    await application.aclose()
    assert [answer.status_code for answer in answers] == [200] * 5
    entities, entity, instances, instance, letters = [answer.json() for answer in answers]
    for each in (*entities["entities"], entity):
        assert (each["key"], each["state"], each["locked"]) == ("k", None, True)
    for each in (*instances["instances"], instance):
        assert (each["runtime_status"], each["output"], each["locked"]) == ("Completed", None, True)
    (letter,) = letters["dead_letters"]
    assert (letter["target"], letter["operation"], letter["error_type"]) == ("@note@k", "boom", "ValueError")
    assert letter["message"].startswith("locked: it is encoded, and this process has no codec")
    assert not any("secret" in answer.text for answer in answers)
