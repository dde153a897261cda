"""The record of a large state is what that of a small one is."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities._message.record import decode_record, encode_record
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
