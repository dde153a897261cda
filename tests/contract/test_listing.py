"""Listing targets: over the whole hub, by the bytes of their UTF-8 form, in pages, each exactly once."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from stead.transport import Store, partition_of
from support.redis_steps import commit, take

pytestmark = pytest.mark.anyio


async def create(store: Store, targets: Iterable[str], commit_id: bytes = b"one", previous: bytes = b"") -> None:
    """Give targets records, each in its own partition."""
    places: dict[int, list[str]] = {partition: [] for partition in range(store.layout.partitions)}
    for target in targets:
        places[partition_of(target, store.layout.partitions)].append(target)
    for partition, names in places.items():
        owner = await take(store, partition)
        states = [(target, target.encode()) for target in names]
        await store.commit([commit(owner, commit_id, previous, states=states, created=names)], store.generation)
        await store.release(partition, b"token")


async def listed(store: Store, prefix: str = "", page: int = 10) -> list[str]:
    found: list[str] = []
    async for records in store.list_targets(prefix, page):
        assert 0 < len(records) <= page
        assert all(record == target.encode() for target, record in records)
        found += [target for target, _ in records]
    return found


async def test_an_empty_hub_lists_nothing(store: Store) -> None:
    assert await listed(store) == []
    assert await listed(store, "@station@") == []


@pytest.mark.parametrize("page", [1, 2, 7, 50, 1_000])
async def test_targets_of_all_partitions_come_in_one_order(store: Store, page: int) -> None:
    targets = [f"@station@{number}" for number in range(60)]
    await create(store, targets)
    assert await listed(store, "@station@", page) == sorted(targets)


async def test_a_prefix_bounds_the_listing(store: Store) -> None:
    await create(store, ["@a@", "@a@1", "@a@10", "@a@11", "@a@2", "@ab@1", "@b@1"])
    assert await listed(store, "@a@") == ["@a@", "@a@1", "@a@10", "@a@11", "@a@2"]
    assert await listed(store, "@a@1") == ["@a@1", "@a@10", "@a@11"]
    assert await listed(store, "@a@1", 1) == ["@a@1", "@a@10", "@a@11"]
    assert await listed(store, "@c@") == []


@pytest.mark.parametrize("page", [1, 2, 100])
async def test_a_listing_goes_on_after_a_target(store: Store, page: int) -> None:
    targets = ["@a@", "@a@1", "@a@10", "@a@11", "@a@2", "@ab@1", "@b@1"]
    await create(store, targets)

    async def after(prefix: str, target: str) -> list[str]:
        return [name async for found in store.list_targets(prefix, page, target) for name, _ in found]

    assert await after("", "@a@10") == targets[3:]
    assert await after("@a@", "@a@10") == ["@a@11", "@a@2"]
    assert await after("@a@1", "@a@") == ["@a@1", "@a@10", "@a@11"]
    assert await after("@a@1", "@a@100") == ["@a@11"]
    assert await after("@a@1", "@b") == []


async def test_the_order_is_that_of_utf_8_bytes(store: Store) -> None:
    keys = [
        "Z",
        "a",
        "z",
        "å",
        "ß",
        "ø",
        "日本",
        "é",
        "e\u0301",
        "\uffff",
        "\U0001f600",
        "\U0010ffff",
        " ",
        "'",
        "[",
        "(",
    ]
    targets = [f"@e@{key}" for key in keys]
    await create(store, targets)
    assert await listed(store, "@e@", 3) == sorted(targets, key=str.encode)
    assert await listed(store, "@e@\U0001f600") == ["@e@\U0001f600"]
    assert await listed(store, "@e@\U0010ffff") == ["@e@\U0010ffff"]
    assert await listed(store, "@e@e") == ["@e@e\u0301"]


async def test_what_is_there_throughout_is_given_once_while_others_come_and_go(store: Store) -> None:
    steady = [f"@e@{number:03}" for number in range(0, 100, 2)]
    passing = [f"@e@{number:03}" for number in range(1, 100, 2)]
    await create(store, [*steady, *passing])
    found: list[str] = []
    async for records in store.list_targets("@e@", 5):
        found += [target for target, _ in records]
        if len(found) == 10:
            for partition in range(4):
                owner = await take(store, partition)
                gone = [target for target in passing if partition_of(target, 4) == partition]
                removal = commit(owner, b"two", b"one", deleted=gone)
                await store.commit([removal], store.generation)
    assert [target for target in found if target in steady] == steady
    assert len(found) == len(set(found))
    assert found == sorted(found)
    assert await listed(store, "@e@", 7) == steady
