"""The record of a large state is what that of a small one is, and that of a small one what it is by any other way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stead.entities._message.record import BriefRecords, decode_record, encode_record
from stead.transport import LARGE_BYTES, unpack

LOCK: list[Any] = [b"id", "owner", []]
MORE: dict[str, Any] = {"r": {}}


@pytest.mark.parametrize("lock", [None, LOCK])
@pytest.mark.parametrize("more", [None, MORE])
def test_it_has_the_same_form(lock: Any, more: Any) -> None:
    small, large = b"s", b"s" * (LARGE_BYTES + 1)
    expected: list[Any] = unpack(encode_record(small, 5, lock, more))
    expected[1] = large
    assert unpack(encode_record(large, 5, lock, more)) == expected
    assert decode_record(encode_record(large, 5, lock, more)).packed_state == large


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 2**52)), min_size=1, max_size=9))
@example([(255, 7), (256, 7), (0, 8)])
def test_brief_records_are_those_that_any_other_way_gives(those: list[tuple[int, int]]) -> None:
    records = BriefRecords()
    for length, modified_ms in those:
        state = bytes(length)
        assert records.encode(state, modified_ms) == encode_record(state, modified_ms)
