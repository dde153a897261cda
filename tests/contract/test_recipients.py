"""HAZARDS 14: a message for an instance that has to go on is accepted, or refused, by the step that would put it into the inbox, and once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stead.transport import Batch, EnqueueResult, Recipient, Reuse, Start, Store, Verdict
from support.redis_steps import batch, commit, payloads, take
from support.store_twins import Twin

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(14)]

RUNNING, COMPLETED, CONTINUED, FAILED, CANCELED, TERMINATED, PENDING, SUSPENDED = range(8)
FINISHED = (COMPLETED, FAILED, CANCELED, TERMINATED)


def told(*messages: tuple[bytes, str | Start | None], previous: int = -1, session: str = "session") -> Batch:
    """A batch of messages: for an instance that has to go on, starts, and others."""
    plain = batch([payload for payload, _ in messages], previous=previous, session=session)
    wanted = [Recipient(place, whose) for place, (_, whose) in enumerate(messages) if isinstance(whose, str)]
    starts = [start for _, start in messages if isinstance(start, Start)]
    return replace(plain, recipients=wanted, starts=starts)


def start(position: int, target: str = "i", reuse: Reuse = Reuse.NEVER) -> Start:
    return Start(position, target, b"%d" % position, reuse)


async def have(store: Store, statuses: dict[str, int]) -> None:
    """Instances with records."""
    owner = await take(store)
    states = [(name, bytes([status]) + b"rest") for name, status in statuses.items()]
    await store.commit([commit(owner, states=states, created=list(statuses))], store.generation)


async def test_whether_a_message_is_refused_depends_on_the_record(store: Store) -> None:
    await have(store, {f"i{status}": status for status in range(8)})
    names = [*(f"i{status}" for status in range(8)), "nosuch"]
    [result] = await store.enqueue([told(*((name.encode(), name) for name in names))])
    assert result == EnqueueResult(Verdict.ACCEPTED, 8, frozenset({*FINISHED, 8}))
    assert await payloads(store) == [b"i0", b"i2", b"i6", b"i7"]


@pytest.mark.parametrize("record", [b"", b"\x08rest", b"\x92\x01"])
async def test_what_begins_with_no_status_takes_neither_messages_nor_starts(store: Store, record: bytes) -> None:
    """Whoever is refused reads the record, and hears that it cannot be read."""
    owner = await take(store)
    await store.commit([commit(owner, states=[("i", record)], created=["i"])], store.generation)
    both = told((b"1", "i"), (b"2", start(1, reuse=Reuse.FINISHED)))
    assert await store.enqueue([both]) == [EnqueueResult(Verdict.ACCEPTED, 1, frozenset({0, 1}))]


@pytest.mark.parametrize("status", [None, *range(8)])
async def test_a_start_that_waits_is_somebody_whatever_was_before(store: Store, status: int | None) -> None:
    if status is not None:
        await have(store, {"i": status})
    await store.enqueue([told((b"start", start(0, reuse=Reuse.ALWAYS)), session="another")])
    assert await store.enqueue([told((b"event", "i"))]) == [EnqueueResult(Verdict.ACCEPTED, 0)]
    assert await payloads(store) == [b"start", b"event"]


async def test_a_start_that_was_carried_out_is_what_its_record_says(store: Store) -> None:
    await store.enqueue([told((b"start", start(0)), session="another")])
    owner = await take(store)
    done = commit(owner, states=[("i", bytes([COMPLETED]))], started=[("i", b"0")])
    await store.commit([done], store.generation)
    assert await store.enqueue([told((b"event", "i"))]) == [EnqueueResult(Verdict.ACCEPTED, 0, frozenset({0}))]
    purged = commit(owner, b"second", b"first", deleted=["i"])
    await store.commit([purged], store.generation)
    assert await store.enqueue([told((b"event", "i"), previous=0)]) == [
        EnqueueResult(Verdict.ACCEPTED, 1, frozenset({0}))
    ]


async def test_messages_of_one_batch_are_judged_one_after_the_other(store: Store) -> None:
    await have(store, {"done": COMPLETED, "kept": COMPLETED})
    whole = told(
        (b"0", "i"),
        (b"1", start(1)),
        (b"2", "i"),
        (b"3", start(3)),  # it is taken by then, and what comes for it is for the first
        (b"4", "i"),
        (b"5", "done"),
        (b"6", start(6, "done", Reuse.FINISHED)),
        (b"7", "done"),
        (b"8", start(8, "kept")),
        (b"9", "kept"),
        (b"10", None),
    )
    assert await store.enqueue([whole]) == [EnqueueResult(Verdict.ACCEPTED, 10, frozenset({0, 3, 5, 8, 9}))]
    assert await payloads(store) == [b"1", b"2", b"4", b"6", b"7", b"10"]


async def test_what_comes_between_two_starts_is_for_the_first(store: Store) -> None:
    always = [start(place, reuse=Reuse.ALWAYS) for place in (0, 2)]
    whole = told((b"0", always[0]), (b"1", "i"), (b"2", always[1]), (b"3", "i"))
    assert await store.enqueue([whole]) == [EnqueueResult(Verdict.ACCEPTED, 3)]


async def test_a_refused_message_is_not_written_and_its_number_counts(store: Store) -> None:
    first = told((b"1", None), (b"2", "i"), (b"3", None))
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.ACCEPTED, 2, frozenset({1}))]
    assert await store.enqueue([told((b"4", "i"), previous=2)]) == [EnqueueResult(Verdict.ACCEPTED, 3, frozenset({0}))]
    assert await store.enqueue([batch([b"5"], previous=3)]) == [EnqueueResult(Verdict.ACCEPTED, 4)]
    assert await payloads(store) == [b"1", b"3", b"5"]


@pytest.mark.hazard(3)
async def test_the_answer_to_a_batch_sent_again_is_the_same_whoever_has_come_or_gone(store: Store) -> None:
    await have(store, {"ends": RUNNING})
    first = told((b"1", "i"), (b"2", "ends"), (b"3", None))
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.ACCEPTED, 2, frozenset({0}))]
    await store.enqueue([told((b"start", start(0)), session="another")])
    owner = await take(store, token=b"other", expected=b"token")
    await store.commit([commit(owner, b"second", states=[("ends", bytes([FAILED]))])], store.generation)
    for _ in range(2):
        assert await store.enqueue([first]) == [EnqueueResult(Verdict.DUPLICATE, 2, frozenset({0}))]
    assert await payloads(store) == [b"2", b"3", b"start"]
    await store.enqueue([told((b"4", "i"), previous=2)])
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.DUPLICATE, 3)], "nobody asks for it any more"


async def test_each_partition_is_looked_at_for_its_own(store: Store) -> None:
    await have(store, {"i": RUNNING})
    both = [replace(told((b"1", "i")), partition=place, session=f"s{place}") for place in range(2)]
    assert [result.refused for result in await store.enqueue(both)] == [frozenset(), frozenset({0})]
    assert [await payloads(store, place) for place in range(2)] == [[b"1"], []]


async def test_a_batch_that_is_not_accepted_refuses_nobody(store: Store) -> None:
    gap = told((b"1", "i"), previous=4)
    full = replace(told((b"1", "i")), backlog_max=0)
    assert await store.enqueue([gap]) == [EnqueueResult(Verdict.GAP, -1)]
    assert await store.enqueue([full]) == [EnqueueResult(Verdict.BACKLOG, 0)]


async def test_what_frees_memory_is_judged_too_by_a_full_server(twin: Twin) -> None:
    store = twin.store
    await have(store, {"i": RUNNING})
    freeing = replace(told((b"1", "i"), (b"2", "nosuch")), freeing=True)
    with twin.full():
        assert await store.enqueue([replace(freeing, freeing=False)]) == [EnqueueResult(Verdict.FULL)]
        assert await store.enqueue([freeing]) == [EnqueueResult(Verdict.ACCEPTED, 1, frozenset({1}))]
        assert await store.enqueue([freeing]) == [EnqueueResult(Verdict.DUPLICATE, 1, frozenset({1}))]
    assert await payloads(store) == [b"1"]


async def test_many_messages_may_be_judged_in_one_batch(store: Store) -> None:
    count = 3_000
    await have(store, {f"i{number}": RUNNING for number in range(0, 100, 2)})
    whole = told(*((b"%d" % number, f"i{number % 100}") for number in range(count)))
    [result] = await store.enqueue([whole])
    assert result.refused == frozenset(range(1, count, 2))
    assert (await store.enqueue([whole]))[0] == EnqueueResult(Verdict.DUPLICATE, count - 1, result.refused)
    assert await payloads(store) == [b"%d" % number for number in range(0, count, 2)]
