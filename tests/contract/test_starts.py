"""HAZARDS 14: a client's start is accepted and reserves its instance, or is refused, in one step and once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stead.transport import Batch, CommitVerdict, EnqueueResult, Reuse, SentStart, Start, Store, Verdict
from support.redis_steps import batch, commit, payloads, reservations, take
from support.store_twins import Twin

pytestmark = pytest.mark.anyio

RUNNING, COMPLETED, CONTINUED, FAILED, CANCELED, TERMINATED, PENDING, SUSPENDED = range(8)
FINISHED = (COMPLETED, FAILED, CANCELED, TERMINATED)


def starts(*messages: tuple[bytes, Start | None], previous: int = -1, session: str = "session") -> Batch:
    """A batch of messages, some of which are starts."""
    plain = batch([payload for payload, _ in messages], previous=previous, session=session)
    return replace(plain, starts=[start for _, start in messages if start is not None])


def start(position: int, target: str = "i", message_id: bytes = b"s", reuse: Reuse = Reuse.FINISHED) -> Start:
    return Start(position, target, message_id, reuse)


async def refused(store: Store, reuse: Reuse, target: str = "i") -> bool:
    """Whether a start is refused now."""
    before = await payloads(store)
    one = starts((b"new", start(0, target, b"new", reuse)), session=f"{target}{reuse}")
    [result] = await store.enqueue([one])
    assert result.verdict is Verdict.ACCEPTED
    was_refused = result.refused == frozenset({0})
    assert await payloads(store) == (before if was_refused else [*before, b"new"])
    return was_refused


@pytest.mark.hazard(14)
async def test_a_start_is_reserved_until_a_commit_carries_it_out(store: Store) -> None:
    both = starts((b"1", start(0, "i", b"s")), (b"2", None), (b"3", start(2, "j", b"t")))
    assert await store.enqueue([both]) == [EnqueueResult(Verdict.ACCEPTED, 2)]
    assert await payloads(store) == [b"1", b"2", b"3"]
    assert await reservations(store, 0, ["i", "j"]) == [b"1", b"3"]
    owner = await take(store)
    await store.commit([commit(owner, started=[("i", b"s"), ("j", b"another")])], store.generation)
    assert await reservations(store, 0, ["i", "j"]) == [None, b"3"]


async def test_a_refused_start_is_not_written_and_its_number_counts(store: Store) -> None:
    await store.enqueue([starts((b"1", start(0)))])
    second = starts((b"2", None), (b"3", start(1, "i", b"t")), (b"4", None), previous=0)
    assert await store.enqueue([second]) == [EnqueueResult(Verdict.ACCEPTED, 3, frozenset({1}))]
    assert await payloads(store) == [b"1", b"2", b"4"]
    assert await reservations(store, 0, ["i"]) == [b"1"]
    assert await store.enqueue([batch([b"5"], previous=3)]) == [EnqueueResult(Verdict.ACCEPTED, 4)]


async def test_the_answer_to_a_batch_sent_again_is_the_same(store: Store) -> None:
    first = starts((b"1", start(0)), (b"2", start(1, "i", b"t")), (b"3", start(2, "j")), (b"4", start(3, "j", b"t")))
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.ACCEPTED, 3, frozenset({1, 3}))]
    owner = await take(store)
    done = commit(owner, started=[("i", b"s"), ("j", b"s")])
    await store.commit([done], store.generation)
    for _ in range(2):
        assert await store.enqueue([first]) == [EnqueueResult(Verdict.DUPLICATE, 3, frozenset({1, 3}))]
    assert await payloads(store) == [b"1", b"3"]
    await store.enqueue([starts((b"5", start(0)), (b"6", start(1)), previous=3)])
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.DUPLICATE, 5)], "nobody asks for it any more"


async def test_what_was_refused_is_remembered_of_a_source_that_is_opened_again(store: Store) -> None:
    await store.open_source(0, "g", 1, 60_000)
    first = starts((b"1", start(0)), (b"2", start(1, "i", b"t")), session="source:g")
    first = replace(first, incarnation=1)
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.ACCEPTED, 1, frozenset({1}))]
    assert await store.open_source(0, "g", 1, 60_000) == 1
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.DUPLICATE, 1, frozenset({1}))]


@pytest.mark.parametrize("status", range(8))
async def test_whether_an_id_can_be_used_again_depends_on_the_record_and_the_wish(store: Store, status: int) -> None:
    owner = await take(store)
    names = ["a", "b", "c"]
    states = [(name, bytes([status]) + b"rest") for name in names]
    await store.commit([commit(owner, states=states, created=names)], store.generation)
    assert await refused(store, Reuse.NEVER, "a") is True
    assert await refused(store, Reuse.FINISHED, "b") is (status not in FINISHED)
    assert await refused(store, Reuse.ALWAYS, "c") is False
    expected = [None, b"new" if status in FINISHED else None, b"new"]
    assert await reservations(store, 0, names) == expected
    assert await store.read_records(0, names) == [record for _, record in states], "a client never writes it"


@pytest.mark.parametrize("reuse", Reuse)
async def test_an_id_that_is_reserved_is_refused_but_to_who_replaces_it(store: Store, reuse: Reuse) -> None:
    owner = await take(store)
    finished = commit(owner, b"1", states=[("i", bytes([COMPLETED]))], created=["i"])
    await store.commit([finished], store.generation)
    await store.enqueue([starts((b"old", start(0, "i", b"old")))])
    assert await refused(store, reuse) is (reuse is not Reuse.ALWAYS)
    # The commit that carries out the first start leaves the reservation of the second.
    await store.commit([commit(owner, b"2", b"1", started=[("i", b"old")])], store.generation)
    assert await reservations(store, 0, ["i"]) == [b"new" if reuse is Reuse.ALWAYS else None]


async def test_starts_of_one_batch_are_judged_one_after_the_other(store: Store) -> None:
    messages = [Reuse.NEVER, Reuse.FINISHED, Reuse.ALWAYS, Reuse.NEVER]
    whole = starts(*((b"%d" % place, start(place, "i", b"%d" % place, reuse)) for place, reuse in enumerate(messages)))
    assert await store.enqueue([whole]) == [EnqueueResult(Verdict.ACCEPTED, 3, frozenset({1, 3}))]
    assert await payloads(store) == [b"0", b"2"]
    assert await reservations(store, 0, ["i"]) == [b"2"]


async def test_a_batch_that_is_not_accepted_reserves_nothing(store: Store) -> None:
    gap = starts((b"1", start(0)), previous=4)
    full = replace(starts((b"1", start(0))), backlog_max=0)
    assert [result.verdict for result in await store.enqueue([gap, full])] == [Verdict.GAP, Verdict.BACKLOG]
    assert await reservations(store, 0, ["i"]) == [None]


async def test_many_starts_may_be_in_one_batch(twin: Twin) -> None:
    count = 3_000
    store = twin.store
    whole = starts(*((b"%d" % n, start(n, f"i{n // 2}", b"%d" % n)) for n in range(count)))
    [result] = await store.enqueue([whole])
    assert result.refused == frozenset(range(1, count, 2))
    assert (await store.enqueue([whole]))[0] == EnqueueResult(Verdict.DUPLICATE, count - 1, result.refused)
    assert await payloads(store) == [b"%d" % number for number in range(0, count, 2)]


@pytest.mark.hazard(14)
async def test_a_commit_that_carries_out_a_start_and_sends_a_new_one_of_the_same_id(store: Store) -> None:
    await store.enqueue([starts((b"1", start(0, "i", b"s")))])
    owner = await take(store)
    again = SentStart(0, "i", b"t", b"again")
    both = commit(owner, started=[("i", b"s")], starts=[again])
    assert await store.commit([both], store.generation) == [CommitVerdict.APPLIED]
    assert await reservations(store, 0, ["i"]) == [b"again"]
    assert (await payloads(store))[-1] == b"again"
    # It is reserved for the new one: carrying out the old one again frees nothing, carrying out the new one does.
    await store.commit([commit(owner, b"second", b"first", started=[("i", b"s")])], store.generation)
    assert await reservations(store, 0, ["i"]) == [b"again"]
    await store.commit([commit(owner, b"third", b"second", started=[("i", b"t")])], store.generation)
    assert await reservations(store, 0, ["i"]) == [None]
