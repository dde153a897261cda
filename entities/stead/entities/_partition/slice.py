"""A slice of time that an activation is given to take turns: what it is told, and what ends it. It only computes.

A partition has one object for all of its slices. It says nothing of what came of the turns: that is in `effects`, whose
size ends a slice as the time does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stead.transport import Settings

if TYPE_CHECKING:
    from .effects import Effects
    from .pending import Pending


class Slice:
    """See the module. The partition sets it before each slice; a kind reads it, and sets `running` only."""

    __slots__ = (
        "_bytes_max", "_effects", "_fill", "_length_max", "_settings", "elapsed", "going_on", "now", "one_turn", "running", "slow_s", "stop_at"
    )  # fmt: skip

    def __init__(self, effects: Effects, settings: Settings, elapsed: Callable[[], float]) -> None:
        self._effects = effects
        self._fill = effects.fill
        self._settings = settings
        self._length_max = settings.batch_length_max
        self._bytes_max = settings.batch_bytes_max
        self.elapsed = elapsed  # seconds
        self.slow_s = settings.slow_operation_ms / 1000  # whatever takes longer is to be named
        self.now = 0.0  # `elapsed()` when it began
        self.stop_at = float("inf")  # no turn begins when `elapsed()` has reached this
        self.one_turn = (
            False  # one turn, and no more: of messages under suspicion, and of those that fail in stead itself
        )
        self.going_on = False  # nothing else ran since the last turn of the same activation
        self.running: Pending | None = None  # what a turn runs just now, or ran last; read by the lease keeper's thread

    def share(self, partitions: int) -> None:
        """A commit of the effects is written together with those of others, so many in all: each has its share (HAZARDS 52)."""
        self._length_max = max(1, self._settings.batch_length_max // partitions)
        self._bytes_max = max(1, self._settings.batch_bytes_max // partitions)

    @property
    def full(self) -> bool:
        """A commit of the effects is as large as it may be: no turn may be taken until it is built."""
        return self._fill(self._length_max, self._bytes_max)

    @property
    def room(self) -> int:
        """How many messages may be dealt with until a commit has to be built: one at least."""
        return max(1, self._length_max - self._effects.weight)

    @property
    def overfull(self) -> bool:
        """What was received (scheduled signals, above all) has filled it: nothing should be received until it is built."""
        return self._fill(2 * self._length_max, 2 * self._bytes_max)

    @property
    def late(self) -> bool:
        """Its time has passed."""
        return self.elapsed() >= self.stop_at

    @property
    def over(self) -> bool:
        """After a turn: no other one may follow."""
        return self.one_turn or self.full or self.late
