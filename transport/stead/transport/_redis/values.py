"""The part of `RedisStore` that looks at everything a hub holds, to find something in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from .base import RedisBase
from .scripts import command

_AT_ONCE = 500  # elements of a key, and keys
_SCANS = {b"hash": "HSCAN", b"zset": "ZSCAN", b"set": "SSCAN"}


class ValuesSide(RedisBase):
    """What a hub holds, whatever it is."""

    async def values(self) -> AsyncIterator[bytes]:
        """All that the hub holds, in no form. What moves from one key to another by itself is looked at where it comes from before it is
        looked at where it goes: timers, then inboxes, then all keys (HAZARDS 114)."""
        partitions = self._keys.partitions
        for key in [each.payloads for each in partitions]:
            async for value in self._scanned("HSCAN", key):
                yield value
        for key in [each.inbox for each in partitions]:
            async for value in self._entries_of(key):
                yield value
        cursor: Any = b"0"
        while True:
            cursor, keys = await self._queries.one(
                command("SCAN", cursor, "MATCH", self._keys.base + b"*", "COUNT", _AT_ONCE)
            )
            for key in keys:
                async for value in self._held(key):
                    yield value
            if int(cursor) == 0:
                return

    async def _held(self, key: bytes) -> AsyncIterator[bytes]:
        found = await self._queries.one(command("TYPE", key))
        kind = found if isinstance(found, bytes) else str(found).encode()
        if kind in _SCANS:
            async for value in self._scanned(_SCANS[kind], key):
                yield value
        elif kind == b"stream":
            async for value in self._entries_of(key):
                yield value
        elif kind == b"list":
            first = 0
            while elements := await self._queries.one(command("LRANGE", key, first, first + _AT_ONCE - 1)):
                for value in elements:
                    yield value
                first += _AT_ONCE
        elif kind == b"string" and (text := await self._queries.one(command("GET", key))) is not None:
            yield text

    async def _scanned(self, scan: str, key: bytes) -> AsyncIterator[bytes]:
        cursor: Any = b"0"
        while True:
            cursor, elements = await self._queries.one(command(scan, key, cursor, "COUNT", _AT_ONCE))
            for value in elements:
                yield value
            if int(cursor) == 0:
                return

    async def _entries_of(self, key: bytes) -> AsyncIterator[bytes]:
        after = b"-"
        while entries := await self._queries.one(command("XRANGE", key, after, "+", "COUNT", _AT_ONCE)):
            for stream_id, fields in entries:
                for value in fields:
                    yield value
                after = b"(" + stream_id
