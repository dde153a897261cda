"""The request that reads inboxes: 4 kB for 64 partitions, of which only positions change from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stead.transport._contract.records import StreamId

from .keys import PartitionKeys
from .scripts import command

_ARGUMENTS_MAX = 4_096  # packed positions that are kept


class _Packed(dict[StreamId, bytes]):
    """Positions as arguments. Most of them are those of the request before."""

    def __missing__(self, position: StreamId) -> bytes:
        if len(self) >= _ARGUMENTS_MAX:
            self.clear()
        self[position] = packed = _arguments(position)
        return packed


class InboxRequest:
    """Packs `XREAD COUNT count [BLOCK block_ms] STREAMS inbox… position…`."""

    def __init__(self, partitions: Sequence[PartitionKeys]) -> None:
        self._partitions = partitions
        self._packed = _Packed()
        self._of: tuple[int, ...] = ()  # the partitions of the request before
        self._keys = b""
        self.by_key: dict[bytes, int] = {}
        """The partitions that were asked for last, by the keys of their inboxes."""

    def pack(self, positions: Mapping[int, StreamId], count: int, block_ms: int) -> bytes:
        """The command as it goes over the wire. `block_ms` 0: do not wait."""
        of = tuple(positions)
        if of != self._of:
            self.by_key = {self._partitions[partition].inbox: partition for partition in of}
            self._keys = _arguments(b"STREAMS", *self.by_key)
            self._of = of
        words = (b"XREAD", b"COUNT", count, *((b"BLOCK", block_ms) if block_ms > 0 else ()))
        length = b"*%d\r\n" % (len(words) + 1 + 2 * len(of))
        return b"".join((length, _arguments(*words), self._keys, *map(self._packed.__getitem__, positions.values())))


def _arguments(*words: bytes | str | int) -> bytes:
    """Words of a command, without its length before them."""
    return command(*words).partition(b"\r\n")[2]
