"""What cannot be read is that message's trouble, whatever reading it raises."""

from __future__ import annotations

import pytest

from stead.entities import InvalidInput
from stead.entities._message import envelope
from support.core_bench import Bench

A = "@list@a"


class Strange(Exception):
    """No sort of error that anybody thought of."""


@pytest.mark.invariant(12)
@pytest.mark.parametrize("error", [Strange("odd"), RecursionError("deep"), MemoryError(), OverflowError("large")])
def test_an_error_that_nobody_expected_costs_its_message_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int | None:
        raise error

    bench = Bench()
    bench.put(A, 1)
    message = envelope.encode_message(A, "add", [[2]], b"id")
    bench.put_raw(message)
    bench.put(A, 3)
    monkeypatch.setattr(envelope, "deep_one", fail)
    with pytest.raises(InvalidInput, match="not an envelope of stead"):
        envelope.decode_message(message)
    bench.work(bench.acquire())
    assert bench.state(A) == [1, 3]
    [letter] = bench.letters
    assert (letter.envelope, letter.failure.kind) == (message, "invalid_input")


def test_what_a_later_version_adds_to_a_message_is_passed_over() -> None:
    """So it may add what is of use, but not needed: who waits for the end of what a start begins came like that."""
    plain = envelope.encode_message("one", "start", ["flow"], b"id", {"r": [1, "client", 2]})
    more = envelope.encode_message("one", "start", ["flow"], b"id", {"r": [1, "client", 2], "?": {"new": [1]}})
    assert envelope.decode_message(more) == envelope.decode_message(plain)


def test_who_is_told_of_the_end_is_no_caller() -> None:
    address = envelope.ReplyAddress(1, "client", 2)
    extras = envelope.message_extras(waiter=address)
    message = envelope.decode_message(envelope.encode_message("one", "start", ["flow"], b"id", extras))
    assert (message.waiter, message.reply_to) == (address, None)


@pytest.mark.parametrize("waiter", [1, "client", [], [1, 2, 3], [1, "client"], [1, "client", 2, 3]])
def test_who_is_told_of_the_end_is_an_address(waiter: object) -> None:
    message = envelope.encode_message("one", "start", ["flow"], b"id", {"w": waiter})
    with pytest.raises(InvalidInput, match="not an envelope of stead"):
        envelope.decode_message(message)
