"""A worker and a client in processes of their own, through which large payloads go: how often one is in the memory of each at most.

    cd tests; python -m support.payload_peaks SERVER_URL PLACE MEGABYTES KIND [CODEC]

says so for a value of a kind as an argument, as a result, and as a state that is committed and then loaded and read. What counts is the
most memory that the process had, beyond what it had before, as a multiple of the value. The value itself is in that.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stead.app import App, Client
from stead.entities import Entity
from stead.transport import Settings

from .guards import HANGS_S

MEGABYTE = 2**20
SMALL = 2 * MEGABYTE  # but too large for the hub: all that is needed is loaded by it
KINDS: dict[str, Callable[[int], Any]] = {
    "text": lambda size: "x" * size,
    "umlauts": lambda size: "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * size,  # a byte each, and two where it is stored
    "bytes": lambda size: b"x" * size,
    "numbers": lambda size: [float(number) for number in range(size // 32)],
}

_ARGUMENTS = {"text": "text", "umlauts": "text", "bytes": "data", "numbers": "numbers"}


class Note(Entity):
    """What has something large to do with a value of one of these kinds."""

    text: str = ""
    data: bytes = b""
    numbers: list[float] = []

    def look(self, text: str = "", data: bytes = b"", numbers: list[float] | None = None) -> int:
        """Be given it."""
        return len(text or data or numbers or ())

    def give(self, kind: str, size: int) -> Any:
        """Give it back."""
        return KINDS[kind](size)

    def fill(self, kind: str, size: int) -> None:
        """Have it as the state."""
        value = KINDS[kind](size)
        if isinstance(value, str):
            self.text = value
        elif isinstance(value, bytes):
            self.data = value
        else:
            self.numbers = value

    def length(self) -> int:
        """Of the state."""
        return len(self.text or self.data or self.numbers)


def make(place: str, codec: str = "") -> App:
    """The app."""
    url = place if "://" in place else f"file://{place}"
    call_timeout_ms = int(HANGS_S * 1_000)
    app = App(
        "peaks",
        settings=Settings(
            partitions=1, large_payloads=url, payload_codec=codec or None, call_timeout_ms=call_timeout_ms
        ),
    )
    app.entity(Note)
    return app


class Memory:
    """What this process takes from here on."""

    def __init__(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is counted
        self._before = self._bytes("VmRSS")

    def peak(self) -> int:
        """The most bytes that were taken."""
        return self._bytes("VmHWM") - self._before

    def _bytes(self, name: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition(f"{name}:")[2].split()[0]) * 1_024


async def warmed(client: Client) -> None:
    """Let all be loaded."""
    await client.call_entity(Note.fill, "warm", "text", SMALL)
    await client.call_entity(Note.look, "warm", "x" * SMALL)
    assert len(await client.call_entity(Note.give, "warm", "bytes", SMALL)) == SMALL
    assert await client.read_entity(Note, "warm") is not None


async def work(app: App, url: str) -> None:
    """Be the worker, and tell its peak when it is asked for."""
    async with app.worker(url), app.connect(url) as client:
        await warmed(client)
        memory = Memory()
        print(flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(memory.peak(), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


async def measured(url: str, place: str, size: int, kind: str, codec: str = "") -> dict[str, tuple[float, float]]:
    """By step: the client's peak and the worker's."""
    found: dict[str, tuple[float, float]] = {}
    app = make(place, codec)
    async with app.connect(url) as client:

        @asynccontextmanager
        async def step(name: str) -> AsyncGenerator[None]:
            beside = ("-m", "support.payload_peaks", "worker", url, place, codec)
            folder = Path(__file__).parents[1]
            worker = await asyncio.create_subprocess_exec(sys.executable, *beside, cwd=folder, stdin=PIPE, stdout=PIPE)
            assert worker.stdin is not None, "it was asked for"
            assert worker.stdout is not None, "it was asked for"
            assert await worker.stdout.readline(), "it runs"
            await warmed(client)
            memory = Memory()
            yield
            peak = memory.peak()
            worker.stdin.write(b"\n")
            found[name] = (peak / size, int(await worker.stdout.readline()) / size)
            worker.stdin.close()
            await worker.wait()

        async with step("argument"):
            assert await client.call_entity(Note.look, "k", **{_ARGUMENTS[kind]: KINDS[kind](size)})
        async with step("result"):
            assert len(await client.call_entity(Note.give, "k", kind, size))
        async with step("state"):
            await client.call_entity(Note.fill, "k", kind, size)
        async with step("state again"):
            assert await client.call_entity(Note.length, "k")
            assert await client.read_entity(Note, "k") is not None
    return found


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        asyncio.run(work(make(*sys.argv[3:]), sys.argv[2]))
    else:
        url, place, megabytes, *how = sys.argv[1:]
        for name, (client, worker) in asyncio.run(measured(url, place, int(megabytes) * MEGABYTE, *how)).items():
            print(f"{name}: {client:.2f} {worker:.2f}")
