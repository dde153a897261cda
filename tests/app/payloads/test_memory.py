"""How often a large payload is in memory at the same time: as a multiple of its size, with what users' code holds of it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stead.app import App
from stead.entities import Entity
from stead.transport import Settings, forget_memory_hubs

SIZE = 4_000_000
REST = 600_000
"""What else there is: it does not grow with the payload."""


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    forget_memory_hubs()
    tracemalloc.start(1)
    yield
    tracemalloc.stop()
    forget_memory_hubs()


@contextmanager
def at_most(times: float) -> Generator[None]:
    """No more memory is taken inside, at any moment, than so many times the payload."""
    gc.collect()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    yield
    _, peak = tracemalloc.get_traced_memory()
    taken = peak - before
    assert taken <= times * SIZE + REST, f"{taken / SIZE:.2f} times the payload"


def make(folder: Path) -> tuple[App, Any]:
    app = App("held", settings=Settings(partitions=1, payload_bytes_max=100_000, large_payloads=f"file://{folder}"))

    @app.entity
    class Note(Entity):
        text: str = ""

        def put(self, text: str) -> None:
            self.text = text

        def look(self, text: str) -> int:
            return len(text)

        def give(self, size: int) -> str:
            return "g" * size

        def wait(self) -> None:
            """Done when all before it is."""

    return app, Note


async def test_a_large_payload_is_in_memory_a_few_times(tmp_path: Path) -> None:
    app, note = make(tmp_path)
    async with app.connect("memory://") as client:
        async with app.worker("memory://"):
            await client.call_entity(note.put, "k", "small")  # all is loaded
        text = "x" * SIZE
        with at_most(
            3
        ):  # beside the value itself: packed (a packer takes twice that, and touches half), and what is cut out
            await client.signal_entity(note.look, "k", text)
        with at_most(2):  # what is read, put back; then the value in the place of what was read
            async with app.worker("memory://"):
                await client.call_entity(note.wait, "k")
        await client.signal_entity(note.put, "k", text)
        with at_most(4):  # the state, and packed, and in its record; and the message until that is committed
            async with app.worker("memory://"):
                await client.call_entity(note.wait, "k")
        with at_most(3):
            assert await client.read_entity(note, "k") == note(text=text)
    with at_most(6):  # the worker's, and the client's
        async with app.connect("memory://") as client, app.worker("memory://"):
            assert len(await client.call_entity(note.give, "k", SIZE)) == SIZE
