"""HAZARDS 3: a message is accepted once, however often its batch is sent, and never on top of a loss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stead.transport import Batch, EnqueueResult, KeyDamaged, Reuse, SourceSuperseded, Start, Store, Verdict
from support.redis_steps import batch, commit, payloads, put, take
from support.store_twins import Twin

pytestmark = pytest.mark.anyio


async def verdicts(store: Store, *batches: Batch) -> list[Verdict]:
    return [result.verdict for result in await store.enqueue(batches)]


async def test_the_messages_of_a_chain_of_batches_enter_in_order(store: Store) -> None:
    assert await verdicts(store, batch([b"a", b"b"]), batch([b"c"], previous=1)) == [Verdict.ACCEPTED] * 2
    assert await verdicts(store, batch([b"d"], previous=2)) == [Verdict.ACCEPTED]
    assert await payloads(store) == [b"a", b"b", b"c", b"d"]


async def test_nothing_to_enqueue_is_no_error(store: Store) -> None:
    assert await store.enqueue([]) == []


@pytest.mark.hazard(3)
async def test_a_batch_whose_answer_was_lost_is_a_duplicate_when_sent_again(store: Store) -> None:
    await store.enqueue([batch([b"a", b"b"])])
    assert await store.enqueue([batch([b"a", b"b"])]) == [EnqueueResult(Verdict.DUPLICATE, 1)]
    assert await payloads(store) == [b"a", b"b"]


async def test_an_old_batch_sent_late_is_a_duplicate_too(store: Store) -> None:
    await store.enqueue([batch([b"a"]), batch([b"b"], previous=0)])
    assert await verdicts(store, batch([b"a"])) == [Verdict.DUPLICATE]
    assert await payloads(store) == [b"a", b"b"]


async def test_a_batch_that_does_not_follow_is_a_gap_and_names_what_the_store_has(store: Store) -> None:
    assert await store.enqueue([batch([b"x"], previous=4)]) == [EnqueueResult(Verdict.GAP, -1)]
    await store.enqueue([batch([b"a", b"b"])])
    assert await store.enqueue([batch([b"x"], previous=4)]) == [EnqueueResult(Verdict.GAP, 1)]
    assert await payloads(store) == [b"a", b"b"]


async def test_a_batch_that_overlaps_what_was_accepted_is_a_gap(store: Store) -> None:
    await store.enqueue([batch([b"a", b"b"])])
    assert await store.enqueue([batch([b"b", b"c"], previous=0)]) == [EnqueueResult(Verdict.GAP, 1)]
    assert await payloads(store) == [b"a", b"b"]


@pytest.mark.hazard(3)
async def test_the_successor_of_a_refused_batch_is_refused_so_that_none_is_lost_in_between(store: Store) -> None:
    answers = await verdicts(
        store,
        batch([b"a"], backlog_max=2),
        batch([b"b", b"c"], previous=0, backlog_max=2),
        batch([b"d"], previous=2, backlog_max=9),
    )
    assert answers == [Verdict.ACCEPTED, Verdict.BACKLOG, Verdict.GAP]
    assert await payloads(store) == [b"a"]


@pytest.mark.invariant(9)
async def test_a_full_partition_says_how_many_messages_wait(store: Store) -> None:
    await put(store, [b"a", b"b"])
    assert await store.enqueue([batch([b"c"], backlog_max=2)]) == [EnqueueResult(Verdict.BACKLOG, 2)]
    assert await verdicts(store, batch([b"c"], backlog_max=3)) == [Verdict.ACCEPTED]


async def test_parked_messages_count_as_backlog(store: Store) -> None:
    """Invariant 9: parking moves messages, it does not make room for ever more of them."""
    ids = await put(store, [b"a", b"b"])
    await take(store)
    await store.park(0, b"token", "@e@k", ids)
    assert await store.enqueue([batch([b"c"], backlog_max=2)]) == [EnqueueResult(Verdict.BACKLOG, 2)]


async def test_a_duplicate_is_known_as_such_even_when_the_partition_is_full(store: Store) -> None:
    """Else a signal that was accepted would be reported as refused."""
    first = batch([b"a", b"b"], backlog_max=2)
    assert await verdicts(store, first, first) == [Verdict.ACCEPTED, Verdict.DUPLICATE]


async def test_room_comes_back_when_messages_are_consumed(store: Store) -> None:
    ids = await put(store, [b"a", b"b"])
    owner = await take(store)
    await store.commit([commit(owner, consumed=ids)], store.generation)
    assert await verdicts(store, batch([b"c"], backlog_max=1)) == [Verdict.ACCEPTED]


async def test_sessions_and_partitions_are_apart(store: Store) -> None:
    answers = await verdicts(
        store, batch([b"a"]), batch([b"b"], session="other"), batch([b"c"], partition=1), batch([b"a"])
    )
    assert answers == [Verdict.ACCEPTED] * 3 + [Verdict.DUPLICATE]
    assert (await payloads(store, 0), await payloads(store, 1)) == ([b"a", b"b"], [b"c"])


@pytest.mark.parametrize("payload", [b"", b"\x00", bytes(range(256)), b"x" * 100_000])
async def test_any_bytes_may_be_a_message(store: Store, payload: bytes) -> None:
    await put(store, [payload, payload])
    assert await payloads(store) == [payload, payload]


async def test_sequence_numbers_may_be_large_and_sparse(store: Store) -> None:
    large = 2**62
    first = batch([b"a"], session="source:s", last=large)
    second = batch([b"b"], session="source:s", previous=large, last=large + 1)
    assert await verdicts(store, first, second, second) == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.DUPLICATE]
    assert await store.open_source(0, "s", 0, 60_000) == large + 1


@pytest.mark.hazard(25)
async def test_a_session_is_forgotten_some_time_after_its_last_use(twin: Twin) -> None:
    """HAZARDS 3, 25: a session's record has a time to live, and a use, even a doubled one, prolongs it."""
    short = Batch(0, "short", 0, -1, 0, [b"a"], 100, keep_ms=150_000)
    assert await verdicts(twin.store, short) == [Verdict.ACCEPTED]
    await twin.age_ms(100_000)
    assert await verdicts(twin.store, short) == [Verdict.DUPLICATE]
    await twin.age_ms(100_000)
    assert await verdicts(twin.store, short) == [Verdict.DUPLICATE]
    await twin.age_ms(160_000)
    assert await verdicts(twin.store, short) == [Verdict.ACCEPTED]


# -- sources -----------------------------------------------------------------------------------------------------------


async def test_a_source_never_seen_has_accepted_nothing(store: Store) -> None:
    assert await store.open_source(0, "gateway", 1, 60_000) == -1


async def test_a_source_opened_again_learns_what_was_accepted(store: Store) -> None:
    assert await store.open_source(0, "gateway", 1, 60_000) == -1
    await store.enqueue([batch([b"a"], session="source:gateway", incarnation=1, last=0)])
    assert await store.open_source(0, "gateway", 1, 60_000) == 0
    assert await store.open_source(0, "gateway", 2, 60_000) == 0
    assert await store.open_source(1, "gateway", 2, 60_000) == -1


async def test_a_producer_of_a_source_that_was_opened_again_can_send_no_more(store: Store) -> None:
    await store.open_source(0, "gateway", 1, 60_000)
    await store.open_source(0, "gateway", 2, 60_000)
    late = batch([b"late"], session="source:gateway", incarnation=1)
    assert await store.enqueue([late]) == [EnqueueResult(Verdict.SUPERSEDED, 2)]
    with pytest.raises(SourceSuperseded):
        await store.open_source(0, "gateway", 1, 60_000)
    assert await verdicts(store, batch([b"a"], session="source:gateway", incarnation=2)) == [Verdict.ACCEPTED]
    assert await payloads(store) == [b"a"]


async def test_a_source_is_forgotten_after_the_time_asked_for(twin: Twin) -> None:
    await twin.store.open_source(0, "gateway", 7, 60)
    await twin.pass_ms(70)
    assert await twin.store.open_source(0, "gateway", 1, 60_000) == -1


# -- a full server -------------------------------------------------------------------------------------------------------


async def test_a_full_server_takes_only_what_frees_memory_and_in_the_one_chain_of_its_session(twin: Twin) -> None:
    store = twin.store
    assert await verdicts(store, batch([b"a"])) == [Verdict.ACCEPTED]
    freeing = batch([b"b", b"c"], previous=0, freeing=True)
    with twin.full():
        assert await verdicts(store, batch([b"x"], previous=0)) == [Verdict.FULL]
        assert await verdicts(store, freeing) == [Verdict.ACCEPTED]
        assert await store.enqueue([freeing]) == [EnqueueResult(Verdict.DUPLICATE, 2)]
        assert await store.enqueue([batch([b"y"], previous=0, freeing=True)]) == [EnqueueResult(Verdict.DUPLICATE, 2)]
        assert await store.enqueue([batch([b"y"], previous=3, freeing=True)]) == [EnqueueResult(Verdict.GAP, 2)]
        assert await verdicts(store, batch([b"y"], previous=2, backlog_max=3, freeing=True)) == [Verdict.BACKLOG]
    assert await verdicts(store, batch([b"d"], previous=2), batch([b"e"], previous=3, freeing=True)) == (
        [Verdict.ACCEPTED] * 2
    )
    assert await payloads(store) == [b"a", b"b", b"c", b"d", b"e"]


async def test_batches_of_both_sorts_go_in_one_request(twin: Twin) -> None:
    batches = [batch([b"%d" % place], partition=place, freeing=place % 2 == 1) for place in range(4)]
    with twin.full():
        answers = await verdicts(twin.store, *batches)
    assert answers == [Verdict.FULL, Verdict.ACCEPTED] * 2
    assert [await payloads(twin.store, place) for place in range(4)] == [[], [b"1"], [], [b"3"]]


async def test_a_batch_of_nothing_asks_what_the_store_still_has(store: Store) -> None:
    """A sender that hears of a gap asks so for the partitions to which nothing is on its way."""

    async def ask(last: int) -> EnqueueResult:
        [result] = await store.enqueue([batch([], previous=last, last=last, freeing=True)])
        return result

    assert (await ask(1)).verdict is Verdict.GAP
    await store.enqueue([batch([b"a", b"b"])])
    assert (await ask(1)).verdict is Verdict.DUPLICATE
    assert await ask(5) == EnqueueResult(Verdict.GAP, 1)
    assert await payloads(store) == [b"a", b"b"]
    [result] = await store.enqueue([batch([b"c"], previous=1)])
    assert result.verdict is Verdict.ACCEPTED


# -- batches of several partitions ---------------------------------------------------------------------------------------


@pytest.mark.hazard(40)
async def test_what_becomes_of_one_batch_is_nothing_to_those_of_other_partitions(twin: Twin) -> None:
    store = twin.store
    await put(store, [b"there"], 2)
    twin.damage(3)
    batches = [
        batch([b"a", b"b"], partition=0),
        batch([b"gap"], partition=1, previous=4),
        batch([b"too many"], partition=2, backlog_max=1),
        batch([b"damaged"], partition=3),
        batch([b"another session"], partition=1, session="other"),
    ]
    results = await store.enqueue(batches)
    expected = [Verdict.ACCEPTED, Verdict.GAP, Verdict.BACKLOG, Verdict.DAMAGED, Verdict.ACCEPTED]
    assert [result.verdict for result in results] == expected
    assert isinstance(results[3].damage, KeyDamaged)
    assert (results[3].damage.partition, results[3].damage.step) == (3, 3)
    assert [await payloads(store, place) for place in range(3)] == [[b"a", b"b"], [b"another session"], [b"there"]]


@pytest.mark.hazard(40)
async def test_batches_sent_again_unchanged_are_duplicates_as_far_as_they_were_accepted(twin: Twin) -> None:
    store = twin.store
    batches = [batch([b"%d" % place], partition=place) for place in range(4)]
    twin.damage(2)
    await store.enqueue(batches)
    twin.mend(2)
    results = await store.enqueue(batches)
    duplicate = Verdict.DUPLICATE
    assert [result.verdict for result in results] == [duplicate, duplicate, Verdict.ACCEPTED, duplicate]
    assert [await payloads(store, place) for place in range(4)] == [[b"%d" % place] for place in range(4)]


@pytest.mark.hazard(40)
async def test_a_full_server_refuses_ordinary_batches_and_takes_those_that_free_memory_beside_them(twin: Twin) -> None:
    store = twin.store
    batches = [batch([b"%d" % place], partition=place, freeing=place % 2 == 1) for place in range(4)]
    with twin.full():
        results = await store.enqueue(batches)
    full, accepted = Verdict.FULL, Verdict.ACCEPTED
    assert [result.verdict for result in results] == [full, accepted, full, accepted]
    assert [await payloads(store, place) for place in range(4)] == [[], [b"1"], [], [b"3"]]


@pytest.mark.hazard(40)
async def test_batches_of_one_session_are_judged_one_after_the_other(store: Store) -> None:
    batches = [
        batch([b"a"]),
        batch([b"x"], partition=1),
        batch([b"b"], previous=0, freeing=True),
        batch([b"c"], previous=1),
        batch([b"too", b"many"], previous=2, backlog_max=4),
        batch([b"d"], previous=4),
    ]
    verdicts = [result.verdict for result in await store.enqueue(batches)]
    assert verdicts == [Verdict.ACCEPTED] * 4 + [Verdict.BACKLOG, Verdict.GAP]
    assert await payloads(store) == [b"a", b"b", b"c"]


@pytest.mark.hazard(40)
async def test_starts_of_several_partitions_are_judged_each_by_its_own(store: Store) -> None:
    def starting(place: int, message_id: bytes) -> Batch:
        start = Start(0, "i", message_id, Reuse.NEVER)
        return replace(batch([message_id], partition=place, session=message_id.decode()), starts=[start])

    await store.enqueue([starting(1, b"m0")])
    results = await store.enqueue([starting(0, b"m1"), starting(1, b"m2"), starting(2, b"m3")])
    assert [result.refused for result in results] == [frozenset(), frozenset({0}), frozenset()]
    assert [await payloads(store, place) for place in range(3)] == [[b"m1"], [b"m0"], [b"m3"]]
