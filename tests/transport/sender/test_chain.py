"""The chain of batches of one partition: what a verdict means, one case at a time."""

from __future__ import annotations

import itertools

import pytest

from stead.transport import EnqueueResult, Verdict
from stead.transport._sender.chain import RECHAINED_MAX, Chain, Lost, Refused, Simple

KEEP_MS = 3_600_000
ACCEPTED = EnqueueResult(Verdict.ACCEPTED)


def session_chain() -> Chain:
    names = (f"session-{number}" for number in itertools.count(2))
    return Chain(5, "session-1", backlog_max=10, keep_ms=KEEP_MS, now_ms=0, new_session=lambda: next(names))


def source_chain(confirmed: int) -> Chain:
    return Chain(
        5, "source:s", backlog_max=10, keep_ms=KEEP_MS, now_ms=0, new_session=None, incarnation=7, confirmed=confirmed
    )


def gap(record: int) -> EnqueueResult:
    return EnqueueResult(Verdict.GAP, record)


def test_batches_are_chained_by_their_numbers() -> None:
    chain = session_chain()
    first = chain.extend([b"a", b"b"], 0)
    assert (first.previous, first.last) == (-1, 1)
    assert chain.judge(ACCEPTED, 0) is Simple.SETTLED
    second = chain.extend([b"c"], 0)
    assert (second.previous, second.last, second.session) == (1, 2, "session-1")


def test_a_batch_stays_the_same_object_until_there_is_a_verdict() -> None:
    chain = session_chain()
    batch = chain.extend([b"a"], 0)
    assert chain.pending is batch
    with pytest.raises(RuntimeError, match="no verdict"):
        chain.extend([b"b"], 0)


def test_a_duplicate_is_as_good_as_accepted() -> None:
    chain = session_chain()
    chain.extend([b"a"], 0)
    assert chain.judge(EnqueueResult(Verdict.DUPLICATE, 0), 0) is Simple.SETTLED
    assert chain.extend([b"b"], 0).previous == 0


def test_after_a_doubtful_batch_the_next_one_rules_out_that_it_gets_in_late() -> None:
    chain = session_chain()
    doubtful = chain.extend([b"a", b"b", b"c"], 0)
    chain.abandon()
    following = chain.extend([b"d"], 0)
    assert following.previous == doubtful.previous  # so it is refused if the doubtful one was accepted
    assert following.last > doubtful.last  # so a late copy of the doubtful one is a duplicate afterwards


def test_a_doubtful_batch_that_was_accepted_is_found_out_and_nothing_is_lost() -> None:
    chain = session_chain()
    doubtful = chain.extend([b"a"], 0)
    chain.abandon()
    following = chain.extend([b"d"], 0)
    assert chain.judge(gap(doubtful.last), 0) is Simple.RECHAINED
    again = chain.pending
    assert again is not None
    assert (again.previous, again.last, again.payloads) == (doubtful.last, following.last, [b"d"])
    assert chain.judge(ACCEPTED, 0) is Simple.SETTLED


def test_a_gap_below_what_was_acknowledged_is_reported_and_opens_a_new_session() -> None:
    chain = session_chain()
    for payload in (b"a", b"b", b"c"):
        chain.extend([payload], 0)
        chain.judge(ACCEPTED, 0)
    chain.extend([b"d"], 0)
    assert chain.judge(gap(0), 0) == Lost(1, 2)
    again = chain.pending
    assert again is not None
    assert (again.session, again.previous, again.payloads) == ("session-2", -1, [b"d"])


def test_no_room_keeps_the_batch() -> None:
    chain = session_chain()
    batch = chain.extend([b"a"], 0)
    assert chain.judge(EnqueueResult(Verdict.BACKLOG, 10), 0) == Refused(Verdict.BACKLOG, 10)
    assert chain.pending is batch


def test_a_chain_that_was_idle_for_long_takes_a_new_session_instead_of_crying_wolf() -> None:
    chain = session_chain()
    chain.extend([b"a"], 0)
    chain.judge(ACCEPTED, 0)
    batch = chain.extend([b"b"], KEEP_MS / 2)
    assert (batch.session, batch.previous) == ("session-2", -1)


def test_a_batch_that_waited_for_room_for_long_takes_a_new_session_as_well() -> None:
    chain = session_chain()
    chain.extend([b"a"], 0)
    chain.judge(ACCEPTED, 0)
    chain.extend([b"b"], 0)
    assert isinstance(chain.judge(EnqueueResult(Verdict.FULL), KEEP_MS), Refused)
    again = chain.pending
    assert again is not None
    assert (again.session, again.previous, again.payloads) == ("session-2", -1, [b"b"])


def test_a_store_that_contradicts_itself_does_not_keep_the_chain_busy_for_ever() -> None:
    chain = session_chain()
    chain.extend([b"a"], 0)
    for _ in range(RECHAINED_MAX):
        assert chain.judge(gap(50), 0) is Simple.RECHAINED
    assert chain.judge(gap(50), 0) is Simple.CONTRADICTED


def test_a_source_goes_on_from_its_record_with_its_own_numbers() -> None:
    chain = source_chain(40)
    batch = chain.extend([b"a", b"b"], KEEP_MS * 9, last=57)
    assert (batch.session, batch.incarnation, batch.previous, batch.last) == ("source:s", 7, 40, 57)
    with pytest.raises(RuntimeError):
        source_chain(40).extend([b"a"], 0, last=40)


def test_a_source_that_the_server_rolled_back_does_not_go_on() -> None:
    chain = source_chain(40)
    batch = chain.extend([b"a"], 0, last=41)
    assert chain.judge(gap(30), 0) == Lost(31, 40)
    assert chain.pending is batch  # only who opens the source anew learns where to start again


def test_a_source_that_another_producer_has_opened_is_superseded() -> None:
    chain = source_chain(40)
    chain.extend([b"a"], 0, last=41)
    assert chain.judge(EnqueueResult(Verdict.SUPERSEDED, 8), 0) is Simple.SUPERSEDED
    assert chain.judge(gap(45), 0) is Simple.SUPERSEDED
    assert chain.judge(gap(40), 0) is Simple.CONTRADICTED  # the server lost that the source was opened
