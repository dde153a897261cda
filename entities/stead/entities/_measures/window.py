"""What a worker publishes at which moment: what it has measured since it began, and within the minute."""

from __future__ import annotations

from .blocks import MeasuredBlock, hot_rows
from .measures import Measured, Measures
from .meter import Meter

MINUTE_MS = 60_000


class Window:
    """Follows one worker's measures through the minutes of the hub's time."""

    def __init__(self, measures: Measures, now_ms: int) -> None:
        self._measures = measures
        self._began_ms = self._since_ms = now_ms
        self.minute = now_ms // MINUTE_MS
        self._base: dict[Measured, Meter] = {}  # as the minute began
        # As it was when others took what was published into their sums.
        self._forgotten: dict[Measured, Meter] = {}

    def sums(self, now_ms: int) -> MeasuredBlock:
        """Everything since the worker began, or since what it had published then was taken into the sum of ended ones."""
        return MeasuredBlock(self._began_ms, now_ms, self._grown(self._forgotten))

    def within_minute(self, now_ms: int) -> MeasuredBlock:
        """What has come since the minute began."""
        hot, missed = hot_rows(self._measures.hottest)
        return MeasuredBlock(self._since_ms, now_ms, self._grown(self._base), hot, missed)

    def _grown(self, base: dict[Measured, Meter]) -> dict[Measured, Meter]:
        grown = {key: meter.since(base.get(key)) for key, meter in self._measures.meters.items()}
        return {key: meter for key, meter in grown.items() if meter.count or meter.failed}

    def turn_over(self, now_ms: int) -> bool:
        """After the minute's last block was published: begin the next one if it is time."""
        minute = now_ms // MINUTE_MS
        if minute == self.minute:
            return False
        self.minute = minute
        self._since_ms = now_ms
        self._base = self._copy()
        self._measures.count_anew()
        return True

    def begin_anew(self, published: MeasuredBlock) -> None:
        """What was published is among the sums of ended workers: this one was silent for so long that it was taken for one."""
        self._began_ms = published.until_ms
        before = self._forgotten
        self._forgotten = {key: meter.copy() for key, meter in published.meters.items()}
        for key, meter in before.items():
            self._forgotten.setdefault(key, Meter()).merge(meter)

    def _copy(self) -> dict[Measured, Meter]:
        return {key: meter.copy() for key, meter in self._measures.meters.items()}
