"""A codec in a hub: what was stored before it, who has no key, keys that change, and codecs that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import (
    DeadLetters,
    Entity,
    EntityId,
    Indexed,
    InvalidInput,
    OperationFailed,
    PayloadLocked,
    PayloadTooLarge,
    indexed,
)
from stead.orchestrations import OrchestrationContext, RuntimeStatus
from stead.transport import HubMismatch, Settings, forget_memory_hubs
from support.codecs import faulty

pytestmark = pytest.mark.hazard(114)

URL = "memory://"


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    forget_memory_hubs()
    yield
    forget_memory_hubs()
    faulty.on_encode = faulty.on_decode = None


def make(codec: str | None, **limits: Any) -> tuple[App, Any, Any]:
    """An app of that hub with a codec or without, its entity and its orchestration."""
    coded = None if codec is None else f"support.codecs:{codec}"
    app = App("coded", settings=Settings(partitions=2, payload_codec=coded, call_timeout_ms=20_000, **limits))

    @app.entity
    class Note(Entity):
        rank: Indexed[int] = indexed(0)
        text: str = ""

        def put(self, text: str) -> str:
            self.text = text
            return text

        def repeat(self, length: int) -> int:
            self.text = "a" * length
            return length

        def read(self) -> str:
            return self.text

        def boom(self, text: str) -> None:
            raise ValueError(text[::-1])

        def answer(self, text: str) -> str:
            return text[::-1]

        def keep(self, text: str) -> None:
            self.text = text[::-1]

        def tell(self, text: str) -> None:
            self.context.signal_entity(Note.put, "other", text[::-1])

    @app.activity
    def shout(text: str) -> str:
        return text[::-1]

    @app.orchestration
    async def story(context: OrchestrationContext, text: str) -> str:
        context.set_custom_status(text)
        return await context.call_activity(shout, text) + str(await context.wait_for_external_event("go"))

    return app, Note, story


async def says(client: Any, instance_id: str, custom_status: str) -> None:
    """Wait until an instance has that custom status."""
    while (await client.get_status(instance_id)).custom_status != custom_status:
        await asyncio.sleep(0.01)


async def test_what_is_not_small_goes_through_a_server(server_url: str) -> None:
    """It is so long that its elements are not copied, and is not kept elsewhere: what goes into the store is bytes."""
    app, note, _ = make("aes")
    text = "text " * 40_000
    async with app.connect(server_url) as client, app.worker(server_url):
        assert await client.call_entity(note.put, "k", text) == text
        assert await client.read_entity(note, "k") == note(text=text)


async def test_what_was_there_before_the_codec_stays_readable() -> None:
    plain, note, story = make(None)
    async with plain.connect(URL) as client, plain.worker(URL):
        await client.call_entity(note.put, "old", "before")
        await client.start_new(story, "word", instance_id="told")
        await says(client, "told", "word")
    async with plain.connect(URL) as client:
        await client.signal_entity(note.put, "waits", "before")
    coded, note, story = make("aes")
    async with coded.connect(URL) as client, coded.worker(URL):
        assert await client.read_entity(note, "old") == note(text="before")
        assert await client.call_entity(note.read, "waits") == "before"
        assert await client.call_entity(note.put, "old", "after") == "after"
        await client.raise_event("told", "go", "now")
        assert (await client.wait_for_completion("told")).output == "drownow"
        assert client.store.layout.coded


async def test_a_worker_without_the_codec_does_not_start_and_a_client_only_counts() -> None:
    coded, note, story = make("aes")
    async with coded.connect(URL) as client, coded.worker(URL):
        await client.call_entity(note.put, "k", "word")
        await client.start_new(story, "word", instance_id="told")
        await client.start_new(story, "word", instance_id="ended")
        await client.raise_event("ended", "go")
        await client.wait_for_completion("ended")
        await client.signal_entity(note.boom, "k", "word")
        while not (await client.store.info())[0].dead + (await client.store.info())[1].dead:
            await asyncio.sleep(0.01)
    plain, note, story = make(None)
    with pytest.raises(HubMismatch, match="this worker has no codec to read them: set STEAD_PAYLOAD_CODEC"):
        async with plain.worker(URL):
            pass
    async with plain.connect(URL) as client:
        assert await client.query(note).where(note.rank >= 0).count() == 1
        assert sum(part.entities for part in await client.store.info()) == 1
        with pytest.raises(PayloadLocked, match="@note@k is locked"):
            await client.read_entity(note, "k")
        with pytest.raises(PayloadLocked):
            [each async for each in client.list_entities(note)]
        with pytest.raises(PayloadLocked):
            await client.query(note).where(note.rank >= 0).page(10)
        described = await client.describe_entity(EntityId(note, "k"))
        assert described is not None
        assert (described.locked, described.exists, described.state) == (True, True, None)
        page = await client.page_entities("Note")
        assert [(str(each.entity_id), each.locked) for each in page.items] == [("@note@k", True)]
        status = await client.get_status("ended")
        assert status is not None
        assert (status.locked, status.runtime_status, status.output) == (True, RuntimeStatus.COMPLETED, None)
        with pytest.raises(PayloadLocked):
            status.result()
        with pytest.raises(PayloadLocked):
            await client.signal_entity(note.put, "k", "in the clear")
        with pytest.raises(PayloadLocked):
            await client.start_new(story, "in the clear")
        async with client.producer() as producer:
            with pytest.raises(PayloadLocked):
                await producer.raise_event("told", "go", "in the clear")
        async with coded.worker(URL):
            with pytest.raises(PayloadLocked):
                await client.call_entity(note.read, "k")
            await client.terminate("told")
            await client.wait_for_completion("told")
        (letter,) = [each async for each in DeadLetters(client.store).all()]
        assert (letter.locked, letter.target, letter.operation) == (True, "@note@k", "boom")
        assert await DeadLetters(client.store).resend(letter)
    async with coded.connect(URL) as client, coded.worker(URL):
        while not (letters := [each async for each in DeadLetters(client.store).all()]):
            await asyncio.sleep(0.01)
        assert letters[0].args == ["word"]
        assert letters[0].failure.message == "drow"


async def test_a_key_is_changed_while_the_hub_runs() -> None:
    for codec, reads in (("aes", "aes"), ("rotated", "rotated"), ("aes", "rotated")):
        app, note, _ = make(codec)
        other, other_note, _ = make(reads)
        async with app.connect(URL) as client, other.worker(URL), other.connect(URL) as reader:
            for key in ("aes", "rotated"):
                assert await client.call_entity(note.put, f"{codec}{key}", key) == key
                assert await reader.read_entity(other_note, f"{codec}{key}") == other_note(text=key)


async def test_with_another_key_things_wait_and_nothing_is_lost() -> None:
    app, note, story = make("aes")
    async with app.connect(URL) as client:
        async with app.worker(URL):
            await client.call_entity(note.put, "k", "word")
            await client.start_new(story, "word", instance_id="told")
            await says(client, "told", "word")
        await client.signal_entity(note.put, "k", "next")
        await client.raise_event("told", "go", "now")
        wrong, _, _ = make("other_one")
        async with wrong.worker(URL):
            while len(blocked := {k: v for part in await client.store.info() for k, v in part.blocked.items()}) < 2:
                await asyncio.sleep(0.01)
        assert set(blocked) == {"@note@k", "told"}
        assert not any(part.dead for part in await client.store.info())
        async with app.worker(URL):
            assert await client.call_entity(note.read, "k") == "next"
            assert (await client.wait_for_completion("told")).output == "drownow"


async def test_what_a_codec_does_not_take_is_the_failure_of_who_brings_it() -> None:
    app, note, story = make("faulty")
    backwards = "untakable"[::-1]
    async with TestHub(app) as hub:
        client = hub.client
        with pytest.raises(InvalidInput, match="could not encode it: RuntimeError: I will not"):
            await client.signal_entity(note.put, "k", "untakable")
        with pytest.raises(InvalidInput, match="could not encode"):
            await client.start_new(story, "untakable")
        await client.call_entity(note.put, "k", "fine")
        for operation in (note.answer, note.keep, note.tell):
            with pytest.raises(OperationFailed):
                await client.call_entity(operation, "k", backwards)
        assert await client.call_entity(note.read, "k") == "fine"
        with pytest.raises(OperationFailed):
            await client.call_entity(note.boom, "k", backwards)
        await client.signal_entity(note.boom, "k", backwards)
        instance_id = await client.start_new(story, backwards)
        status = await client.wait_for_completion(instance_id)
        assert status.runtime_status is RuntimeStatus.FAILED
        assert await client.call_entity(note.put, "k", "goes on") == "goes on"
        letters = [each async for each in DeadLetters(client.store).all()]
        assert [letter.operation for letter in letters] == ["boom"]
        assert "codec" in letters[0].failure.message


@pytest.mark.parametrize("made", [b"\xc1", b"", b"\x93\x01", None, 5])
async def test_what_a_codec_gives_back_wrongly_waits_alone(made: Any) -> None:
    app, note, _ = make("faulty")
    async with TestHub(app) as hub:
        client = hub.client
        await client.call_entity(note.put, "good", "fine")
        faulty.on_decode = lambda data: made if b"strange" in data else data
        await client.signal_entity(note.put, "bad", "strange")
        await hub.run_until_idle()
        assert await client.call_entity(note.put, "good", "still") == "still"
        blocked = {target: why for part in await client.store.info() for target, why in part.blocked.items()}
        assert list(blocked) == ["@note@bad"]
        assert "codec" in blocked["@note@bad"]
        assert not any(part.dead for part in await client.store.info())


async def test_limits_count_what_is_stored() -> None:
    squeezed, note, _ = make("squeezed", payload_bytes_max=2_000)
    async with TestHub(squeezed) as hub:
        assert await hub.client.call_entity(note.put, "k", "a" * 100_000) == "a" * 100_000
        assert await hub.client.call_entity(note.repeat, "k", 50_000) == 50_000
    masked, note, _ = make("masked", payload_bytes_max=2_000)
    async with TestHub(masked) as hub:
        with pytest.raises(PayloadTooLarge):
            await hub.client.signal_entity(note.put, "k", "a" * 1_998)
        with pytest.raises(OperationFailed, match="PayloadTooLarge"):
            await hub.client.call_entity(note.repeat, "k", 1_998)


@pytest.mark.parametrize("codec", ["missing", "nothing"])
async def test_a_codec_that_cannot_be_had_is_named(codec: str) -> None:
    app, _, _ = make(codec)
    with pytest.raises(InvalidInput, match=f"payload_codec 'support.codecs:{codec}'"):
        await app.connect(URL)
    plain, _, _ = make(None)
    async with plain.connect(URL) as client:
        assert not client.store.layout.coded
    for reference in ("support.codecs", "support.none:codec", ":x"):
        with pytest.raises(InvalidInput, match="payload_codec"):
            await App("coded", settings=Settings(payload_codec=reference)).connect(URL)
