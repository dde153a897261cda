"""How often a large payload is in memory at the same time: as a multiple of its size, with what users' code holds of it."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import support
from stead.app import App
from stead.entities import Entity
from stead.transport import Settings, forget_memory_hubs
from stead.transport._payloads import s3
from support.guards import HANGS_S
from support.payload_places import Bucket, object_store_beside

SIZE = 16_000_000
REST = 4_000_000
"""What else there is: it does not grow with the payload."""


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    forget_memory_hubs()
    tracemalloc.start(1)
    yield
    tracemalloc.stop()
    forget_memory_hubs()


@contextmanager
def at_most(times: float, size: int = SIZE, rest: int = REST) -> Generator[None]:
    """No more memory is taken inside, at any moment, than so many times the payload."""
    gc.collect()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    yield
    _, peak = tracemalloc.get_traced_memory()
    taken = peak - before
    assert taken <= times * size + rest, f"{taken / size:.2f} times the payload"


def make(place: str) -> tuple[App, Any]:
    app = App("held", settings=Settings(partitions=1, payload_bytes_max=100_000, large_payloads=place))

    @app.entity
    class Note(Entity):
        text: str = ""
        data: bytes = b""

        def put(self, text: str) -> None:
            self.text = text

        def keep(self, data: bytes) -> None:
            self.data = data

        def look(self, text: str) -> int:
            return len(text)

        def give(self, size: int) -> str:
            return "g" * size

        def wait(self) -> None:
            """Done when all before it is."""

    return app, Note


async def test_a_large_payload_is_in_memory_once(tmp_path: Path) -> None:
    app, note = make(f"file://{tmp_path}")
    async with app.connect("memory://") as client:
        async with app.worker("memory://"):
            await client.call_entity(note.put, "k", "small")  # all is loaded
        text, data = "x" * SIZE, b"y" * SIZE
        with at_most(0):  # beside the value itself
            await client.signal_entity(note.look, "k", text)
        with at_most(1):  # what is read is the value that the operation gets
            async with app.worker("memory://"):
                await client.call_entity(note.wait, "k")
        await client.signal_entity(note.put, "k", text)
        with at_most(1):  # and the state
            async with app.worker("memory://"):
                await client.call_entity(note.wait, "k")
        await client.signal_entity(note.keep, "k", data)
        with at_most(2):  # both
            async with app.worker("memory://"):
                await client.call_entity(note.wait, "k")
        with at_most(2):
            assert await client.read_entity(note, "k") == note(text=text, data=data)
    with at_most(2 + 2):  # the worker has its state and, for a while, what it gives; and the client what it gets
        async with app.connect("memory://") as client, app.worker("memory://"):
            assert len(await client.call_entity(note.give, "k", SIZE)) == SIZE


@pytest.mark.slow
def test_a_process_has_no_more_than_the_value(server_url: str, tmp_path: Path) -> None:
    """By what the system says: of a worker, and of a client, at everything that they do with it."""
    told = subprocess.run(
        [sys.executable, "-m", "support.payload_peaks", server_url, str(tmp_path), "64", "text"],
        cwd=Path(support.__file__).parents[1],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=HANGS_S,
    ).stdout
    peaks = {
        step: list(map(float, both.split())) for step, _, both in (line.partition(":") for line in told.splitlines())
    }
    assert list(peaks) == ["argument", "result", "state", "state again"]
    for step, both in peaks.items():
        assert 0.6 < max(both) < 1.5, f"{step}: {told}"


@pytest.mark.slow
async def test_a_bucket_takes_parts_and_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a folder: what it takes besides is the parts that are on their way."""
    size, part, at_once, waiting = 24_000_000, 5 * 2**20, 1, 4  # (S3 has no smaller parts)
    monkeypatch.setattr(s3, "PART_BYTES", part)
    monkeypatch.setattr(s3, "_PARTS_AT_ONCE", at_once)
    monkeypatch.setattr(s3, "_PIECES_WAITING_MAX", waiting)
    parts = 3 * at_once * part + waiting * 2**18 + REST
    with object_store_beside() as store:
        app, note = make(Bucket(store).url)
        async with app.connect("memory://") as client:
            async with app.worker("memory://"):
                await client.call_entity(note.put, "k", "y" * 200_000)  # all is loaded
            text = "x" * size
            with at_most(0, size, parts):
                await client.signal_entity(note.look, "k", text)
            with at_most(1, size, parts):
                async with app.worker("memory://"):
                    await client.call_entity(note.wait, "k")
