"""What a partition cannot carry out: garbage, newer versions, kinds that it does not know."""

from __future__ import annotations

import pytest

from stead.entities._definition.registry import Registry
from stead.entities._message.envelope import MESSAGE_VERSION, ReplyAddress, encode_message
from stead.entities._partition.activation import Blocked
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import pack
from support.core_bench import Bench

A, B = "@list@a", "@list@b"


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xc1",
        b"no msgpack",
        b"\x2a",  # a number
        b"\x90",  # an empty array
        encode_message(A, "add", [1], b"id", {"d": -1}),
        encode_message(A, "add", [1], b"id", {"t": "noon"}),
        encode_message(A, "add", [1], b"id", {"r": [1, 2]}),
        pack((MESSAGE_VERSION, 7, "add", [1], b"id")),
        encode_message(A, None, [1], b"id"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pack((MESSAGE_VERSION, A, "add", 5, b"id")),
    ],
)
def test_garbage_becomes_a_dead_letter_and_stops_nobody(garbage: bytes) -> None:
    bench = Bench()
    bench.put(A, 1)
    stream_id = bench.put_raw(garbage)
    bench.put(A, 2)
    bench.work(bench.acquire())
    assert bench.state(A) == [1, 2]
    assert not bench.store.inbox
    [letter] = bench.letters
    assert (letter.envelope, letter.stream_id, letter.failure.kind) == (garbage, stream_id, "invalid_input")


def newer(target: str) -> bytes:
    return pack((4, target, "in a form", "of the future"))


def test_a_message_of_a_newer_version_waits_and_its_target_with_it() -> None:
    """HAZARDS 26: an unknown envelope version parks. Whoever sent what comes later counts on its order."""
    bench = Bench(mailbox_age_ms_max=1_000)
    bench.put(B, 1)
    bench.put_raw(newer(A))
    bench.put(A, 2)
    partition = bench.acquire()
    bench.work(partition)
    assert bench.state(B) == [1]
    assert bench.state(A) == []
    assert set(bench.store.blocked) == {A}
    assert not bench.letters
    bench.now_ms += 1_000
    partition.park_the_old()
    bench.work(partition)
    assert not bench.store.inbox  # it does not pin the inbox
    assert len(bench.store.parks[A]) == 2
    again = bench.acquire()
    bench.work(again)
    assert (len(bench.store.parks[A]), bench.letters, bench.state(A)) == (2, [], [])
    assert set(bench.store.blocked) == {A}


def test_a_message_of_a_newer_version_stops_a_target_that_has_turns_to_take() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    bench.put_raw(newer(A))
    bench.deliver(partition)
    assert partition.runnable == 0
    bench.work(partition)
    assert not bench.letters
    assert len(bench.store.inbox) == 2


def test_a_message_of_a_newer_version_lets_the_operation_that_runs_end() -> None:
    bench = Bench()
    bench.put(A, 1, operation="wait")
    partition = bench.acquire()
    [started] = bench.work(partition)
    bench.put_raw(newer(A))
    bench.put(A, 2)
    bench.work(partition)
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == [1]
    assert not bench.letters
    assert partition.runnable == 0
    assert len(bench.store.inbox) == 2


def test_messages_of_a_blocked_target_wait_for_the_next_tenure() -> None:
    bench = Bench()
    bench.kind.reasons[A] = Blocked("its state is not valid any more")
    bench.put(A, 1)
    bench.put(B, 1)
    first = bench.acquire()
    bench.work(first)
    assert bench.store.blocked == {A: "its state is not valid any more"}
    assert (bench.state(A), bench.state(B)) == ([], [1])
    assert first.lacks == {}
    bench.release(first)
    del bench.kind.reasons[A]
    bench.work(bench.acquire())
    assert bench.state(A) == [1]
    assert bench.store.blocked == {}


def test_a_reason_that_is_known_is_not_written_again() -> None:
    bench = Bench()
    bench.kind.reasons[A] = Blocked("its state is not valid any more")
    bench.put(A, 1)
    bench.work(bench.acquire())
    second = bench.acquire()
    second.settle_suspects()
    bench.work(second)
    third = bench.acquire()
    bench.deliver(third)
    assert third.effects.empty


def test_messages_for_a_kind_that_this_worker_does_not_know_wait_without_a_reason() -> None:
    bench = Bench()
    bench.kind.reasons[A] = Blocked("not here", "list")
    bench.put(A, 1)
    partition = bench.acquire()
    bench.work(partition)
    assert partition.lacks == {A: "list"}
    assert bench.store.blocked == {}
    assert len(bench.store.inbox) == 1


def test_messages_for_what_cannot_exist_are_refused() -> None:
    bench = Bench(mailbox_length_max=4)
    kind = EntityKind(Registry(), lambda: bench.now_ms, 1_000_000)
    bench.find_kind = lambda target: kind
    bench.put_range("@no spaces@k", 1, 10)
    bench.put("@CAPITALS@k", 1, reply_to=ReplyAddress(0, "client", 1))
    partition = bench.acquire()
    bench.work(partition)
    assert len(bench.letters) == 10  # also those that had been parked
    assert {letter.failure.kind for letter in bench.letters} == {"invalid_input"}
    assert not bench.store.inbox
    assert not bench.store.parks
    assert len(bench.hub.replies[0, "client"].stream) == 1
