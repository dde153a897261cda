"""What a hub says of itself."""

from __future__ import annotations

import pytest

from stead.transport import Store, Timer
from support.redis_steps import batch, commit, put, take

pytestmark = pytest.mark.anyio


async def test_the_layout_is_that_of_the_settings(store: Store) -> None:
    layout = store.layout
    assert (layout.name, layout.partitions, layout.slot_groups, layout.mode) == ("contract", 4, 2, "direct")
    assert layout.hub_id
    assert abs(store.clock.now_ms() - layout.created_ms) < 60_000


async def test_info_counts_everything_partition_by_partition(store: Store) -> None:
    ids = await put(store, [b"a", b"b", b"c"], 2)
    owner = await take(store, 2)
    await store.park(2, b"token", "@e@k", ids[1:])
    effects = commit(
        owner,
        b"one",
        states=[("@e@k", b"s"), ("@e@l", b"s")],
        created=["@e@k", "@e@l"],
        timers=[Timer(b"1", 2_000_000_000_000, b"x")],
        dead=[b"d"],
        blocked=[("@e@k", "why")],
    )
    await store.commit([effects], store.generation)
    info = await store.info()
    assert [place.lease.partition for place in info] == [0, 1, 2, 3]
    place = info[2]
    assert (place.backlog, place.parked, place.parked_targets, place.blocked) == (1, 2, 1, {"@e@k": "why"})
    assert place.parks == {"@e@k": 2}
    assert (place.entities, place.timers, place.dead, place.dead_trimmed) == (2, 1, 1, 0)
    assert place.lease == (await store.read_leases())[1][2]
    empty = info[0]
    assert (empty.backlog, empty.parked, empty.blocked, empty.entities, empty.timers, empty.dead) == (0, 0, {}, 0, 0, 0)


async def test_info_tells_whose_the_parked_messages_are(store: Store) -> None:
    ids = await put(store, [bytes([number]) for number in range(10)], 1)
    await take(store, 1)
    await store.park(1, b"token", "@e@slow", ids[:6])
    await store.park(1, b"token", "@e@é", ids[6:9])
    info = await store.info()
    assert [place.parks for place in info] == [{}, {"@e@slow": 6, "@e@é": 3}, {}, {}]


async def test_the_facts_name_the_server(store: Store) -> None:
    facts = await store.refresh_facts()
    assert facts.version
    assert facts.run_id
    assert facts.maxmemory_policy == "noeviction"
    assert not facts.cluster
    assert store.generation >= 0


async def test_the_clock_is_the_server_s(store: Store) -> None:
    now_ms, _ = await store.read_leases()
    assert abs(store.clock.now_ms() - now_ms) < 1_000
    await store.enqueue([batch([b"a"])])
    [(_, entries)] = await store.read_inboxes({0: b"0"}, 1, 0)
    assert abs(int(entries[0][0].partition(b"-")[0]) - now_ms) < 1_000
