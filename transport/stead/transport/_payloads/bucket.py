"""Large payloads in a bucket: what is asked of an object store, and how the protocol of writers and collectors is held by that.

    PREFIX/DIGEST                   a payload
    PREFIX/touched/DIGEST           empty; when it was modified is when the payload was touched last
    PREFIX/leaving/DIGEST.TOKEN     a collector's mark
    PREFIX/clock                    empty; written to learn the time

1. A payload is not copied onto itself to be touched: that would move all its bytes, and keep them once more where versions are kept.
2. An object that was stored in parts may have the time at which that began. So it is touched once it is there.
3. Whoever touches looks first, and the payload may be removed in between: it is the last look of the writer that counts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol

from stead.transport._contract.rope import Rope

from .blobs import KeptBlob, Take, is_name

_EMPTY = Rope(())


class KeptObject(NamedTuple):
    """An object in a listing."""

    key: str
    bytes: int
    modified_ms: int


class Objects(Protocol):
    """What a bucket can do. All of it raises `OSError` if the bucket cannot be used."""

    async def put(self, key: str, content: Rope) -> None:
        """Store an object, durably, and in place of the one before."""
        ...

    async def get(self, key: str, take: Take) -> bool:
        """Give what is in it to `take`, piece by piece. False if there is none."""
        ...

    async def modified_ms(self, key: str) -> int | None:
        """When it was stored, by the bucket's clock; None if there is none."""
        ...

    async def delete(self, key: str) -> None:
        """Delete it, if it is there."""
        ...

    def listed(self, prefix: str) -> AsyncIterator[KeptObject]:
        """All whose key begins so."""
        ...


class BucketBlobs:
    """Large payloads in a bucket, under a prefix of keys ("" or ending in a slash)."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix

    def _touched(self, name: str) -> str:
        return f"{self._prefix}touched/{name}"

    def _mark(self, name: str, token: str) -> str:
        return f"{self._prefix}leaving/{name}.{token}"

    async def touch(self, name: str) -> bool:
        if await self._objects.modified_ms(self._prefix + name) is None:
            return False
        await self._objects.put(self._touched(name), _EMPTY)
        return True

    async def store(self, name: str, content: Rope) -> None:
        await self._objects.put(self._prefix + name, content)
        await self._objects.put(self._touched(name), _EMPTY)

    async def touched_ms(self, name: str) -> int | None:
        stored_ms = await self._objects.modified_ms(self._prefix + name)
        return None if stored_ms is None else max(stored_ms, await self._objects.modified_ms(self._touched(name)) or 0)

    async def read(self, name: str, take: Take) -> bool:
        return await self._objects.get(self._prefix + name, take)

    async def remove(self, name: str) -> None:
        await self._objects.delete(self._touched(name))  # first: what is left of a removal half done is found again
        await self._objects.delete(self._prefix + name)

    async def mark(self, name: str, token: str) -> int:
        return await self._put_ms(self._mark(name, token))

    async def marks(self, name: str) -> Mapping[str, int]:
        first = self._mark(name, "")
        return {each.key.removeprefix(first): each.modified_ms async for each in self._objects.listed(first)}

    async def unmark(self, name: str, token: str) -> None:
        await self._objects.delete(self._mark(name, token))

    async def now_ms(self) -> int:
        return await self._put_ms(f"{self._prefix}clock")

    async def _put_ms(self, key: str) -> int:
        """Store something empty, and tell when that was."""
        while True:
            await self._objects.put(key, _EMPTY)
            modified_ms = await self._objects.modified_ms(key)
            if modified_ms is not None:  # else somebody has tidied up
                return modified_ms

    async def listed(self) -> AsyncIterator[KeptBlob]:
        first = self._touched("")
        touched = {each.key.removeprefix(first): each.modified_ms async for each in self._objects.listed(first)}
        async for each in self._objects.listed(self._prefix):
            name = each.key.removeprefix(self._prefix)
            if is_name(name):
                yield KeptBlob(name, each.bytes, max(each.modified_ms, touched.get(name, 0)))
