"""Large payloads: cut out of data before it is stored, and put back after it was read.

What is stored in the place of the data is `HEAD`, a byte that says how many payloads were cut out, for each of these its name and its
length, and then the rest of the data, which a codec may have encoded. So references stand outside of what is encoded, and a
collector that has no key finds them in any bytes that hold them.

Cut out is each large element of an array, and of an array in it: an argument, an input, a result. The same value has the same bytes
wherever it is stored, so it is kept once. If what is left is large all the same, all of the data is cut out.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple, cast

from stead.transport._contract.errors import InvalidInput, PayloadLocked

from .blobs import DIGEST_BYTES, Chunk, name_of
from .caskets import array_of, elements_of

HEAD = b"\x02stead-blobs:"
PLAIN = b"\x00"
LARGE_BYTES_MAX = 2**30
_LENGTH_BYTES = 8
_REF_BYTES = DIGEST_BYTES + _LENGTH_BYTES
_CUTS_MAX = 255
_HOLE = b"\xd6\x0d"  # an extension type of four bytes that no value has: which payload stands here
_DEPTH_MAX = 2
_REMEMBERED = 256
_FOUND = re.compile(re.escape(HEAD) + rb"(.)", re.DOTALL)


class Reference(NamedTuple):
    """A payload that was cut out."""

    name: str
    length: int  # of what is kept, encoded or not


class BlobAbsent(Exception):
    """A payload has to be read first. Raised inside, and never seen."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(reference)
        self.reference = reference


def references_in(data: bytes) -> set[Reference]:
    """All that any bytes name."""
    found: set[Reference] = set()
    for match in _FOUND.finditer(data):
        found.update(_references(data, match.end(), match[1][0]))
    return found


def _references(data: bytes, first: int, count: int) -> list[Reference]:
    ends = range(first + _REF_BYTES, first + count * _REF_BYTES + 1, _REF_BYTES)
    return [
        Reference(data[end - _REF_BYTES : end - _LENGTH_BYTES].hex(), int.from_bytes(data[end - _LENGTH_BYTES : end]))
        for end in ends
        if end <= len(data)
    ]


class Cutter:
    """Cuts out and puts back. It does no I/O: who has it stores what is `pending`, and hands in what is `fetched`."""

    def __init__(self, above: int, encode: Callable[[bytes], bytes] | None, decode: Callable[[bytes], bytes]) -> None:
        """`above` so many bytes something is large. `encode` (None: there is no codec) and `decode`: with a casket's first byte."""
        self._above = above
        self._encode = encode
        self._decode = decode
        # Of what was encoded: another time that would be others.
        self._known: OrderedDict[bytes, Reference] = OrderedDict()
        self.pending: dict[Reference, Sequence[Chunk] | None] = {}
        """What has to be there before what names it is stored; None for what was stored before, if it is still there."""
        self.fetched: Mapping[Reference, bytes | None] = {}
        """What was read; None for what is not there."""

    def cut(self, data: bytes) -> bytes | None:
        """The content for data; None if it has nothing large in it."""
        if len(data) <= self._above:
            return None
        cuts: list[bytes] = []
        rest = self._without(data, cuts, 0)
        if not cuts or len(rest) > self._above:
            cuts, rest = [data], _hole(0)
        names = b"".join(
            bytes.fromhex(each.name) + each.length.to_bytes(_LENGTH_BYTES) for each in map(self._add, cuts)
        )
        return b"".join(
            (HEAD, bytes((len(cuts),)), names, PLAIN + rest if self._encode is None else self._encode(rest))
        )

    def _without(self, data: bytes, cuts: list[bytes], depth: int) -> bytes:
        try:
            parts = elements_of(data)
        except InvalidInput:  # no array
            return data
        changed = False
        for place, part in enumerate(parts):
            if len(part) <= self._above // 2 or len(cuts) >= _CUTS_MAX:
                continue
            kept = self._without(part, cuts, depth + 1) if depth + 1 < _DEPTH_MAX else part
            if len(kept) > self._above // 2:
                cuts.append(kept)
                kept = _hole(len(cuts) - 1)
            parts[place] = kept
            changed = True
        return array_of(parts) if changed else data

    def _add(self, part: bytes) -> Reference:
        if self._encode is None:
            return self._keep((PLAIN, part))
        known = sha256(part).digest()
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = self._keep((self._encode(bytes(part)),))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(known)
            self.pending.setdefault(found, None)
        return found

    def _keep(self, chunks: Sequence[Chunk]) -> Reference:
        found = Reference(name_of(chunks), sum(map(len, chunks)))
        self.pending[found] = chunks
        return found

    def let_go(self, fetched: Mapping[Reference, bytes | None]) -> None:
        """What was read is not needed any more."""
        if self.fetched is fetched:
            self.fetched = {}

    def forget(self, reference: Reference) -> None:
        """It was stored before, and is gone: it is made anew when its data comes again."""
        for known in [known for known, found in self._known.items() if found == reference]:
            del self._known[known]

    def fill(self, content: bytes) -> bytes:
        """The data of content, as a view if all of it was cut out. Raises `BlobAbsent`, and `PayloadLocked`."""
        first = len(HEAD) + 1
        references = _references(content, first, content[first - 1])
        parts = [self._fetched(each) for each in references]
        rest = content[first + len(references) * _REF_BYTES :]
        rest = rest[1:] if rest[:1] == PLAIN else self._decode(rest)
        if rest == _hole(0):
            return parts[0]
        return _filled(rest, parts, 0)

    def _fetched(self, reference: Reference) -> bytes:
        if reference not in self.fetched:
            raise BlobAbsent(reference)
        found = self.fetched[reference]
        if found is None:
            raise PayloadLocked(
                f"its large payload {reference.name} ({reference.length:,} bytes) is not where large payloads are kept "
                "(STEAD_LARGE_PAYLOADS): bring it back, from a backup of that place"
            )
        if name_of((found,)) != reference.name:
            raise PayloadLocked(f"its large payload {reference.name} is damaged: it holds something else")
        return cast("bytes", memoryview(found)[1:]) if found[:1] == PLAIN else self._decode(found)


def _hole(number: int) -> bytes:
    return _HOLE + number.to_bytes(4)


def _filled(data: bytes, parts: Sequence[bytes], depth: int) -> bytes:
    if _HOLE not in data:
        return data
    try:
        elements = elements_of(data)
    except InvalidInput:
        return data
    for place, element in enumerate(elements):
        if element[:2] == _HOLE and len(element) == 6:
            elements[place] = parts[int.from_bytes(element[2:])]
        elif depth + 1 < _DEPTH_MAX:
            elements[place] = _filled(element, parts, depth + 1)
    return array_of(elements)
