"""Large payloads in a folder."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

from stead.transport._contract.rope import Rope

from .blobs import KeptBlob, Take, is_name

_PIECE_BYTES = 2**20


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

    async def store(self, name: str, content: Rope) -> None:
        await asyncio.to_thread(self._store, name, content)

    def _store(self, name: str, content: Rope) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{name}.{secrets.token_hex(6)}")
        try:
            with part.open("xb") as file:
                for chunk in content.chunks():
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
                return _modified_ms(self._path(name).stat())
            except FileNotFoundError:
                return None

        return await asyncio.to_thread(work)

    async def read(self, name: str, take: Take) -> bool:
        def work() -> bool:
            try:
                file = self._path(name).open("rb", buffering=0)
            except FileNotFoundError:
                return False
            with file:
                while piece := file.read(_PIECE_BYTES):
                    take(piece)
            return True

        return await asyncio.to_thread(work)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(lambda: self._path(name).unlink(missing_ok=True))

    async def mark(self, name: str, token: str) -> int:
        return await asyncio.to_thread(lambda: _made_ms(self._mark(name, token)))

    def _mark(self, name: str, token: str) -> Path:
        return self._folder / "leaving" / f"{name}.{token}"

    async def marks(self, name: str) -> Mapping[str, int]:
        def work() -> dict[str, int]:
            found: dict[str, int] = {}
            for path in self._mark(name, "").parent.glob(f"{name}.*"):
                with suppress(FileNotFoundError):
                    found[path.name.removeprefix(f"{name}.")] = _modified_ms(path.stat())
            return found

        return await asyncio.to_thread(work)

    async def unmark(self, name: str, token: str) -> None:
        await asyncio.to_thread(lambda: self._mark(name, token).unlink(missing_ok=True))

    async def now_ms(self) -> int:
        def work() -> int:
            file = self._folder / f".clock.{secrets.token_hex(6)}"
            try:
                return _made_ms(file)
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
            if is_name(path.name):
                try:
                    facts = path.stat()
                except FileNotFoundError:
                    continue
                found.append(KeptBlob(path.name, facts.st_size, _modified_ms(facts)))
        return found


def _made_ms(file: Path) -> int:
    """Make an empty file, and tell when that was."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return _modified_ms(file.stat())


def _modified_ms(facts: os.stat_result) -> int:
    return facts.st_mtime_ns // 1_000_000
