"""Turns that no message of the store brings about, and the deaths of those who took them (HAZARDS 20).

What an own activity gives, or code that comes to be known for an instance that waits for it, is nowhere but in the memory of
who holds the partition: no death can be counted at a message. So it is counted at the *target*, which a marker names before
such a turn. A marker is written over by the next one, and what wakes a target again may take hours. So whoever takes a
partition over puts the deaths that a marker tells of among those that the lease remembers; it keeps them through all other
markers, releases and the end of the suspicion, until all of what wakes the target was done in one tenure. A target on which
`poison_tries_max` have died is blocked: see `deadly`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from stead.transport import InvalidInput, Running, pack, unpack

_WAKING = "!waking "
"""What a marker names before a program and a target, while that takes a turn without a message of the store."""

_TARGETS_MAX = 1_000  # of which deaths are remembered: those with most of them


class DiedWaking(NamedTuple):
    """What the last owner died of, if it was such a turn."""

    program: str
    target: str
    tries: int


class Deaths:
    """How many owners of a partition have died on turns of which targets."""

    def __init__(self, packed: bytes, running: Running | None) -> None:
        """`packed`: what the lease remembers; `running`: the marker that the last owner left."""
        self._counts = _unpacked(packed)
        self.unsaid = False  # whether the lease has to be told
        self.last: DiedWaking | None = None
        if running is not None and is_waking(running):
            program, _, target = running.target.removeprefix(_WAKING).partition(" ")
            self.last = DiedWaking(program, target, running.tries)
            self.count(target, running.tries)

    def __contains__(self, target: str) -> bool:
        return target in self._counts

    def was_last(self, target: str) -> bool:
        """Whether the last owner died on a turn of a target."""
        return self.last is not None and self.last.target == target

    @property
    def targets(self) -> list[str]:
        """Those on whose turns owners have died."""
        return list(self._counts)

    def count(self, target: str, deaths: int) -> None:
        """So many, at least, have died on turns of a target."""
        if self._counts.get(target, 0) < deaths:
            self._counts[target] = deaths
            self.unsaid = True

    def forget(self, target: str) -> None:
        """It is well, or is known for good to be deadly."""
        if self._counts.pop(target, None) is not None:
            self.unsaid = True

    def marker(self, program: str, target: str) -> Running:
        """The marker to write before a turn of a target; `tries` counts those who have begun one, this one included."""
        return Running(f"{_WAKING}{program} {target}", b"0-0", self._counts.get(target, 0) + 1)

    def said(self) -> bytes:
        """What the lease is to remember; it is about to be told."""
        self.unsaid = False
        kept = sorted(self._counts.items(), key=lambda item: -item[1])[:_TARGETS_MAX]
        return pack(dict(kept)) if kept else b""


def is_waking(running: Running) -> bool:
    """Whether a marker names a turn without a message of the store."""
    return running.target.startswith(_WAKING)


def _unpacked(packed: bytes) -> dict[str, int]:
    """The counts as the lease has them. What cannot be read is counted anew."""
    try:
        found: object = unpack(packed) if packed else {}
    except InvalidInput:
        return {}
    counts = cast("dict[object, object]", found) if isinstance(found, dict) else {}
    return {target: deaths for target, deaths in counts.items() if isinstance(target, str) and isinstance(deaths, int)}
