"""One suite over every place where large payloads may be kept, and what is particular to a bucket."""

from __future__ import annotations

import asyncio
import importlib.util
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stead.app import App
from stead.transport import Blobs, InvalidInput, Settings, blobs_of
from stead.transport._contract.rope import Rope
from stead.transport._payloads.blobs import name_of, remove_untouched
from stead.transport._payloads.s3 import PART_BYTES, S3Missing
from support.payload_places import Bucket, Folder, ObjectStore, object_store

pytestmark = [pytest.mark.hazard(114), pytest.mark.slow]

CONTENT = Rope((b"\x00", b"payload"))
NAME = name_of(CONTENT)
OTHER_CONTENT = Rope((b"other",))
OTHER = name_of(OTHER_CONTENT)


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


@pytest.fixture
def bucket(store: ObjectStore) -> Bucket:
    return Bucket(store)


@pytest.fixture(params=["memory", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "memory://of-a-test"
    return Folder(tmp_path / "place").url if request.param == "file" else request.getfixturevalue("bucket").url


@pytest.fixture
def place(url: str) -> Blobs:
    return place_of(url)


def place_of(url: str) -> Blobs:
    found = blobs_of(Settings(large_payloads=url))
    assert found is not None
    return found


async def listed(place: Blobs) -> dict[str, int]:
    return {each.name: each.bytes async for each in place.listed()}


async def read(place: Blobs, name: str = NAME) -> bytes | None:
    pieces: list[bytes] = []
    return b"".join(pieces) if await place.read(name, lambda piece: pieces.append(bytes(piece))) else None


async def test_what_is_stored_is_there_until_it_is_removed(place: Blobs) -> None:
    assert await read(place) is None
    assert await place.touched_ms(NAME) is None
    assert not await place.touch(NAME)
    assert await listed(place) == {}
    await place.store(NAME, CONTENT)
    await place.store(NAME, CONTENT)  # the same again
    await place.store(OTHER, OTHER_CONTENT)
    assert await read(place) == b"\x00payload"
    assert await listed(place) == {NAME: 8, OTHER: 5}
    await place.remove(NAME)
    await place.remove(NAME)
    assert await read(place) is None
    assert not await place.touch(NAME)
    assert await listed(place) == {OTHER: 5}


async def test_a_touch_makes_it_young(place: Blobs) -> None:
    await place.store(NAME, CONTENT)
    before = await place.touched_ms(NAME)
    assert before is not None
    while await place.now_ms() <= before:  # a bucket counts seconds
        await asyncio.sleep(0.05)
    assert await place.touch(NAME)
    after = await place.touched_ms(NAME)
    assert after is not None
    assert before < after <= await place.now_ms()
    assert [each.touched_ms async for each in place.listed()] == [after]


async def test_marks_are_apart_from_payloads_and_from_one_another(place: Blobs) -> None:
    await place.store(NAME, CONTENT)
    first = await place.mark(NAME, "a")
    second = await place.mark(NAME, "b")
    await place.mark(OTHER, "a")
    assert await place.marks(NAME) == {"a": first, "b": second}
    assert await listed(place) == {NAME: 8}
    await place.unmark(NAME, "a")
    await place.unmark(NAME, "a")
    assert await place.marks(NAME) == {"b": second}
    assert abs(first - await place.now_ms()) < 60_000


async def test_what_is_old_is_removed_without_a_trace(place: Blobs, request: pytest.FixtureRequest) -> None:
    await place.store(NAME, CONTENT)
    assert not await remove_untouched(place, NAME, await place.now_ms() - 60_000)
    assert await remove_untouched(place, NAME, await place.now_ms() + 60_000)
    assert not await remove_untouched(place, NAME, await place.now_ms() + 60_000)
    assert await listed(place) == {}
    if "bucket" in request.fixturenames:
        assert request.getfixturevalue("bucket").keys() == ["clock"]


@pytest.mark.parametrize("size", [PART_BYTES + 1])
async def test_what_is_large_goes_in_parts(place: Blobs, size: int) -> None:
    content = Rope((b"\x00", memoryview(bytes(range(256)) * (size // 256 + 1))[: size - 1]))
    name = name_of(content)
    await place.store(name, content)
    assert await read(place, name) == bytes(content)
    assert await listed(place) == {name: size}


async def test_a_bucket_has_many(bucket: Bucket) -> None:
    place = place_of(bucket.url)
    names = sorted(name_of(Rope((bytes([number]),))) for number in range(5))
    for name in names:
        await asyncio.to_thread(bucket.put, name, b"x")
    await asyncio.to_thread(bucket.put, "something else", b"x")
    objects: Any = place
    pages: list[int] = []
    one_by_one = objects._objects._page_of

    def page_of(prefix: str, more: dict[str, str]) -> Any:
        pages.append(1)
        return one_by_one(prefix, {**more, "MaxKeys": 2})

    objects._objects._page_of = page_of
    assert sorted(await listed(place)) == names
    assert len(pages) == 4  # one for the touches, which there are not


async def test_several_loops_and_threads_have_one_place(bucket: Bucket) -> None:
    place = place_of(bucket.url)
    await asyncio.gather(*(asyncio.to_thread(lambda: asyncio.run(place.store(NAME, CONTENT))) for _ in range(3)))
    assert await read(place) == bytes(CONTENT)


@pytest.mark.parametrize("use", ["store", "read", "touch", "listed"])
async def test_a_bucket_that_there_is_not_is_said(store: ObjectStore, use: str) -> None:
    place = place_of("s3://no-such-bucket/folder")
    with pytest.raises(OSError, match="there is no bucket 'no-such-bucket'"):
        if use == "store":
            await place.store(NAME, CONTENT)
        elif use == "read":
            await read(place)
        elif use == "listed":
            await listed(place)
        else:
            await getattr(place, use)(NAME)


async def test_a_bucket_that_is_not_open_is_said(store: ObjectStore, bucket: Bucket) -> None:
    place = place_of(bucket.url)
    _ask_for_keys(store, actions_without=0)
    try:
        for use in (place.store(NAME, CONTENT), read(place), place.touch(NAME), listed(place)):
            with pytest.raises(OSError, match=r"is not open to these credentials .* s3:GetObject"):
                await use
    finally:
        _ask_for_keys(store, actions_without=2**31)


def _ask_for_keys(store: ObjectStore, actions_without: int) -> None:
    request = urllib.request.Request(f"{store.url}/moto-api/reset-auth", data=str(actions_without).encode())
    request.add_header("Content-Type", "text/plain")
    urllib.request.urlopen(request).close()


async def test_a_server_that_is_not_there_is_said(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setattr("stead.transport._payloads.s3._TRIES", 1)
    with pytest.raises(OSError, match=r"cannot be used: .*127\.0\.0\.1:1"):
        await read(place_of(bucket.url))


async def test_settings_of_aws_that_cannot_be_used_are_said(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(OSError, match=r"cannot be used: .*nobody"):
        await read(place_of(bucket.url))


@pytest.mark.parametrize(
    "url", ["s3://", "s3://UPPER/x", "s3://b", "s3://bucket/x?endpoint=y", "s3://a_b/", "s3:bucket"]
)
async def test_what_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="large_payloads"):
        await App("apart", settings=Settings(large_payloads=url)).connect("memory://")


async def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> None:
        """It is not there."""

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(S3Missing, match=r"pip install 'stead\[s3\]'"):
        await App("apart", settings=Settings(large_payloads="s3://bucket")).connect("memory://")
