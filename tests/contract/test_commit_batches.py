"""One step for the commits of several partitions: each has its own verdict, and a component is written as one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stead.transport import (
    Commit,
    CommitAnswer,
    CommitVerdict,
    KeyDamaged,
    Reply,
    SentStart,
    Store,
    Task,
    Timer,
    Verdict,
)
from support.redis_steps import batch, commit, payloads, put, reservations, take
from support.store_twins import Twin

pytestmark = pytest.mark.anyio

APPLIED, ALREADY, FENCED = CommitVerdict.APPLIED, CommitVerdict.ALREADY, CommitVerdict.FENCED
TORN, VOID = CommitVerdict.TORN, CommitVerdict.VOID

TARGET = "@station@oslo"
RECEIVER = 3
BY_THEMSELVES = ("applied", "already", "lost", "lost since", "torn", "damaged")
PAIRS = list(itertools.product(BY_THEMSELVES, repeat=2))


async def in_condition(twin: Twin, partition: int, condition: str, component: int) -> Commit:
    """A commit to which the store, as it is then, has this to say."""
    store = twin.store
    owner = await take(store, partition)
    [first] = await put(store, [b"message"], partition)
    made = commit(
        owner,
        b"batch",
        consumed=[first],
        states=[(TARGET, b"state")],
        created=[TARGET],
        sends=[(RECEIVER, b"from %d" % partition)],
        replies=[Reply(0, "client", b"to %d" % partition)],
        dead=[b"letter"],
        timers=[Timer(b"timer", 1, b"later")],
        tasks=[Task(b"task %d" % partition, "q", shared=True, payload=b"task")],
        component=component,
    )
    match condition:
        case "already" | "lost since":
            assert await store.commit([made], store.generation) == [APPLIED]
            if condition == "lost since":
                other = await take(store, partition, b"other", b"token")
                assert await store.commit([commit(other, b"its own")], store.generation) == [APPLIED]
        case "lost":
            await take(store, partition, b"other", b"token")
        case "torn":
            twin.tear(partition)
        case "damaged":
            twin.damage(partition)
        case _:
            assert condition == "applied"
    return made


EXPECTED = {"applied": APPLIED, "already": ALREADY, "lost": FENCED, "lost since": FENCED, "torn": TORN}


def plain(answer: CommitAnswer) -> Any:
    """An answer to compare."""
    return (answer.partition, answer.step) if isinstance(answer, KeyDamaged) else answer


def alone(partition: int, condition: str) -> Any:
    return (partition, partition) if condition == "damaged" else EXPECTED[condition]


async def everything_in(twin: Twin) -> tuple[Any, ...]:
    """All that is readable of a hub, inboxes that are damaged apart."""
    store = twin.store
    found: list[Any] = []
    for place in range(4):
        try:
            found.append(await payloads(store, place))
        except KeyDamaged:
            found.append("damaged")
    info = await store.info() if "damaged" not in found else []
    return (
        found,
        [(place.entities, place.timers, place.dead, place.tasks, place.lease.quarantined) for place in info],
        [await store.read_records(place, [TARGET]) for place in range(4)],
        [payload for _, payload in await store.read_replies(0, "client", b"0", 0)],
    )


@pytest.mark.hazard(31)
@pytest.mark.hazard(34)
@pytest.mark.parametrize("conditions", PAIRS, ids=" beside ".join)
async def test_members_that_are_not_linked_do_not_touch_each_other(twin: Twin, conditions: tuple[str, str]) -> None:
    commits = [await in_condition(twin, place, condition, 0) for place, condition in enumerate(conditions)]
    answers = await twin.store.commit(commits, twin.store.generation)
    assert [plain(answer) for answer in answers] == [alone(*each) for each in enumerate(conditions)]
    there = [
        b"from %d" % place for place, each in enumerate(conditions) if each in ("applied", "already", "lost since")
    ]
    assert sorted(await payloads(twin.store, RECEIVER)) == there
    records = [await twin.store.read_records(place, [TARGET]) for place in range(2)]
    assert [record == [b"state"] for record in records] == [b"from %d" % place in there for place in range(2)]


@pytest.mark.hazard(32)
@pytest.mark.hazard(34)
@pytest.mark.parametrize("conditions", PAIRS, ids=" beside ".join)
async def test_members_that_are_linked_are_written_together_or_not_at_all(
    twin: Twin, conditions: tuple[str, str]
) -> None:
    """And a third, which is not linked to them, is written whatever becomes of them."""
    commits = [await in_condition(twin, place, condition, 7) for place, condition in enumerate(conditions)]
    free = await in_condition(twin, 2, "applied", 0)
    before = await everything_in(twin)
    answers = await twin.store.commit([commits[0], free, commits[1]], twin.store.generation)
    assert answers.pop(1) is APPLIED
    expected = [alone(*each) for each in enumerate(conditions)]
    if set(conditions) == {"applied", "already"}:  # which no history can bring about
        expected = [TORN if each is APPLIED else each for each in expected]
    elif set(conditions) != {"applied"}:
        expected = [VOID if each is APPLIED else each for each in expected]
    assert [plain(answer) for answer in answers] == expected
    after = await everything_in(twin)
    written = {b"from 2"} | ({b"from 0", b"from 1"} if set(conditions) == {"applied"} else set[bytes]())
    assert set(after[0][RECEIVER]) - set(before[0][RECEIVER]) == written
    for place in range(2):
        if set(conditions) != {"applied"}:
            assert after[2][place] == before[2][place]
        else:
            assert after[2][place] == [b"state"]


@pytest.mark.hazard(34)
async def test_what_was_applied_without_its_component_leaves_the_rest_in_quarantine(twin: Twin) -> None:
    commits = [await in_condition(twin, place, each, 1) for place, each in enumerate(("already", "applied"))]
    assert await twin.store.commit(commits, twin.store.generation) == [ALREADY, TORN]
    _, leases = await twin.store.read_leases()
    assert [lease.quarantined for lease in leases] == [False, True, False, False]
    assert await twin.store.commit(commits, twin.store.generation) == [ALREADY, TORN]


@pytest.mark.hazard(33)
async def test_a_batch_sent_again_as_it_was_is_known_member_by_member(store: Store) -> None:
    """Its answer was lost; meanwhile one partition was lost, and its new owner has committed."""
    owners = [await take(store, place) for place in range(3)]
    sent = [commit(owner, b"batch", sends=[(RECEIVER, b"%d" % owner.partition)], component=1) for owner in owners[:2]]
    sent.append(commit(owners[2], b"batch", sends=[(RECEIVER, b"2")]))
    assert await store.commit(sent, store.generation) == [APPLIED] * 3
    other = await take(store, 0, b"other", b"token")
    assert await store.commit([commit(other, b"its own")], store.generation) == [APPLIED]
    assert await store.commit(sent, store.generation) == [FENCED, ALREADY, ALREADY]
    assert await payloads(store, RECEIVER) == [b"0", b"1", b"2"]
    following = [commit(owner, b"next", b"batch") for owner in owners]
    assert await store.commit(following, store.generation) == [FENCED, APPLIED, APPLIED]
    assert await store.commit(sent, store.generation) == [FENCED] * 3


@pytest.mark.hazard(33)
async def test_a_member_sent_again_under_another_id_would_be_refused(store: Store) -> None:
    """Why a batch is never made anew: what it did is known by its ID alone."""
    owners = [await take(store, place) for place in range(2)]
    sent = [commit(owner, b"batch", component=1) for owner in owners]
    assert await store.commit(sent, store.generation) == [APPLIED] * 2
    assert await store.commit([commit(owners[1], b"anew")], store.generation) == [FENCED]


@pytest.mark.parametrize("components", [(0, 0), (1, 1)])
async def test_a_handover_between_turn_and_commit_fences_that_member(store: Store, components: tuple[int, int]) -> None:
    owners = [await take(store, place) for place in range(2)]
    ids = await put(store, [b"message"])
    sent = [
        commit(owner, b"batch", consumed=ids[: 1 - place], states=[(TARGET, b"x")], component=component)
        for place, (owner, component) in enumerate(zip(owners, components, strict=True))
    ]
    assert await store.release(0, b"token")
    await take(store, 0, b"next")
    linked = any(components)
    assert await store.commit(sent, store.generation) == [FENCED, VOID if linked else APPLIED]
    assert await payloads(store) == [b"message"]
    assert await store.read_records(1, [TARGET]) == [None if linked else b"x"]


@pytest.mark.hazard(39)
async def test_a_batch_is_written_although_memory_is_full(twin: Twin) -> None:
    store = twin.store
    owners = [await take(store, place) for place in range(3)]
    await take(store, 2, b"other", b"token")
    sent = [
        commit(owner, b"batch", states=[(TARGET, b"x" * 1_000)], sends=[(RECEIVER, b"m")], component=place // 2)
        for place, owner in enumerate(owners)
    ]
    with twin.full():
        assert await store.commit(sent, store.generation) == [APPLIED, APPLIED, FENCED]
        refused = await store.enqueue([batch([b"new"])])
    assert [result.verdict for result in refused] == [Verdict.FULL]
    assert await payloads(store, RECEIVER) == [b"m", b"m"]


@pytest.mark.hazard(35)
@pytest.mark.parametrize("sender_first", [True, False])
@pytest.mark.parametrize("component", [0, 1])
async def test_a_reservation_that_ends_makes_room_for_one_of_the_same_batch(
    store: Store, sender_first: bool, component: int
) -> None:
    """Whichever member comes first."""
    sender, owner = [await take(store, place) for place in range(2)]
    await store.commit([commit(sender, b"1", starts=[SentStart(1, "i", b"old", b"old")])], store.generation)
    [old] = [entry for _, entries in await store.read_inboxes({1: b"0"}, 10, 0) for entry in entries]
    members = [
        commit(sender, b"2", b"1", starts=[SentStart(1, "i", b"new", b"new")], component=component),
        commit(owner, b"2", consumed=[old[0]], started=[("i", b"old")], component=component),
    ]
    batch = members if sender_first else members[::-1]
    assert await store.commit(batch, store.generation) == [APPLIED] * 2
    assert await reservations(store, 1, ["i"]) == [b"new"]
    assert await payloads(store, 1) == [b"new"]
    assert [found async for page in store.list_instances("", 10) for found, _ in page] == ["i"]


@pytest.mark.hazard(35)
async def test_an_instance_is_listed_by_what_the_whole_batch_leaves(store: Store) -> None:
    """Its record goes, and a start for it comes, in one batch."""
    sender, owner = [await take(store, place) for place in range(2)]
    made = commit(owner, b"1", states=[("i", b"\x01")], created=["i"])
    await store.commit([made], store.generation)
    members = [
        commit(owner, b"2", b"1", deleted=["i"]),
        commit(sender, b"2", starts=[SentStart(1, "i", b"new", b"new")]),
    ]
    assert await store.commit(members, store.generation) == [APPLIED] * 2
    assert [found async for page in store.list_instances("", 10) for found, _ in page] == ["i"]


@pytest.mark.hazard(36)
async def test_messages_of_a_batch_to_one_inbox_are_there_in_the_order_of_its_members(store: Store) -> None:
    owners = [await take(store, place) for place in range(3)]
    sends = [[(3, b"1"), (0, b"x"), (3, b"2")], [(3, b"3")], [(0, b"y"), (3, b"4")]]
    members = [
        commit(owner, b"batch", sends=each, replies=[Reply(0, "client", b"%d" % place)])
        for place, (owner, each) in enumerate(zip(owners, sends, strict=True))
    ]
    assert await store.commit(members, store.generation) == [APPLIED] * 3
    assert await payloads(store, 3) == [b"1", b"2", b"3", b"4"]
    assert await payloads(store, 0) == [b"x", b"y"]
    assert [payload for _, payload in await store.read_replies(0, "client", b"0", 0)] == [b"0", b"1", b"2"]


@pytest.mark.hazard(36)
@pytest.mark.hazard(68)
@pytest.mark.parametrize("turned", [False, True])
async def test_messages_of_a_component_are_there_in_the_order_in_which_they_were_sent(
    store: Store, turned: bool
) -> None:
    """Whichever member comes first in the batch, and starts among them: what was caused comes after its cause."""
    owners = [await take(store, place) for place in range(2)]
    members = [
        commit(owners[0], b"batch", sends=[(3, b"1"), (3, b"4"), (3, b"5")], component=1, stamps=[0, 2, 4]),
        commit(
            owners[1],
            b"batch",
            sends=[(3, b"2"), (0, b"x"), (3, b"6")],
            starts=[SentStart(3, "i", b"start", b"3", place=1, stamp=1)],
            component=1,
            stamps=[1, 3, 5],
        ),
        commit(await take(store, 2), b"batch", sends=[(0, b"y")]),
    ]
    batch = members[::-1] if turned else members
    assert await store.commit(batch, store.generation) == [APPLIED] * 3
    assert await payloads(store, 3) == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert sorted(await payloads(store, 0)) == [b"x", b"y"]
    assert await reservations(store, 3, ["i"]) == [b"3"]


async def test_damage_where_two_members_send_to_is_told_to_both_and_to_no_other(twin: Twin) -> None:
    store = twin.store
    owners = [await take(store, place) for place in range(3)]
    twin.damage(RECEIVER)
    sends = [[(RECEIVER, b"a"), (0, b"b")], [(0, b"c")], [(0, b"d"), (RECEIVER, b"e")]]
    sent = [commit(owner, b"batch", sends=each) for owner, each in zip(owners, sends, strict=True)]
    answers = await store.commit(sent, store.generation)
    assert [plain(answer) for answer in answers] == [(RECEIVER, 0), APPLIED, (RECEIVER, 2)]
    assert await payloads(store) == [b"c"]
    twin.mend(RECEIVER)
    assert await store.commit(sent, store.generation) == [APPLIED, ALREADY, APPLIED]
    assert await payloads(store) == [b"c", b"b", b"d"]
    assert await payloads(store, RECEIVER) == [b"a", b"e"]


@pytest.mark.hazard(38)
async def test_a_partition_is_in_a_batch_once_and_a_batch_has_one_id(store: Store) -> None:
    owners = [await take(store, place) for place in range(2)]
    with pytest.raises(AssertionError, match="in a batch once"):
        await store.commit([commit(owners[0], b"one"), commit(owners[0], b"one")], store.generation)
    with pytest.raises(AssertionError, match="one ID"):
        await store.commit([commit(owners[0], b"one"), commit(owners[1], b"two")], store.generation)
