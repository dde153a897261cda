"""Large payloads in this process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

from stead.transport._contract.rope import Rope

from .blobs import KeptBlob, Take


class MemoryBlobs:
    """Large payloads in this process, for tests."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, int]] = {}
        self._marks: dict[str, dict[str, int]] = {}

    async def touch(self, name: str) -> bool:
        if name not in self._kept:
            return False
        self._kept[name] = (self._kept[name][0], await self.now_ms())
        return True

    async def store(self, name: str, content: Rope) -> None:
        self._kept[name] = (bytes(content), await self.now_ms())

    async def touched_ms(self, name: str) -> int | None:
        return self._kept[name][1] if name in self._kept else None

    async def read(self, name: str, take: Take) -> bool:
        if name not in self._kept:
            return False
        take(self._kept[name][0])
        return True

    async def remove(self, name: str) -> None:
        self._kept.pop(name, None)

    async def mark(self, name: str, token: str) -> int:
        now_ms = await self.now_ms()
        self._marks.setdefault(name, {})[token] = now_ms
        return now_ms

    async def marks(self, name: str) -> Mapping[str, int]:
        return dict(self._marks.get(name, {}))

    async def unmark(self, name: str, token: str) -> None:
        self._marks.get(name, {}).pop(token, None)

    async def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def listed(self) -> AsyncIterator[KeptBlob]:
        for name, (content, touched_ms) in sorted(self._kept.items()):
            yield KeptBlob(name, len(content), touched_ms)
