"""Numbers of shards that another program has written to."""

from __future__ import annotations

import pytest

from stead.transport import KeyDamaged, Settings, ShardCount
from stead.transport._redis.keys import hub_key
from stead.transport._redis.scripts import command
from stead.transport._redis.store import RedisStore
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.hazard(111)


@pytest.mark.parametrize(
    "garbage", [b"", b"16", b"16 8 0", b"x y z w", b"4 8 0 8", b"0 0 0 0", b"2000 1 0 1", b"\xff", b"8 8 0 8 8"]
)
async def test_one_kinds_number_that_cannot_be_read_is_that_kinds_trouble(server: ValkeyServer, garbage: bytes) -> None:
    store = await RedisStore.open(server.url, "garbage", Settings(partitions=2))
    try:
        await store.raise_shards({"good": 4})
        await store._queries.one(command("HSET", hub_key("garbage"), b"shards:bad", garbage))
        assert await store.shards() == {"good": ShardCount(4, 4, 0, 4)}
        assert store.left_out.counts() == {"shards": 1}
        if garbage not in (b"4 8 0 8", b"0 0 0 0", b"2000 1 0 1"):
            with pytest.raises(KeyDamaged, match="has no number of shards in its field shards:bad"):
                await store.raise_shards({"bad": 8})
        assert (await store.raise_shards({"good": 8}))["good"].total == 8
    finally:
        await store._queries.one(command("DEL", hub_key("garbage")))
        await store.close()
