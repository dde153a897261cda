"""The numbers of shards in the hub's record: raised, never lowered, and used by who sends a while later."""

from __future__ import annotations

import pytest

from stead.transport import ShardCount, Store
from stead.transport._contract.shards import SHARDS_SETTLE_MS

pytestmark = pytest.mark.hazard(111)


async def test_a_kind_that_was_not_there_has_them_at_once(store: Store) -> None:
    assert await store.shards() == {}
    assert await store.raise_shards({"clicks": 16}) == {"clicks": ShardCount(16, 16, 0, 16)}
    assert await store.shards() == {"clicks": ShardCount(16, 16, 0, 16)}
    assert (await store.shards())["clicks"].sending(store.clock.now_ms()) == 16


async def test_a_kind_that_was_there_without_any_is_sent_to_as_before_for_a_while(store: Store) -> None:
    now_ms = store.clock.now_ms()
    found = (await store.raise_shards({"clicks": 4, "others": 2}, {"clicks"}))["clicks"]
    assert (found.total, found.before, found.first) == (4, 1, 1)
    assert abs(found.from_ms - now_ms - SHARDS_SETTLE_MS) < 10_000
    assert found.sending(found.from_ms - 1) == 1
    assert found.sending(found.from_ms) == 4
    assert (await store.shards())["others"].before == 2


async def test_a_number_grows_and_never_shrinks(store: Store) -> None:
    await store.raise_shards({"clicks": 4})
    assert (await store.raise_shards({"clicks": 2}))["clicks"] == ShardCount(4, 4, 0, 4)
    grown = (await store.raise_shards({"clicks": 8}, {"clicks"}))["clicks"]
    assert (grown.total, grown.before, grown.first) == (8, 4, 4)
    # Once more, before anybody has begun to use the eight: they go on with four.
    again = (await store.raise_shards({"clicks": 16}))["clicks"]
    assert (again.total, again.before, again.first) == (16, 4, 4)
    assert (await store.raise_shards({}))["clicks"] == again
