"""Where large payloads are kept: named by what is in them, in a folder that all processes share, or in a bucket.

A writer may find that a payload is there already, while a collector is about to remove it. So both go by this:

    writer      touch it, or store it if it is gone; is there a mark that it is about to be removed? is it still there?
                Only if there is no mark, and it is there, may a message name it.
    collector   mark it; was it touched lately? If not, remove it. Take the mark away.

Whoever touches before the collector looks keeps it. Whoever touches after that sees the mark, or, if that is gone already, that the
payload is. A mark is of no meaning once it is old: its collector has ended, and one that comes to its removal that late leaves it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

MARK_MS = 600_000
"""So long a mark counts."""
REMOVE_MS = 300_000
"""So long after a mark its collector may remove."""
DIGEST_BYTES = 32

Chunk: TypeAlias = "bytes | memoryview"


class KeptBlob(NamedTuple):
    """A payload in a listing."""

    name: str
    bytes: int
    touched_ms: int  # by the clock of where it is kept


class Blobs(Protocol):
    """A place for large payloads. All of it raises `OSError` if the place cannot be used."""

    async def touch(self, name: str) -> bool:
        """Make it as young as if it had just been stored. False if it is gone."""
        ...

    async def store(self, name: str, chunks: Sequence[Chunk]) -> None:
        """Store it, durably."""
        ...

    async def touched_ms(self, name: str) -> int | None:
        """When it was stored or touched last; None if it is gone."""
        ...

    async def read(self, name: str) -> bytes | None:
        """What is in it, None if it is gone."""
        ...

    async def remove(self, name: str) -> None:
        """Remove it, if it is there."""
        ...

    async def now_ms(self) -> int:
        """The time there."""
        ...

    def listed(self) -> AsyncIterator[KeptBlob]:
        """All that are there."""
        ...


def name_of(chunks: Sequence[Chunk]) -> str:
    """The name of a payload."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def mark_of(name: str) -> str:
    """The name of the mark that a payload is about to be removed."""
    return f"{name}.leaving"


async def ensure(blobs: Blobs, name: str, chunks: Sequence[Chunk]) -> None:
    """See to it that a payload is there, and stays there for as long as the grace of collectors."""
    if not await ensured(blobs, name, chunks):
        raise AssertionError("what is there to be stored is stored")


async def ensured(blobs: Blobs, name: str, chunks: Sequence[Chunk] | None = None) -> bool:
    """The same for what was stored before: False if it is gone, and nothing is there to be stored."""
    while True:
        if not await blobs.touch(name):
            if chunks is None:
                return False
            await blobs.store(name, chunks)
        marked_ms = await blobs.touched_ms(mark_of(name))
        if marked_ms is not None:
            if await blobs.now_ms() - marked_ms < MARK_MS:
                await asyncio.sleep(0.05)
                continue
            await blobs.remove(mark_of(name))
        if await blobs.touched_ms(name) is not None:
            return True


async def remove_untouched(blobs: Blobs, name: str, since_ms: int) -> bool:
    """Remove a payload that nothing names, unless it was touched since then. Whether it was removed."""
    mark = mark_of(name)
    await blobs.store(mark, ())
    began_ms = await blobs.touched_ms(mark)
    touched_ms = await blobs.touched_ms(name)
    removed = (
        began_ms is not None
        and touched_ms is not None
        and touched_ms < since_ms
        and await blobs.now_ms() - began_ms < REMOVE_MS
    )
    if removed:
        await blobs.remove(name)
    await blobs.remove(mark)
    return removed


class FolderBlobs:
    """Large payloads in a folder: on one machine, or shared by all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    async def touch(self, name: str) -> bool:
        def work() -> bool:
            try:
                os.utime(self._path(name))
            except FileNotFoundError:
                return False
            return True

        return await asyncio.to_thread(work)

    async def store(self, name: str, chunks: Sequence[Chunk]) -> None:
        await asyncio.to_thread(self._store, name, chunks)

    def _store(self, name: str, chunks: Sequence[Chunk]) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{name}.{secrets.token_hex(6)}")
        try:
            with part.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        for folder in (path.parent, self._folder):  # so that its name survives a crash, too
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    async def touched_ms(self, name: str) -> int | None:
        def work() -> int | None:
            try:
                return self._path(name).stat().st_mtime_ns // 1_000_000
            except FileNotFoundError:
                return None

        return await asyncio.to_thread(work)

    async def read(self, name: str) -> bytes | None:
        def work() -> bytes | None:
            try:
                return self._path(name).read_bytes()
            except FileNotFoundError:
                return None

        return await asyncio.to_thread(work)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(lambda: self._path(name).unlink(missing_ok=True))

    async def now_ms(self) -> int:
        def work() -> int:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._folder / f".clock.{secrets.token_hex(6)}"
            file.touch()
            try:
                return file.stat().st_mtime_ns // 1_000_000
            finally:
                file.unlink(missing_ok=True)

        return await asyncio.to_thread(work)

    async def listed(self) -> AsyncIterator[KeptBlob]:
        for folder in await asyncio.to_thread(lambda: sorted(self._folder.glob("[0-9a-f][0-9a-f]"))):
            for found in await asyncio.to_thread(self._in, folder):
                yield found

    def _in(self, folder: Path) -> list[KeptBlob]:
        found: list[KeptBlob] = []
        for path in sorted(folder.iterdir()):
            if len(path.name) == 2 * DIGEST_BYTES:
                try:
                    facts = path.stat()
                except FileNotFoundError:
                    continue
                found.append(KeptBlob(path.name, facts.st_size, facts.st_mtime_ns // 1_000_000))
        return found


class MemoryBlobs:
    """Large payloads in this process, for tests."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, int]] = {}

    async def touch(self, name: str) -> bool:
        if name not in self._kept:
            return False
        self._kept[name] = (self._kept[name][0], await self.now_ms())
        return True

    async def store(self, name: str, chunks: Sequence[Chunk]) -> None:
        self._kept[name] = (b"".join(chunks), await self.now_ms())

    async def touched_ms(self, name: str) -> int | None:
        return self._kept[name][1] if name in self._kept else None

    async def read(self, name: str) -> bytes | None:
        return self._kept[name][0] if name in self._kept else None

    async def remove(self, name: str) -> None:
        self._kept.pop(name, None)

    async def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def listed(self) -> AsyncIterator[KeptBlob]:
        for name, (content, touched_ms) in sorted(self._kept.items()):
            if len(name) == 2 * DIGEST_BYTES:
                yield KeptBlob(name, len(content), touched_ms)
