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
