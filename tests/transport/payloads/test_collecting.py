"""A payload that something names is there, however writers and collectors get between one another: all orders of their steps are tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from typing import Any

import pytest

from stead.transport._payloads import blobs as protocol
from stead.transport._payloads.blobs import Chunk, KeptBlob, ensure, mark_of, name_of
from stead.transport._payloads.collecting import Collected, collect
from stead.transport._payloads.large import HEAD

pytestmark = pytest.mark.hazard(114)

CONTENT = (b"\x00", b"payload")
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
        self.time = NOW

    async def _step(self) -> None:
        await Step()
        self.time += 1

    async def touch(self, name: str) -> bool:
        await self._step()
        if name not in self.touched:
            return False
        self.touched[name] = self.time
        return True

    async def store(self, name: str, chunks: Sequence[Chunk]) -> None:
        await self._step()
        self.touched[name] = self.time

    async def touched_ms(self, name: str) -> int | None:
        await self._step()
        return self.touched.get(name)

    async def read(self, name: str) -> bytes | None:
        return b"".join(CONTENT) if name in self.touched else None

    async def remove(self, name: str) -> None:
        await self._step()
        self.touched.pop(name, None)

    async def now_ms(self) -> int:
        return self.time

    async def listed(self) -> AsyncIterator[KeptBlob]:
        await self._step()
        for name, touched in sorted(self.touched.items()):
            if not name.endswith("leaving"):
                yield KeptBlob(name, 8, touched)


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


def orders(begin: Callable[[], tuple[list[Work], Callable[[], None]]]) -> int:
    """Run it in all orders of steps; each time the end is looked at. Gives how many there were."""
    waiting: list[list[int]] = [[]]
    count = 0
    while waiting:
        taken = waiting.pop()
        works, check = begin()
        alive = list(works)
        chosen: list[int] = []
        resting: Work | None = None
        while alive and len(chosen) < STEPS_MAX:
            ready = [work for work in alive if work is not resting] or alive
            place = taken[len(chosen)] if len(chosen) < len(taken) else 0
            if len(chosen) >= len(taken):
                waiting += [[*chosen, other] for other in range(1, len(ready))]
            chosen.append(place)
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


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        await Rest()

    monkeypatch.setattr(asyncio, "sleep", sleep)


def writer_and_collector(
    *, was_there: bool, grace_ms: int = GRACE_MS
) -> Callable[[], tuple[list[Work], Callable[[], None]]]:
    def begin() -> tuple[list[Work], Callable[[], None]]:
        place, hub = Place(), Hub()
        if was_there:
            place.touched[NAME] = LONG_AGO

        async def write() -> None:
            await protocol.ensure(place, NAME, CONTENT)
            await Step()
            hub.places["inbox"].add(NAMED)

        def check() -> None:
            assert NAME in place.touched, "something names it, and it is gone"
            assert mark_of(NAME) not in place.touched

        return [write(), collect(place, hub.values, grace_ms)], check

    return begin


@pytest.mark.parametrize("was_there", [True, False])
def test_what_is_named_is_there_whenever_the_collector_comes(was_there: bool) -> None:
    assert orders(writer_and_collector(was_there=was_there)) > 50


def test_two_collectors_do_no_more_harm_than_one() -> None:
    async def twice(place: Place, hub: Hub) -> Collected:
        await collect(place, hub.values, GRACE_MS)
        return await collect(place, hub.values, GRACE_MS)

    def begin() -> tuple[list[Work], Callable[[], None]]:
        place, hub = Place(), Hub()
        place.touched[NAME] = LONG_AGO

        async def write() -> None:
            await ensure(place, NAME, CONTENT)
            hub.places["inbox"].add(NAMED)

        def check() -> None:
            assert NAME in place.touched

        return [write(), twice(place, hub)], check

    assert orders(begin) > 50


def test_what_moves_by_itself_is_seen() -> None:
    def begin() -> tuple[list[Work], Callable[[], None]]:
        place, hub = Place(), Hub()
        place.touched[NAME] = LONG_AGO
        hub.places["timers"].add(NAMED)

        async def move() -> None:
            for source, destination in (("timers", "inbox"), ("inbox", "park")):
                await Step()
                hub.places[source].discard(NAMED)
                hub.places[destination].add(NAMED)

        def check() -> None:
            assert NAME in place.touched

        return [move(), collect(place, hub.values, GRACE_MS)], check

    assert orders(begin) > 10


def test_what_nothing_names_is_removed_once_it_is_old() -> None:
    def run(touched_ms: int, *, named: bool = False, dry_run: bool = False) -> tuple[Collected, bool]:
        place, hub = Place(), Hub()
        place.touched[NAME] = touched_ms
        if named:
            hub.places["park"].add(NAMED)
        work = collect(place, hub.values, GRACE_MS, dry_run=dry_run)
        while True:
            try:
                work.send(None)
            except StopIteration as ended:
                return ended.value, NAME in place.touched

    assert run(LONG_AGO) == (Collected(removed=1, removed_bytes=8), False)
    assert run(LONG_AGO, dry_run=True) == (Collected(removed=1, removed_bytes=8), True)
    assert run(NOW - GRACE_MS // 2) == (Collected(young=1), True)
    assert run(LONG_AGO, named=True) == (Collected(kept=1), True)


# -- the test finds what it is there to find ---------------------------------------------------------------------------


async def _without_mark(place: Any, name: str, chunks: Sequence[Chunk]) -> None:
    while True:
        if not await place.touch(name):
            await place.store(name, chunks)
        if await place.touched_ms(name) is not None:
            return


async def _without_last_look(place: Any, name: str, chunks: Sequence[Chunk]) -> None:
    while True:
        if not await place.touch(name):
            await place.store(name, chunks)
        if await place.touched_ms(mark_of(name)) is None:
            return
        await asyncio.sleep(0)


async def _without_touch(place: Any, name: str, chunks: Sequence[Chunk]) -> None:
    if await place.touched_ms(name) is None:
        await place.store(name, chunks)


@pytest.mark.parametrize("broken", [_without_mark, _without_last_look, _without_touch])
def test_a_writer_that_looks_less_is_found_out(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ensure", broken)
    with pytest.raises(AssertionError, match="it is gone"):
        orders(writer_and_collector(was_there=True))


def test_a_collector_that_looks_once_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def remove(place: Any, name: str, since_ms: int) -> bool:
        await place.remove(name)
        return True

    monkeypatch.setattr("stead.transport._payloads.collecting.remove_untouched", remove)
    with pytest.raises(AssertionError, match="it is gone"):
        orders(writer_and_collector(was_there=True))


def test_a_collector_without_a_grace_is_found_out() -> None:
    with pytest.raises(AssertionError, match="it is gone"):
        orders(writer_and_collector(was_there=False, grace_ms=-1_000))


def test_a_collector_that_looks_at_places_in_another_order_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def backwards(self: Hub) -> AsyncIterator[bytes]:
        for place in ("park", "inbox", "timers"):
            await Step()
            for value in sorted(self.places[place]):
                yield value

    monkeypatch.setattr(Hub, "values", backwards)
    with pytest.raises(AssertionError):
        test_what_moves_by_itself_is_seen()
