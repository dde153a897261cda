"""HAZARDS 11: parked messages keep their stream IDs, their order, and are never forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stead.transport import Entry, Store, Unpark
from support.redis_steps import commit, payloads, put, read, take

pytestmark = pytest.mark.anyio

TARGET = "@slow@ås"
OTHER = "@slow@b"


def plain(entries: Sequence[Entry]) -> list[tuple[bytes, bytes]]:
    return [(entry[0], entry[1][1]) for entry in entries]


async def test_a_parked_message_leaves_the_inbox_and_keeps_its_id(store: Store) -> None:
    ids = await put(store, [b"a", b"b", b"c"])
    await take(store)
    assert await store.park(0, b"token", TARGET, [ids[0], ids[2]])
    assert plain(await read(store)) == [(ids[1], b"b")]
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == [(ids[0], b"a"), (ids[2], b"c")]


async def test_a_park_is_read_in_order_whatever_the_order_of_parking(store: Store) -> None:
    """The tail of a mailbox may be parked before its head is."""
    ids = await put(store, [b"%d" % number for number in range(12)])
    await take(store)
    for number in (11, 3, 10, 0, 9):
        assert await store.park(0, b"token", TARGET, [ids[number]])
    expected = [(ids[number], b"%d" % number) for number in (0, 3, 9, 10, 11)]
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == expected
    assert plain(await store.read_park(0, TARGET, ids[3], 2)) == expected[2:4]
    assert plain(await store.read_park(0, TARGET, ids[11], 10)) == []


async def test_targets_have_parks_of_their_own(store: Store) -> None:
    ids = await put(store, [b"a", b"b"])
    await take(store)
    await store.park(0, b"token", TARGET, [ids[0]])
    await store.park(0, b"token", OTHER, [ids[1]])
    assert plain(await store.read_park(0, OTHER, b"0", 10)) == [(ids[1], b"b")]
    assert plain(await store.read_park(1, TARGET, b"0", 10)) == []
    info = (await store.info())[0]
    assert (info.backlog, info.parked, info.parked_targets) == (0, 2, 2)


async def test_entries_that_are_gone_are_passed_over(store: Store) -> None:
    ids = await put(store, [b"a", b"b"])
    owner = await take(store)
    await store.commit([commit(owner, b"one", consumed=[ids[0]])], store.generation)
    assert await store.park(0, b"token", TARGET, ids)
    assert await store.park(0, b"token", TARGET, ids)
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == [(ids[1], b"b")]
    assert (await store.info())[0].parked == 1


async def test_parking_nothing_that_is_there_makes_no_park(store: Store) -> None:
    await take(store)
    assert await store.park(0, b"token", TARGET, [b"1-0"])
    assert (await store.info())[0].parked_targets == 0
    assert (await take(store, token=b"next", expected=b"token")).parked == {}


async def test_the_next_owner_learns_the_first_parked_message_of_each_target(store: Store) -> None:
    """Else a message that arrives after a hand-over would run before those that were parked."""
    ids = await put(store, [b"a", b"b", b"c"])
    await take(store)
    await store.park(0, b"token", TARGET, [ids[2]])
    await store.park(0, b"token", TARGET, [ids[1]])
    await store.park(0, b"token", OTHER, [ids[0]])
    assert (await take(store, token=b"next", expected=b"token")).parked == {TARGET: ids[1], OTHER: ids[0]}


async def test_what_was_carried_out_from_a_park_leaves_it_with_the_commit(store: Store) -> None:
    ids = await put(store, [b"a", b"b", b"c"])
    owner = await take(store)
    await store.park(0, b"token", TARGET, ids)
    first = commit(owner, b"one", unparked=[Unpark(TARGET, ids[:2], drained=False)])
    await store.commit([first], store.generation)
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == [(ids[2], b"c")]
    second = await take(store, token=b"2", expected=b"token")
    assert second.parked == {TARGET: ids[2]}
    last = commit(second, b"two", b"one", unparked=[Unpark(TARGET, ids[2:], drained=True)])
    await store.commit([last], store.generation)
    assert (await store.info())[0].parked_targets == 0
    assert (await store.info())[0].parked == 0
    assert (await take(store, token=b"3", expected=b"2")).parked == {}


async def test_a_park_found_empty_is_forgotten_by_a_commit_that_says_so(store: Store) -> None:
    owner = await take(store)
    nothing = commit(owner, b"one", unparked=[Unpark(TARGET, [], drained=True)])
    await store.commit([nothing], store.generation)
    assert (await take(store, token=b"2", expected=b"token")).parked == {}


async def test_a_park_said_to_be_drained_that_is_not_loses_nothing(store: Store) -> None:
    """Invariant 7: what is there is believed, not what was said."""
    ids = await put(store, [b"a", b"b"])
    owner = await take(store)
    await store.park(0, b"token", TARGET, ids)
    wrong = commit(owner, b"one", unparked=[Unpark(TARGET, ids[:1], drained=True)])
    await store.commit([wrong], store.generation)
    assert (await take(store, token=b"2", expected=b"token")).parked == {TARGET: ids[1]}
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == [(ids[1], b"b")]


async def test_a_park_can_be_filled_again_after_it_was_drained(store: Store) -> None:
    ids = await put(store, [b"a", b"b"])
    owner = await take(store)
    await store.park(0, b"token", TARGET, ids[1:])
    await store.commit([commit(owner, b"one", unparked=[Unpark(TARGET, ids[1:], drained=True)])], store.generation)
    assert await store.park(0, b"token", TARGET, ids[:1])
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == [(ids[0], b"a")]


async def test_only_the_owner_parks(store: Store) -> None:
    ids = await put(store, [b"a"])
    await take(store)
    assert not await store.park(0, b"another", TARGET, ids)
    assert await payloads(store) == [b"a"]


async def test_falsy_and_binary_messages_are_parked_as_they_are(store: Store) -> None:
    contents = [b"", b"\x00", b":", b"\xff:;\xff", b"same", b"same"]
    ids = await put(store, contents)
    owner = await take(store)
    await store.park(0, b"token", TARGET, ids)
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == list(zip(ids, contents, strict=True))
    await store.commit([commit(owner, b"one", unparked=[Unpark(TARGET, ids[:4], drained=False)])], store.generation)
    assert plain(await store.read_park(0, TARGET, b"0", 10)) == [(ids[4], b"same"), (ids[5], b"same")]


async def test_a_long_mailbox_is_parked_in_one_call(store: Store) -> None:
    ids = await put(store, [b"%d" % number for number in range(3_000)])
    await take(store)
    assert await store.park(0, b"token", TARGET, ids)
    assert await payloads(store) == []
    assert [entry[0] for entry in await store.read_park(0, TARGET, b"0", 9_000)] == ids
