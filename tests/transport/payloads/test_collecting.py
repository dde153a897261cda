"""A payload that something names is there, however writers and collectors get between one another: all orders of their steps are tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from stead.transport._contract.rope import Rope
from stead.transport._payloads import blobs as protocol
from stead.transport._payloads.blobs import ensure
from stead.transport._payloads.bucket import BucketBlobs
from stead.transport._payloads.collecting import Collected, collect
from support.payload_steps import (
    CONTENT,
    GRACE_MS,
    LONG_AGO,
    NAME,
    NAMED,
    NOW,
    Hub,
    InBucket,
    Place,
    Rest,
    Step,
    Work,
    orders,
)

pytestmark = pytest.mark.hazard(114)


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        await Rest()

    monkeypatch.setattr(asyncio, "sleep", sleep)


def writer_and_collector(
    *, was_there: bool, grace_ms: int = GRACE_MS, make: Callable[[], Place | InBucket] = Place
) -> Callable[[], tuple[list[Work], Callable[[], None]]]:
    def begin() -> tuple[list[Work], Callable[[], None]]:
        place, hub = make(), Hub()
        if was_there:
            place.begin()

        async def write() -> None:
            await protocol.ensure(place, NAME, CONTENT)
            await Step()
            hub.places["inbox"].add(NAMED)

        def check() -> None:
            assert NAME in place.touched, "something names it, and it is gone"
            assert not place.marked

        return [write(), collect(place, hub.values, grace_ms)], check

    return begin


@pytest.mark.parametrize("was_there", [True, False])
def test_what_is_named_is_there_whenever_the_collector_comes(was_there: bool) -> None:
    assert orders(writer_and_collector(was_there=was_there)) > 50


@pytest.mark.parametrize("was_there", [True, False])
def test_the_same_in_a_bucket(was_there: bool) -> None:
    assert orders(writer_and_collector(was_there=was_there, make=InBucket), switches_max=4) > 50


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

    assert orders(begin, switches_max=5) > 50


def two_collectors_and_a_writer(make: Callable[[], Place | InBucket] = Place) -> tuple[list[Work], Callable[[], None]]:
    place = make()
    place.begin()

    def check() -> None:
        assert NAME in place.touched, "something names it, and it is gone"
        assert not place.marked

    collectors = [protocol.remove_untouched(place, NAME, NOW - GRACE_MS) for _ in range(2)]
    return [*collectors, ensure(place, NAME, CONTENT)], check


def test_two_collectors_at_the_same_time_do_no_more_harm_than_one() -> None:
    assert orders(two_collectors_and_a_writer, switches_max=3) > 500
    assert orders(lambda: two_collectors_and_a_writer(InBucket), switches_max=2) > 50


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


async def _without_mark(place: Any, name: str, content: Rope) -> None:
    while True:
        if not await place.touch(name):
            await place.store(name, content)
        if await place.touched_ms(name) is not None:
            return


async def _without_last_look(place: Any, name: str, content: Rope) -> None:
    while True:
        if not await place.touch(name):
            await place.store(name, content)
        if not await place.marks(name):
            return
        await asyncio.sleep(0)


async def _without_touch(place: Any, name: str, content: Rope) -> None:
    if await place.touched_ms(name) is None:
        await place.store(name, content)


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


def test_a_bucket_where_what_was_stored_is_as_old_as_its_beginning_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def store(self: InBucket, name: str, content: Rope) -> None:
        await self.bucket.put("hub/" + name, content)

    monkeypatch.setattr(BucketBlobs, "store", store)
    with pytest.raises(AssertionError, match="it is gone"):
        orders(writer_and_collector(was_there=False, make=InBucket), switches_max=4)


def test_a_touch_that_is_not_looked_at_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def touched_ms(self: InBucket, name: str) -> int | None:
        return await self.bucket.modified_ms("hub/" + name)

    monkeypatch.setattr(BucketBlobs, "touched_ms", touched_ms)
    with pytest.raises(AssertionError, match="it is gone"):
        orders(writer_and_collector(was_there=True, make=InBucket), switches_max=4)


def test_collectors_that_share_a_mark_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def token_hex(length: int) -> str:
        return "one for all"

    monkeypatch.setattr("secrets.token_hex", token_hex)
    with pytest.raises(AssertionError, match="it is gone"):
        orders(two_collectors_and_a_writer, switches_max=3)


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
