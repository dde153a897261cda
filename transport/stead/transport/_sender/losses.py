"""What the server has lost of what it had acknowledged: nobody may be left without word of it.

One answer of the store can tell of the losses of many partitions. Whoever hears of one of them hears of all that are known;
what nobody heard of is kept until somebody looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TypeAlias

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.errors import AcknowledgedLost, SteadError
from stead.transport._contract.records import EnqueueResult
from stead.transport._contract.store import Store

from .chain import Judgement, Lost, Simple
from .lane import Lane

_log = get_logger(__name__)

Judged: TypeAlias = tuple[Lane, EnqueueResult, Judgement]
Known: TypeAlias = Mapping[int, AcknowledgedLost]  # by partition


def judge_answers(lanes: Sequence[Lane], results: Sequence[EnqueueResult], now_ms: float) -> tuple[list[Judged], Known]:
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


async def ask_the_quiet(store: Store, lanes: Sequence[Lane]) -> list[AcknowledgedLost]:
    """What was lost in the partitions to which nothing is on its way, when there is a gap in another: nobody might ever send
    anything there again, and so hear of it."""
    now_ms = store.clock.now_ms()
    chains = [lane.chain for lane in lanes if lane.chain is not None]
    asked = [(chain, batch) for chain in chains if (batch := chain.question(now_ms)) is not None]
    try:
        answers = await store.enqueue([batch for _, batch in asked]) if asked else []
    except SteadError:  # whoever sends there next will hear of it
        return []
    found: list[AcknowledgedLost] = []
    for (chain, _), answer in zip(asked, answers, strict=True):
        lost = chain.learn(answer, now_ms)
        if lost is not None:
            found.append(AcknowledgedLost(chain.partition, lost.lost_from, lost.lost_to))
            _log.error("%s", found[-1])
    return found


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

    def add(self, losses: Sequence[AcknowledgedLost]) -> None:
        """These are known as well."""
        for lost in losses:
            self._untold = lost.besides(self._untold)

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
