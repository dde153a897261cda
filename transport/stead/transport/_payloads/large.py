"""Large payloads: cut out of data before it is stored, and put back after it was read.

What is stored in the place of the data is `HEAD`, a byte that says how many payloads were cut out, for each of these its name and its
length, and then the rest of the data, which a codec may have encoded. So references stand outside of what is encoded, and a
collector that has no key finds them in any bytes that hold them.

Cut out is each large element of an array, and of an array in it: an argument, an input, a result. The same value has the same bytes
wherever it is stored, so it is kept once. If what is left is large all the same, all of the data is cut out. What is cut out stays
where it is until it is stored, and what is put back is what was read (see `rope`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

from stead.transport._contract.errors import InvalidInput, PayloadLocked
from stead.transport._contract.rope import Chunk, Part, Rope, chunks_of

from .blobs import DIGEST_BYTES, name_of
from .caskets import array_of, elements_of
from .frames import FRAME_BYTES, frames_of
from .pieces import large_elements
from .reading import PLAIN, BlobReading, Reference

HEAD = b"\x02stead-blobs:"
LARGE_BYTES_MAX = 2**30
_LENGTH_BYTES = 8
_REF_BYTES = DIGEST_BYTES + _LENGTH_BYTES
_CUTS_MAX = 255
_HOLE = b"\xd6\x0d"  # an extension type of four bytes that no value has: which payload stands here
_DEPTH_MAX = 2
_REMEMBERED = 256
_FOUND = re.compile(re.escape(HEAD) + rb"(.)", re.DOTALL)


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
        self.pending: dict[Reference, Rope | None] = {}
        """What has to be there before what names it is stored; None for what was stored before, if it is still there."""
        self.fetched: Mapping[Reference, BlobReading | None] = {}
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
        rest = bytes(rest)
        return b"".join(
            (HEAD, bytes((len(cuts),)), names, PLAIN + rest if self._encode is None else self._encode(rest))
        )

    def _without(self, data: bytes, cuts: list[bytes], depth: int) -> bytes:
        try:
            parts = large_elements(data)
        except ValueError:  # no array
            return data
        if parts is None:  # so many that it is small in each, or is cut out with them
            return data
        changed = False
        for place, part in enumerate(parts):
            if len(part) <= self._above // 2 or len(cuts) >= _CUTS_MAX:
                continue
            before = len(cuts)
            kept = self._without(part, cuts, depth + 1) if depth + 1 < _DEPTH_MAX else part
            if len(kept) > self._above // 2:
                cuts[before:] = (part,)  # as it was: nothing is cut out of what is cut out
                kept = _hole(before)
            parts[place] = kept
            changed = True
        return array_of(parts) if changed else data

    def _add(self, part: bytes) -> Reference:
        if self._encode is None:
            return self._keep((PLAIN, *(part.parts if isinstance(part, Rope) else (part,))))
        digest = sha256()
        for chunk in chunks_of(part):
            digest.update(chunk)
        known = digest.digest()
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = self._keep(self._encoded(part, known, self._encode))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(known)
            self.pending.setdefault(found, None)
        return found

    def _encoded(self, part: bytes, digest: bytes, encode: Callable[[bytes], bytes]) -> Iterable[Chunk]:
        return (encode(bytes(part)),) if len(part) <= FRAME_BYTES else frames_of(part, digest, encode)

    def _keep(self, parts: Iterable[Part]) -> Reference:
        content = Rope(parts)
        found = Reference(name_of(content), len(content))
        self.pending[found] = content
        return found

    def reading(self, reference: Reference) -> BlobReading:
        """What a payload is given to as it is read."""
        return BlobReading(reference, self._decode)

    def let_go(self, fetched: Mapping[Reference, BlobReading | None]) -> None:
        """What was read is not needed any more."""
        if self.fetched is fetched:
            self.fetched = {}

    def forget(self, reference: Reference) -> None:
        """It was stored before, and is gone: it is made anew when its data comes again."""
        for known in [known for known, found in self._known.items() if found == reference]:
            del self._known[known]

    def fill(self, content: bytes) -> bytes:
        """The data of content. Raises `BlobAbsent`, and `PayloadLocked`."""
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
        return found.data()


def _hole(number: int) -> bytes:
    return _HOLE + number.to_bytes(4)


def _filled(data: bytes, parts: Sequence[bytes], depth: int) -> bytes:
    if _HOLE not in bytes(data):  # of a view it would be asked number by number
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
