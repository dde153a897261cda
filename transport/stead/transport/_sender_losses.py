"""What the server has lost of what it had acknowledged: nobody may be left without word of it.

One answer of the store can tell of the losses of many partitions. Whoever hears of one of them hears of all that are known;
what nobody heard of is kept until somebody looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TypeAlias

from ._errors import AcknowledgedLost
from ._records import EnqueueResult
from ._sender_chain import Judgement, Lost, Simple
from ._sender_lane import Lane

Judged: TypeAlias = tuple[Lane, EnqueueResult, Judgement]
Known: TypeAlias = Mapping[int, AcknowledgedLost]  # by partition


def judge(lanes: Sequence[Lane], results: Sequence[EnqueueResult], now_ms: float) -> tuple[list[Judged], Known]:
    """The chains' judgements on the store's verdicts, and the losses among them.

    What is in the store comes first: another judgement may end the sender, and that is written all the same.
    """
    settled: list[Judged] = []
    judged: list[Judged] = []
    known: dict[int, AcknowledgedLost] = {}
    for lane, result in zip(lanes, results, strict=True):
        if lane.chain is None or lane.flying is None:
            continue
        judgement = lane.chain.judge(result, now_ms)
        (settled if judgement is Simple.SETTLED else judged).append((lane, result, judgement))
        if isinstance(judgement, Lost):
            known[lane.partition] = AcknowledgedLost(lane.partition, judgement.lost_from, judgement.lost_to)
    return settled + judged, known


class Losses:
    """What nobody was told of yet."""

    def __init__(self) -> None:
        self._untold: AcknowledgedLost | None = None

    def tell(self, lane: Lane, known: Known, *, later: bool) -> AcknowledgedLost:
        """The error for a lane that has lost something; with `later`, or if nobody waits for what flies, it is kept."""
        own = known[lane.partition]
        error = reduce(AcknowledgedLost.besides, known.values(), own).besides(self._untold)
        heard = not later and lane.flying is not None and lane.flying.is_waited_for
        self._untold = None if heard else error
        return error

    def take(self) -> AcknowledgedLost | None:
        """Somebody looks, and is told."""
        untold, self._untold = self._untold, None
        return untold

    def raise_untold(self) -> None:
        """Tell it by raising it."""
        untold = self.take()
        if untold is not None:
            raise untold

    def add_to(self, error: Exception) -> None:
        """Tell it beside another error, which is about to be raised."""
        untold = self.take()
        if untold is not None and untold.losses != getattr(error, "losses", None):
            error.add_note(str(untold))
