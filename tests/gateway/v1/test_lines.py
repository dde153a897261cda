"""Lines out of pieces: whatever the pieces are, the lines are the same."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from stead.gateway._v1.lines import Lines
from stead.gateway._v1.signals import FINGERPRINT_BYTES, FINGERPRINT_LINES, fingerprint_of

LIMIT = 10

texts = st.lists(st.binary(max_size=14).map(lambda data: data.replace(b"\n", b"")), max_size=12)
cuts = st.lists(st.integers(0, 200), max_size=20)


def lines_of(pieces: list[bytes], limit: int = LIMIT) -> list[bytes | None]:
    lines = Lines(limit)
    return [line for piece in pieces for line in lines.feed(piece)] + lines.end()


def cut(body: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(body)) for place in places} | {0, len(body)})
    return [body[first:last] for first, last in itertools.pairwise(ends)]


@given(texts, cuts)
def test_pieces_make_no_difference(texts: list[bytes], places: list[int]) -> None:
    body = b"\n".join(texts)
    whole = texts[:-1] + ([texts[-1]] if texts and texts[-1] else [])
    assert lines_of(cut(body, places), limit=100) == whole
    found = lines_of(cut(body, places))
    assert len(found) == len(whole)
    for text, line in zip(whole, found, strict=True):
        assert line == text or (line is None and len(text) > LIMIT)
        assert line is None or len(line) <= LIMIT + 1


def test_a_line_that_never_ends_is_not_kept() -> None:
    lines = Lines(LIMIT)
    for _ in range(1_000):
        assert lines.feed(b"x" * 1_000) == []
    assert lines.feed(b"x\ny\n") == [None, b"y"]
    assert lines.end() == []


@given(st.lists(st.binary(max_size=30), min_size=FINGERPRINT_LINES, max_size=40), st.binary(max_size=50))
def test_a_fingerprint_needs_no_more_than_the_first_lines(texts: list[bytes], rest: bytes) -> None:
    head = b"".join(text.replace(b"\n", b"") + b"\n" for text in texts[:FINGERPRINT_LINES])
    assert fingerprint_of(head) == fingerprint_of(head + rest)


def test_a_fingerprint_of_long_lines() -> None:
    long = b"x" * FINGERPRINT_BYTES
    assert fingerprint_of(long) == fingerprint_of(long + b"y\n")
    assert fingerprint_of(long) != fingerprint_of(long[1:])
    assert 0 <= fingerprint_of(b"") < 2**56
