"""Places for large payloads and a hub whose every step may come between others' steps, and all orders of such steps, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from typing import Any

from stead.transport._contract.rope import Rope
from stead.transport._payloads.blobs import KeptBlob, Take, is_name, name_of
from stead.transport._payloads.bucket import BucketBlobs, KeptObject
from stead.transport._payloads.large import HEAD

CONTENT = Rope((b"\x00", b"payload"))
NAME = name_of(CONTENT)
GRACE_MS = 10_000
LONG_AGO, NOW = 0, 1_000_000
STEPS_MAX = 60  # of one order: a writer that waits for a collector that never goes on is of no interest


class Step:
    """Where somebody else may come."""

    def __await__(self) -> Generator[bool]:
        yield False


class Rest(Step):
    """Where somebody else has to come first, if there is anybody."""

    def __await__(self) -> Generator[bool]:
        yield True


class Place:
    """Where payloads are kept; each thing that is done there is a step."""

    def __init__(self) -> None:
        self.touched: dict[str, int] = {}
        self.marked: dict[str, int] = {}
        self.time = NOW

    def begin(self) -> None:
        """Let it be there, since long ago."""
        self.touched[NAME] = LONG_AGO

    async def _step(self) -> None:
        await Step()
        self.time += 1

    async def touch(self, name: str) -> bool:
        await self._step()
        if name not in self.touched:
            return False
        self.touched[name] = self.time
        return True

    async def store(self, name: str, content: Rope) -> None:
        await self._step()
        self.touched[name] = self.time

    async def touched_ms(self, name: str) -> int | None:
        await self._step()
        return self.touched.get(name)

    async def read(self, name: str, take: Take) -> bool:
        if name in self.touched:
            take(bytes(CONTENT))
        return name in self.touched

    async def remove(self, name: str) -> None:
        await self._step()
        self.touched.pop(name, None)

    async def mark(self, name: str, token: str) -> int:
        await self._step()
        self.marked[token] = self.time
        return self.time

    async def marks(self, name: str) -> Mapping[str, int]:
        await self._step()
        return dict(self.marked)

    async def unmark(self, name: str, token: str) -> None:
        await self._step()
        self.marked.pop(token, None)

    async def now_ms(self) -> int:
        return self.time

    async def listed(self) -> AsyncIterator[KeptBlob]:
        await self._step()
        for name, touched in sorted(self.touched.items()):
            yield KeptBlob(name, 8, touched)


class Bucket:
    """An object store; each thing that is asked of it is a step. What is large takes longer to store than any grace, and then has the
    time at which that began."""

    def __init__(self) -> None:
        self.modified: dict[str, int] = {}
        self.time = NOW

    async def _step(self) -> None:
        await Step()
        self.time += 1

    async def put(self, key: str, content: Rope) -> None:
        began = self.time
        await self._step()
        self.time += 2 * GRACE_MS if len(content) else 0
        self.modified[key] = began if len(content) else self.time

    async def get(self, key: str, take: Take) -> bool:
        if key in self.modified:
            take(bytes(CONTENT))
        return key in self.modified

    async def modified_ms(self, key: str) -> int | None:
        await self._step()
        return self.modified.get(key)

    async def delete(self, key: str) -> None:
        await self._step()
        self.modified.pop(key, None)

    async def listed(self, prefix: str) -> AsyncIterator[KeptObject]:
        await self._step()
        for key, modified in sorted(self.modified.items()):
            if key.startswith(prefix):
                yield KeptObject(key, 8, modified)


class InBucket(BucketBlobs):
    """A place in such a bucket."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        super().__init__(self.bucket, "hub/")

    async def now_ms(self) -> int:
        return self.bucket.time  # fewer steps: nobody else is in between

    @property
    def touched(self) -> dict[str, int]:
        return {
            key.removeprefix("hub/"): time for key, time in self.bucket.modified.items() if is_name(key[len("hub/") :])
        }

    @property
    def marked(self) -> dict[str, int]:
        return {key: time for key, time in self.bucket.modified.items() if "leaving" in key}

    def begin(self) -> None:
        """Let it be there, since long ago."""
        self.bucket.modified["hub/" + NAME] = self.bucket.modified["hub/touched/" + NAME] = LONG_AGO


class Hub:
    """What a hub holds: in places between which it moves by itself."""

    def __init__(self) -> None:
        self.places: dict[str, set[bytes]] = {"timers": set(), "inbox": set(), "park": set()}

    async def values(self) -> AsyncIterator[bytes]:
        for place in ("timers", "inbox", "park"):
            await Step()
            for value in sorted(self.places[place]):
                yield value

    @property
    def names(self) -> bool:
        return any(self.places.values())


NAMED = HEAD + b"\x01" + bytes.fromhex(NAME) + (8).to_bytes(8, "big") + b"\x00rest"
Work = Coroutine[Any, Any, Any]


def orders(begin: Callable[[], tuple[list[Work], Callable[[], None]]], switches_max: int = STEPS_MAX) -> int:
    """Run it in all orders of steps, or all in which one takes over from another so many times before it has to; each time the end
    is looked at. Gives how many there were."""
    waiting: list[list[int]] = [[]]
    count = 0
    while waiting:
        taken = waiting.pop()
        works, check = begin()
        alive = list(works)
        chosen: list[int] = []
        resting: Work | None = None
        last: Work | None = None
        switches = 0
        while alive and len(chosen) < STEPS_MAX:
            ready = [work for work in alive if work is not resting] or list(alive)
            if last in ready:
                ready.sort(key=lambda work: work is not last)
            if switches >= switches_max and last in ready:
                ready = ready[:1]
            place = taken[len(chosen)] if len(chosen) < len(taken) else 0
            if len(chosen) >= len(taken):
                waiting += [[*chosen, other] for other in range(1, len(ready))]
            chosen.append(place)
            switches += place > 0
            last = ready[place]
            try:
                resting = ready[place] if ready[place].send(None) else None
            except StopIteration:
                alive.remove(ready[place])
                resting = None
        for work in works:
            work.close()
        if not alive:
            check()
            count += 1
    return count
