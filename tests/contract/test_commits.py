"""HAZARDS 1: a commit writes everything that turns have brought about, once, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stead.transport import (
    Acquired,
    Commit,
    CommitAnswer,
    CommitVerdict,
    PartitionInfo,
    Reply,
    Running,
    ServerChanged,
    Store,
    Timer,
    Unpark,
)
from support.redis_steps import commit, payloads, put, read, take
from support.store_twins import Twin

pytestmark = pytest.mark.anyio

TARGET = "@station@oslo"
OTHER = "@station@ås"


async def apply(store: Store, *commits: Commit) -> list[CommitAnswer]:
    return await store.commit(commits, store.generation)


def everything(acquired: Acquired, commit_id: bytes, previous: bytes | None = None) -> Commit:
    """A commit that touches all there is."""
    return commit(
        acquired,
        commit_id,
        previous,
        consumed=[b"1-0"],
        states=[(TARGET, b"state")],
        created=[TARGET],
        timers=[Timer(b"timer", 1, b"later")],
        sends=[(1, b"sent"), (0, b"to itself")],
        replies=[Reply(0, "client", b"answer")],
        dead=[b"letter"],
        blocked=[(OTHER, "unknown kind")],
        suspect_passed=True,
    )


async def everything_in(store: Store) -> tuple[Any, ...]:
    """All that is readable of a hub, leases apart."""
    info = await store.info()
    return (
        [(place.backlog, place.parked, place.blocked, place.entities, place.timers, place.dead) for place in info],
        [await payloads(store, partition) for partition in range(4)],
        await store.read_records(0, [TARGET, OTHER]),
        list(await store.read_replies(0, "client", b"0", 0)),
        await store.dead_letters(0, b"0", 100),
    )


async def test_a_commit_writes_all_its_effects(store: Store) -> None:
    ids = await put(store, [b"a", b"b"])
    owner = await take(store)
    whole = everything(owner, b"one")
    whole.consumed = [ids[0]]
    assert await apply(store, whole) == [CommitVerdict.APPLIED]
    assert await payloads(store, 0) == [b"b", b"to itself"]
    assert await payloads(store, 1) == [b"sent"]
    assert await store.read_records(0, [TARGET, OTHER]) == [b"state", None]
    assert [payload for _, payload in await store.read_replies(0, "client", b"0", 0)] == [b"answer"]
    assert [letter.letter for letter in await store.dead_letters(0, b"0", 10)] == [b"letter"]
    info: PartitionInfo = (await store.info())[0]
    assert (info.backlog, info.entities, info.timers, info.dead) == (2, 1, 1, 1)
    assert info.blocked == {OTHER: "unknown kind"}
    assert [page async for page in store.list_targets("", 10)] == [[(TARGET, b"state")]]


async def test_an_empty_commit_is_one_too(store: Store) -> None:
    owner = await take(store)
    assert await apply(store, commit(owner, b"one")) == [CommitVerdict.APPLIED]
    assert await apply(store, commit(owner, b"two", b"one")) == [CommitVerdict.APPLIED]
    assert await store.commit([], store.generation) == []


# -- fencing -----------------------------------------------------------------------------------------------------------


async def test_a_former_owner_s_commit_writes_nothing(store: Store) -> None:
    """HAZARDS 1: by token, whatever the epoch."""
    former = await take(store)
    await take(store, token=b"next", expected=b"token")
    before = await everything_in(store)
    assert await apply(store, everything(former, b"late")) == [CommitVerdict.FENCED]
    assert await everything_in(store) == before


@pytest.mark.hazard(1)
async def test_a_commit_after_another_history_writes_nothing(store: Store) -> None:
    """HAZARDS 1: by the previous commit's ID; after a fail-over two histories can share every number."""
    owner = await take(store)
    await apply(store, commit(owner, b"one"))
    before = await everything_in(store)
    assert await apply(store, everything(owner, b"two", b"lost")) == [CommitVerdict.FENCED]
    assert await apply(store, everything(owner, b"two", b"")) == [CommitVerdict.FENCED]
    assert await everything_in(store) == before


@pytest.mark.parametrize("state", ["never held", "released"])
async def test_nobody_commits_to_a_free_partition(store: Store, state: str) -> None:
    if state == "released":
        await take(store)
        await store.release(0, b"token")
    before = await everything_in(store)
    for token in (b"", b"token"):
        late = commit(Acquired(0, token, 1, b"", 0, None, {}, {}, 0, b"0-0", None), b"one", sends=[(1, b"x")])
        assert await apply(store, late) == [CommitVerdict.FENCED]
    assert await everything_in(store) == before


async def test_a_commit_whose_answer_was_lost_is_known_when_sent_again(store: Store) -> None:
    owner = await take(store)
    whole = everything(owner, b"one")
    assert await apply(store, whole) == [CommitVerdict.APPLIED]
    before = await everything_in(store)
    assert await apply(store, whole) == [CommitVerdict.ALREADY]
    assert await everything_in(store) == before
    assert await apply(store, commit(owner, b"two", b"one")) == [CommitVerdict.APPLIED]


async def test_only_the_last_commit_is_known_so_an_older_one_is_fenced(store: Store) -> None:
    owner = await take(store)
    await apply(store, commit(owner, b"one"))
    await apply(store, commit(owner, b"two", b"one"))
    before = await everything_in(store)
    assert await apply(store, everything(owner, b"one")) == [CommitVerdict.FENCED]
    assert await everything_in(store) == before


async def test_commits_of_one_request_are_judged_apart(store: Store) -> None:
    owners = [await take(store, partition) for partition in range(3)]
    await take(store, 1, token=b"next", expected=b"token")
    answers = await apply(store, *(commit(owner, b"one", states=[(TARGET, b"x")]) for owner in owners))
    assert answers == [CommitVerdict.APPLIED, CommitVerdict.FENCED, CommitVerdict.APPLIED]
    records = await store.load({place: [TARGET] for place in range(3)})
    assert records == {0: [(b"x", ())], 1: [(None, ())], 2: [(b"x", ())]}


async def test_a_torn_partition_takes_no_commit(twin: Twin) -> None:
    """HAZARDS 4."""
    owner = await take(twin.store)
    before = await everything_in(twin.store)
    twin.tear(0)
    assert await apply(twin.store, everything(owner, b"one")) == [CommitVerdict.TORN]
    assert await everything_in(twin.store) == before


@pytest.mark.hazard(7)
async def test_a_commit_made_for_another_server_is_not_sent(store: Store) -> None:
    """HAZARDS 2: after a restart or a fail-over nothing that was begun before counts."""
    owner = await take(store)
    with pytest.raises(ServerChanged):
        await store.commit([everything(owner, b"one")], store.generation - 1)
    assert await store.read_records(0, [TARGET]) == [None]


# -- effects, one by one -----------------------------------------------------------------------------------------------


@pytest.mark.invariant(7)
async def test_falsy_and_binary_records_are_records(store: Store) -> None:
    """Invariant 7: falsy state is state."""
    owner = await take(store)
    states = [("@e@", b""), ("@e@0", b"\x00"), ("@e@1", bytes(range(256)))]
    await apply(store, commit(owner, b"one", states=states, created=[target for target, _ in states]))
    assert await store.read_records(0, ["@e@", "@e@0", "@e@1", "@e@2"]) == [b"", b"\x00", bytes(range(256)), None]
    assert [page async for page in store.list_targets("", 10)] == [states]


async def test_a_later_record_replaces_an_earlier_one(store: Store) -> None:
    owner = await take(store)
    await apply(store, commit(owner, b"one", states=[(TARGET, b"1"), (OTHER, b"1")], created=[TARGET, OTHER]))
    await apply(store, commit(owner, b"two", b"one", states=[(TARGET, b"2")]))
    assert await store.load({0: [OTHER, TARGET]}) == {0: [(b"1", ()), (b"2", ())]}


async def test_a_deleted_target_has_neither_record_nor_place_in_the_index(store: Store) -> None:
    owner = await take(store)
    await apply(store, commit(owner, b"one", states=[(TARGET, b"1"), (OTHER, b"1")], created=[TARGET, OTHER]))
    await apply(store, commit(owner, b"two", b"one", deleted=[TARGET, "@never@was"]))
    assert await store.read_records(0, [TARGET, OTHER]) == [None, b"1"]
    assert [page async for page in store.list_targets("", 10)] == [[(OTHER, b"1")]]
    await apply(store, commit(owner, b"three", b"two", states=[(TARGET, b"2")], created=[TARGET]))
    assert [page async for page in store.list_targets("", 10)] == [[(TARGET, b"2"), (OTHER, b"1")]]


async def test_a_record_without_a_place_in_the_index_is_not_listed(store: Store) -> None:
    owner = await take(store)
    await apply(store, commit(owner, b"one", states=[(TARGET, b"1")]))
    assert await store.read_records(0, [TARGET]) == [b"1"]
    assert [page async for page in store.list_targets("", 10)] == []


@pytest.mark.invariant(4)
async def test_messages_to_each_receiver_enter_in_the_order_of_sending(store: Store) -> None:
    """Invariant 4."""
    owner = await take(store)
    sends = [(number % 3, b"%d" % number) for number in range(30)]
    await apply(store, commit(owner, b"one", sends=sends))
    await apply(store, commit(owner, b"two", b"one", sends=[(0, b"last")]))
    assert await payloads(store, 0) == [b"%d" % number for number in range(0, 30, 3)] + [b"last"]
    assert await payloads(store, 1) == [b"%d" % number for number in range(1, 30, 3)]
    assert await payloads(store, 2) == [b"%d" % number for number in range(2, 30, 3)]


@pytest.mark.parametrize("payload", [b"", b"\x00\xff", b"x" * 100_000])
async def test_any_bytes_travel_in_every_effect(store: Store, payload: bytes) -> None:
    owner = await take(store)
    await apply(
        store,
        commit(
            owner,
            b"one",
            sends=[(1, payload)],
            replies=[Reply(1, "client", payload)],
            dead=[payload],
            timers=[Timer(b"\x00\xff", 1, payload)],
        ),
    )
    assert await store.fire_timers(0, b"token", 10) == (1, None)
    assert (await payloads(store, 0), await payloads(store, 1)) == ([payload], [payload])
    assert [answer for _, answer in await store.read_replies(1, "client", b"0", 0)] == [payload]
    assert [letter.letter for letter in await store.dead_letters(0, b"0", 10)] == [payload]


@pytest.mark.hazard(5)
async def test_messages_inside_the_hub_are_never_refused(store: Store) -> None:
    """HAZARDS 5: else a cycle of full receivers stands still for ever."""
    owner = await take(store)
    await apply(store, commit(owner, b"one", sends=[(1, b"x")] * 5_000))
    assert len(await read(store, 1)) == 5_000


async def test_consuming_what_is_gone_does_no_harm(store: Store) -> None:
    ids = await put(store, [b"a", b"b"])
    owner = await take(store)
    await apply(store, commit(owner, b"one", consumed=[ids[0], ids[0], b"1-0"]))
    await apply(store, commit(owner, b"two", b"one", consumed=[ids[0]]))
    assert await payloads(store) == [b"b"]


async def test_blocked_targets_are_told_to_the_next_owner_until_unblocked(store: Store) -> None:
    owner = await take(store)
    await apply(store, commit(owner, b"one", blocked=[(TARGET, "its state"), (OTHER, "ukjent: å")]))
    second = await take(store, token=b"2", expected=b"token")
    assert second.blocked == {TARGET: "its state", OTHER: "ukjent: å"}
    assert [(await store.read_instance(0, target, 1)).blocked for target in (OTHER, "else")] == ["ukjent: å", None]
    await apply(store, commit(second, b"two", b"one", unblocked=[TARGET, "@never@was"], blocked=[(OTHER, "now this")]))
    assert (await take(store, token=b"3", expected=b"2")).blocked == {OTHER: "now this"}
    assert (await store.info())[0].blocked == {OTHER: "now this"}


EFFECTS: dict[str, Callable[[], dict[str, Any]]] = {
    "consumed": lambda: {"consumed": [b"1-0"]},
    "states": lambda: {"states": [(TARGET, b"x")], "created": [TARGET]},
    "deleted": lambda: {"deleted": [TARGET]},
    "timers": lambda: {"timers": [Timer(b"t", 1, b"x")]},
    "cancelled": lambda: {"cancelled": [b"kept"]},
    "sends": lambda: {"sends": [(0, b"x"), (2, b"x")]},
    "replies": lambda: {"replies": [Reply(0, "client", b"x")]},
    "dead": lambda: {"dead": [b"x"]},
    "unparked": lambda: {"unparked": [Unpark(OTHER, [b"1-0"], drained=True)]},
    "blocked": lambda: {"blocked": [(TARGET, "x")]},
    "unblocked": lambda: {"unblocked": [OTHER]},
    "suspect_passed": lambda: {"suspect_passed": True},
    "clear_running": lambda: {"clear_running": True},
}


@pytest.mark.parametrize("effect", EFFECTS)
async def test_no_effect_passes_the_fence(store: Store, effect: str) -> None:
    """HAZARDS 1, invariant 6, field by field."""
    ids = await put(store, [b"a", b"parked"])
    await take(store, token=b"dead")
    owner = await take(store, expected=b"dead")
    await store.park(0, b"token", OTHER, [ids[1]])
    kept = commit(
        owner,
        b"one",
        states=[(TARGET, b"s")],
        created=[TARGET],
        timers=[Timer(b"kept", 9, b"x")],
        blocked=[(OTHER, "y")],
    )
    await apply(store, kept)
    await store.mark_running(0, b"token", Running(OTHER, ids[0], 1))
    former = Acquired(0, b"former", 1, b"", 0, None, {}, {}, 0, b"0-0", None)
    effects = EFFECTS[effect]()
    for name, value in (("consumed", [ids[0]]), ("unparked", [Unpark(OTHER, [ids[1]], drained=True)])):
        if name in effects:
            effects[name] = value
    before = await everything_in(store)
    assert await apply(store, commit(former, b"late", b"one", **effects)) == [CommitVerdict.FENCED]
    assert await apply(store, commit(owner, b"late", b"not one", **effects)) == [CommitVerdict.FENCED]
    assert await everything_in(store) == before
    after = await take(store, token=b"next", expected=b"token")
    assert (after.unclean, after.running, after.parked, after.commit_id) == (
        2,
        Running(OTHER, ids[0], 1),
        {OTHER: ids[1]},
        b"one",
    )
