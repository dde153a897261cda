"""Workers and published names: seen by everyone, forgotten some time after they were last heard of."""

from __future__ import annotations

from typing import Any

import pytest

from stead.transport import Store
from support.store_twins import Twin

pytestmark = pytest.mark.anyio


async def names(store: Store) -> list[str]:
    return [view.worker for view in await store.workers()]


async def test_a_heartbeat_tells_of_all_workers_by_name(store: Store) -> None:
    await store.heartbeat("b", {"partitions": [1, 2], "host": "ås"}, 60_000)
    now_ms, views = await store.heartbeat("a", {}, 60_000)
    assert [view.worker for view in views] == ["a", "b"]
    assert views[0].beat_ms == now_ms
    assert views[1].beat_ms <= now_ms
    assert [view.info for view in views] == [{}, {"partitions": [1, 2], "host": "ås"}]
    assert await store.workers() == views


async def test_the_last_heartbeat_counts(store: Store) -> None:
    await store.heartbeat("a", {"turns": 1}, 60_000)
    await store.heartbeat("a", {"turns": 2}, 60_000)
    assert [view.info for view in await store.workers()] == [{"turns": 2}]


async def test_a_worker_that_leaves_is_gone_at_once(store: Store) -> None:
    await store.heartbeat("a", {}, 60_000)
    await store.heartbeat("b", {}, 60_000)
    await store.leave("a")
    await store.leave("never was")
    assert await names(store) == ["b"]


async def test_a_silent_worker_is_forgotten(twin: Twin) -> None:
    """HAZARDS 25: workers have a time to live."""
    await twin.store.heartbeat("silent", {}, 50)
    await twin.store.heartbeat("alive", {}, 60_000)
    assert await names(twin.store) == ["alive", "silent"]
    await twin.pass_ms(60)
    assert await names(twin.store) == ["alive"]
    _, views = await twin.store.heartbeat("alive", {}, 60_000)
    assert [view.worker for view in views] == ["alive"]


async def test_published_kinds_are_known_with_their_descriptions(store: Store) -> None:
    assert await store.published() == {}
    station: dict[str, Any] = {"name": "Station", "operations": ["record", "mean"], "form": "class"}
    await store.publish({"station": station, "empty": {}}, 60_000)
    await store.publish({"alarm": {"name": "Alarm"}}, 60_000)
    await store.publish({}, 60_000)
    assert await store.published() == {"station": station, "empty": {}, "alarm": {"name": "Alarm"}}
    await store.publish({"station": {"name": "STATION"}}, 60_000)
    assert (await store.published())["station"] == {"name": "STATION"}


@pytest.mark.hazard(25)
async def test_names_are_forgotten_some_time_after_they_were_last_published(twin: Twin) -> None:
    """HAZARDS 25."""
    await twin.store.publish({"old": {}, "kept": {}}, 1)
    await twin.store.publish({"kept": {}}, 600_000)
    await twin.pass_ms(2)
    assert await twin.store.published() == {"kept": {}}


async def test_a_wish_is_there_until_another_is_said_or_its_time_is_over(twin: Twin) -> None:
    """HAZARDS 25: nothing that is said of workers stays for ever."""
    store = twin.store
    assert await store.wishes() == {}
    await store.wish("a", b"1", 50)
    await store.wish("b", b"\x00\xff", 600_000)
    await store.wish("b", b"2", 600_000)
    assert await store.wishes() == {"a": b"1", "b": b"2"}
    await twin.pass_ms(60)
    assert await store.wishes() == {"b": b"2"}
