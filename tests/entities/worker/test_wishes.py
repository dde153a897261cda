"""What is wanted of workers: whom it concerns, and how long it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from stead.app import App, Settings
from stead.entities import Entity
from stead.entities._worker.said import Said
from stead.entities._worker.wishes import drained_now, is_drained, want_drained, worker_of
from stead.transport import InvalidInput, LeftOut, WorkerView


def views(*names: str) -> list[WorkerView]:
    return [WorkerView(name, 0, {}) for name in names]


def test_what_is_said_of_a_worker_counts_until_something_else_is_said() -> None:
    assert not drained_now({}, "a", before=False)
    assert drained_now({}, "a", before=True)
    assert drained_now({"drain/a": b"yes"}, "a", before=False)
    assert not drained_now({"drain/a": b"no"}, "a", before=True)
    assert not drained_now({"drain/b": b"yes"}, "a", before=False)
    assert drained_now({"drain/a": b"of a later version"}, "a", before=True)


def test_a_worker_is_found_by_its_name_or_a_part_that_no_other_has() -> None:
    found = views("box-1-aa", "box-1-aab", "hut-2-cc")
    assert worker_of(found, "box-1-aa").worker == "box-1-aa"
    assert worker_of(found, "2-c").worker == "hut-2-cc"
    with pytest.raises(InvalidInput, match=r"several .*: box-1-aa, box-1-aab$"):
        worker_of(found, "box")
    for name in ("", "nobody"):
        with pytest.raises(InvalidInput, match=r"no worker of that name lives: .*hut"):
            worker_of(found, name)
    with pytest.raises(InvalidInput, match="none"):
        worker_of([], "a")


def test_nobody_counts_on_a_drained_worker_and_nothing_is_wrong_with_it() -> None:
    left_out = LeftOut()
    view = WorkerView("a", 0, {"kinds": {"station": {}}, "waiting": "drained"})
    assert is_drained(view.info)
    assert Said.of(view, left_out) is None
    assert left_out.counts() == {}


async def test_in_memory() -> None:
    """A drained worker holds nothing until it is told to work, long after the wish itself is forgotten."""
    app = App("drained", settings=Settings(partitions=4, slot_groups=2, heartbeat_ms=20))

    @app.entity
    class Station(Entity):
        count: int = 0

        def record(self) -> int:
            self.count += 1
            return self.count

    async with app.connect("memory://") as client, app.worker("memory://") as run:
        assert await client.call_entity(Station.record, "oslo") == 1
        store, name = client.store, run.name

        async def until(wanted: Callable[[WorkerView], bool]) -> None:
            while not wanted(worker_of(await store.workers(), name)):
                await asyncio.sleep(0.01)

        await want_drained(store, name, drained=True)
        await until(lambda view: is_drained(view.info) and view.info["partitions"] == 0)
        assert worker_of(await store.workers(), name).info["kinds"] == {}
        await store.wish(f"drain/{name}", b"yes", 1)
        while await store.wishes():
            await asyncio.sleep(0.01)
        await client.signal_entity(Station.record, "oslo")
        beat_ms = worker_of(await store.workers(), name).beat_ms
        await until(lambda view: view.beat_ms > beat_ms and view.info["partitions"] == 0)
        await want_drained(store, name, drained=False)
        await until(lambda view: view.info["partitions"] == 4)
        assert await client.call_entity(Station.record, "oslo") == 3
