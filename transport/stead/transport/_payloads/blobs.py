"""Where large payloads are kept: named by what is in them, in a folder that all processes share, or in a bucket.

A writer may find that a payload is there already, while a collector is about to remove it. So both go by this:

    writer      touch it, or store it if it is gone; is there a mark that it is about to be removed? is it still there?
                Only if there is no mark, and it is there, may a message name it.
    collector   leave a mark of its own; was it touched lately? If not, remove it. Take the own mark away.

Whoever touches before the collector looks keeps it. Whoever touches after that sees the mark, or, if that is gone already, that the
payload is. Each collector has a mark of its own, which nobody takes away while it may still remove: with one for all, the second would
remove what was stored anew after the first had removed it. A mark is of no meaning once it is old: its collector has ended, and one
that comes to its removal that late leaves it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from stead.transport._contract.rope import Chunk, Rope

MARK_MS = 600_000
"""So long a mark counts."""
REMOVE_MS = 300_000
"""So long after a mark its collector may remove."""
DIGEST_BYTES = 32

_LOOK_AGAIN_S = (0.05, 2.0)
_NAME = re.compile(rf"[0-9a-f]{{{2 * DIGEST_BYTES}}}")

Take: TypeAlias = "Callable[[Chunk], None]"
"""What is given what is read, piece by piece; in a thread, perhaps."""


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

    async def store(self, name: str, content: Rope) -> None:
        """Store it, durably."""
        ...

    async def touched_ms(self, name: str) -> int | None:
        """When it was stored or touched last; None if it is gone."""
        ...

    async def read(self, name: str, take: Take) -> bool:
        """Give what is in it to `take`, from the first piece to the last. False if it is gone: then nothing was given."""
        ...

    async def remove(self, name: str) -> None:
        """Remove it, if it is there."""
        ...

    async def mark(self, name: str, token: str) -> int:
        """Leave a mark that it is about to be removed. Gives when that was."""
        ...

    async def marks(self, name: str) -> Mapping[str, int]:
        """The tokens of the marks that there are, and when each was left."""
        ...

    async def unmark(self, name: str, token: str) -> None:
        """Take a mark away, if it is there."""
        ...

    async def now_ms(self) -> int:
        """The time there."""
        ...

    def listed(self) -> AsyncIterator[KeptBlob]:
        """All that are there."""
        ...


def name_of(content: Rope) -> str:
    """The name of a payload."""
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def is_name(text: str) -> bool:
    """Whether it is the name of a payload."""
    return _NAME.fullmatch(text) is not None


async def ensure(blobs: Blobs, name: str, content: Rope) -> None:
    """See to it that a payload is there, and stays there for as long as the grace of collectors."""
    if not await ensured(blobs, name, content):
        raise AssertionError("what is there to be stored is stored")


async def ensured(blobs: Blobs, name: str, content: Rope | None = None) -> bool:
    """The same for what was stored before: False if it is gone, and nothing is there to be stored."""
    wait_s, wait_max_s = _LOOK_AGAIN_S
    while True:
        if not await blobs.touch(name):
            if content is None:
                return False
            await blobs.store(name, content)
        if await _is_marked(blobs, name):
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, wait_max_s)
        elif await blobs.touched_ms(name) is not None:
            return True


async def _is_marked(blobs: Blobs, name: str) -> bool:
    """Whether a collector may be about to remove it. Marks of those that have ended are taken away."""
    marks = await blobs.marks(name)
    if not marks:
        return False
    since_ms = await blobs.now_ms() - MARK_MS
    for token, marked_ms in marks.items():
        if marked_ms < since_ms:
            await blobs.unmark(name, token)
    return max(marks.values()) >= since_ms


async def remove_untouched(blobs: Blobs, name: str, since_ms: int) -> bool:
    """Remove a payload that nothing names, unless it was touched since then. Whether it was removed."""
    token = secrets.token_hex(8)
    marked_ms = await blobs.mark(name, token)
    touched_ms = await blobs.touched_ms(name)
    removed = touched_ms is not None and touched_ms < since_ms and await blobs.now_ms() - marked_ms < REMOVE_MS
    if removed:
        await blobs.remove(name)
    await blobs.unmark(name, token)
    return removed
