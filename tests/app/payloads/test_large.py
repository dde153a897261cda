"""Large payloads: kept elsewhere once, there for as long as something names them, and put back before anybody sees the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import DeadLetters, Entity, EntityId, PayloadLocked, PayloadTooLarge
from stead.orchestrations import OrchestrationContext
from stead.transport import LARGE_BYTES, HubMismatch, InvalidInput, PayloadLimit, Settings, forget_memory_hubs
from stead.transport._contract.roping import Apart
from stead.transport._payloads.large import LARGE_BYTES_MAX
from support.payload_places import Bucket, Folder, ObjectStore, Place, object_store, take_away

pytestmark = pytest.mark.hazard(114)

SIZE = 300_000


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    forget_memory_hubs()
    yield
    forget_memory_hubs()


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue("folder" if request.param == "file" else "bucket")
    return found


@pytest.fixture
def bucket(store: ObjectStore) -> Bucket:
    return Bucket(store)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "place")


def make(place: str | None, codec: str | None = None) -> tuple[App, Any, Any]:
    """An app whose limit is small, so that large is not."""
    app = App(
        "apart",
        settings=Settings(
            partitions=2,
            payload_bytes_max=20_000,
            payload_codec=None if codec is None else f"support.codecs:{codec}",
            large_payloads=place,
            call_timeout_ms=20_000,
        ),
    )

    @app.entity
    class Note(Entity):
        text: str = ""

        def put(self, text: str) -> int:
            self.text = text
            return len(text)

        def add(self, text: str) -> str:
            self.text += text
            return self.text

        def boom(self, text: str) -> None:
            raise ValueError("no")

    @app.activity
    def double(text: str) -> str:
        return text + text

    @app.orchestration
    async def story(context: OrchestrationContext, text: str) -> str:
        doubled = await context.call_activity(double, text)
        await context.call_entity(Note.put, "told", doubled)
        event = await context.wait_for_external_event("go")
        return doubled + str(event)

    return app, Note, story


def status_input(status: Any) -> Any:
    return status.input


def url_of(request: pytest.FixtureRequest, hub: str) -> str:
    return "memory://" if hub == "memory" else request.getfixturevalue("server_url")


@pytest.mark.parametrize(
    ("hub", "place", "codec"),
    [("memory", "file", None), ("memory", "file", "aes"), ("server", "file", "aes"), ("server", "s3", None)],
    indirect=["place"],
)
async def test_what_is_large_goes_through_everything(
    hub: str, place: Place, codec: str | None, request: pytest.FixtureRequest
) -> None:
    url = url_of(request, hub)
    app, note, story = make(place.url, codec)
    text = "large " * (SIZE // 6)
    async with app.connect(url) as client, app.worker(url):
        assert await client.call_entity(note.put, "k", text) == len(text)
        assert await client.call_entity(note.add, "k", "!") == text + "!"
        assert await client.read_entity(note, "k") == note(text=text + "!")
        assert [each async for each in client.list_entities(note)]
        instance_id = await client.start_new(story, text)
        async with client.producer() as producer:
            await producer.raise_event(instance_id, "go", text)
        status = await client.wait_for_completion(instance_id)
        assert status.output == text * 3
        assert status.input == text
        await client.signal_entity(note.boom, "k", text)
        while not (letters := [each async for each in DeadLetters(client.store).all()]):
            await asyncio.sleep(0.01)
        assert letters[0].args == [text]
        assert [value[:200] async for value in client.store.values() if len(value) > 25_000] == []
    if codec is not None:
        assert not any(b"large large" in content for content in place.kept().values())


async def test_the_same_value_is_kept_once(folder: Folder) -> None:
    app, note, story = make(folder.url)
    text = "x" * SIZE
    async with app.connect("memory://") as client, app.worker("memory://"):
        for number in range(5):
            await client.signal_entity(note.boom, f"k{number}", text)
        instance_id = await client.start_new(story, text)
        while not any(part.dead for part in await client.store.info()):
            await asyncio.sleep(0.01)
        await client.terminate(instance_id)
        await client.wait_for_completion(instance_id)
    # The value itself, what the activity gave, and the state that has it.
    assert len(folder.kept()) <= 4


@pytest.mark.parametrize(
    ("hub", "place"), [("memory", "file"), ("server", "file"), ("memory", "s3")], indirect=["place"]
)
async def test_what_nothing_names_any_more_is_collected_and_nothing_else(
    hub: str, place: Place, request: pytest.FixtureRequest
) -> None:
    url = url_of(request, hub)
    app, note, story = make(place.url)
    async with app.connect(url) as client, app.worker(url):
        await client.call_entity(note.put, "k", "k" * SIZE)
        told = await client.start_new(story, "t" * SIZE, instance_id="told")
        await client.raise_event(told, "go", "now")
        await client.wait_for_completion(told)
        while any(part.backlog for part in await client.store.info()):  # what a message names is named
            await asyncio.sleep(0.01)
        before = len(place.kept())
        assert (await client.collect_payloads()).removed == 0  # all of it is young
        place.age(8)
        assert (await client.collect_payloads(dry_run=True)).removed > 0
        assert len(place.kept()) == before
        found = await client.collect_payloads()
        assert found.missing == 0
        assert found.kept > 0
        assert await client.read_entity(note, "k") == note(text="k" * SIZE)
        assert status_input(await client.get_status(told)) == "t" * SIZE
        assert (await client.collect_payloads()).removed == 0
        await client.purge(told)
        await client.call_entity(note.put, "k", "small")
        await client.call_entity(note.put, "told", "small")
    async with app.connect(url) as client:  # the replies to the one before are gone with it
        assert (await client.collect_payloads()).kept == 0
        assert place.kept() == {}


async def test_a_payload_that_is_gone_blocks_who_needs_it_and_comes_back(place: Place) -> None:
    app, note, _ = make(place.url)
    async with app.connect("memory://") as client:
        async with app.worker("memory://"):
            await client.call_entity(note.put, "k", "k" * SIZE)
            await client.call_entity(note.put, "other", "small")
        await client.signal_entity(note.add, "k", "m" * SIZE)
        away = await take_away(place)
        async with app.worker("memory://"):
            assert await client.call_entity(note.add, "other", "!") == "small!"
            while not (blocked := {k: v for part in await client.store.info() for k, v in part.blocked.items()}):
                await asyncio.sleep(0.01)
            assert list(blocked) == ["@note@k"]
            assert "is not where large payloads are kept" in blocked["@note@k"]
            with pytest.raises(PayloadLocked, match="is not where large payloads are kept"):
                await client.read_entity(note, "k")
            assert not any(part.dead for part in await client.store.info())
        for name, content in away.items():
            place.put(name, content)
        async with app.worker("memory://"):
            assert await client.call_entity(note.add, "k", "!") == "k" * SIZE + "m" * SIZE + "!"


async def test_a_payload_that_was_changed_is_found_out(folder: Folder) -> None:
    app, note, _ = make(folder.url)
    async with app.connect("memory://") as client, app.worker("memory://"):
        await client.call_entity(note.put, "k", "k" * SIZE)
        for name, content in folder.kept().items():
            folder.put(name, content.replace(b"kkk", b"kxk"))
        with pytest.raises(PayloadLocked, match="damaged"):
            await client.read_entity(note, "k")


async def test_a_place_that_cannot_be_written_is_said_to_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    app, _, _ = make(f"file://{tmp_path}/file")
    quick = App("apart", settings=app.settings.model_copy(update={"store_tries_ms": 300}))
    async with quick.connect("memory://") as client:
        with pytest.raises(Exception, match="STEAD_LARGE_PAYLOADS"):
            await client.signal_entity(EntityId("Note", "k"), "put", "x" * SIZE)


async def test_there_is_a_limit_all_the_same(folder: Folder) -> None:
    app, note, _ = make(folder.url)
    async with TestHub(app) as hub:
        limit = PayloadLimit.of(app.settings)
        assert limit.max == LARGE_BYTES_MAX == 2**30
        with pytest.raises(PayloadTooLarge, match=r"101 bytes, .* 100; .* most that a large payload may have"):
            PayloadLimit(1, None, 100).check("it", b"x" * 101)
        assert await hub.client.call_entity(note.put, "k", "x" * SIZE) == SIZE
    assert folder.kept() == {}  # a test's hub keeps them in memory


async def test_who_is_not_told_where_does_not_start(folder: Folder) -> None:
    app, note, _ = make(folder.url)
    async with app.connect("memory://") as client, app.worker("memory://"):
        await client.call_entity(note.put, "k", "x" * SIZE)
    without, note, _ = make(None)
    with pytest.raises(HubMismatch, match="STEAD_LARGE_PAYLOADS"):
        async with without.worker("memory://"):
            pass
    async with without.connect("memory://") as client:
        with pytest.raises(PayloadLocked):
            await client.read_entity(note, "k")
        with pytest.raises(InvalidInput, match="large_payloads"):
            await client.collect_payloads()
    for url in ("file://host/folder", "ftp://x", "file:relative", "nothing"):
        with pytest.raises(InvalidInput, match="large_payloads"):
            await App("apart", settings=Settings(large_payloads=url)).connect("memory://")


def test_what_is_too_large_is_said_with_what_to_do() -> None:
    with pytest.raises(PayloadTooLarge, match=r"STEAD_LARGE_PAYLOADS .*STEAD_PAYLOAD_BYTES_MAX"):
        PayloadLimit.of(Settings(payload_bytes_max=2_000)).check("it", b"x" * 2_001)
    for setting in ("batch_bytes_max", "custom_status_bytes_max"):  # of these it is no cure
        reason = PayloadTooLarge("it", 2, 1, setting).reason
        assert f"STEAD_{setting.upper()}" in reason
        assert "PAYLOAD" not in reason
        assert setting in Settings.model_fields


async def test_a_hub_beside_stores_as_ever_what_it_does_not_allow_any_more(
    server_url: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state was stored when its limit was higher; what is larger than the limits of all hubs of a process is no bytes there."""

    def beside(bytes_max: int) -> tuple[App, Any]:
        app = App("beside", settings=Settings(partitions=1, payload_bytes_max=bytes_max, call_timeout_ms=20_000))

        @app.entity
        class Held(Entity):
            text: str = ""

            def put(self, text: str) -> None:
                self.text = text

            def later(self) -> None:
                self.context.reminder("later", after=timedelta(days=1)).signal(Held.put, "")

        return app, Held

    text = "x" * SIZE
    app, held = beside(1_000_000)
    async with app.connect(server_url) as client, app.worker(server_url):
        await client.call_entity(held.put, "k", text)
    monkeypatch.setattr(Apart, "least", LARGE_BYTES)  # as in a process that begins
    large, _, _ = make(folder.url)
    app, held = beside(20_000)
    async with large.connect("memory://"), app.connect(server_url) as client, app.worker(server_url):
        await client.call_entity(held.later, "k")
        assert await client.read_entity(held, "k") == held(text=text)
