"""What becomes of a sender's blocks, and who is told: accepted, held until there is room, refused, given up.

A patient sender ends with the first block that is not written, because what follows would follow a hole; an impatient one
tells whoever waits for that block, and goes on. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Sequence

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.clock import Clock
from stead.transport._contract.errors import (
    BacklogFull,
    ServerUnsuitable,
    SourceSuperseded,
    SteadError,
    StoreUnavailable,
)
from stead.transport._contract.records import EnqueueResult, Verdict
from stead.transport._contract.settings import Settings
from stead.transport._retry import Backoff, hold_delay, reason_of, told_of, told_of_end

from .chain import Lost, Refused, Simple
from .identity import Identity
from .lane import Block, Lane
from .losses import Known, Losses, judge_answers
from .room import Room

_log = get_logger(__name__)


class Outcomes:
    """The lanes of a sender that have something to send, until it has come to its end."""

    def __init__(self, clock: Clock, settings: Settings, identity: Identity, room: Room, *, patient: bool) -> None:
        self._clock = clock
        self._tries_s = settings.store_tries_ms / 1000
        self._identity = identity
        self._room = room
        self._patient = patient
        self.busy: dict[int, Lane] = {}
        self.trouble = Backoff(clock)  # no answers from the store
        self.losses = Losses()
        self.broken: SteadError | None = None
        self.dropped: dict[int, int] = {}  # when the sender broke: how many messages of a partition were not accepted
        self.accepted = 0

    def settle(self, lane: Lane) -> None:
        """Forget a lane that has nothing to send."""
        if lane.busy and lane.empty:
            lane.busy = False
            del self.busy[lane.partition]

    # -- there is an answer --------------------------------------------------------------------------------------------

    def judged(self, lanes: Sequence[Lane], results: Sequence[EnqueueResult]) -> None:
        """The store's verdicts on what flies."""
        self.trouble.succeeded()
        judged, lost = judge_answers(lanes, results, self._clock.now_ms())
        for lane, result, judgement in judged:
            if lane.flying is None or judgement is Simple.RECHAINED:
                continue  # the sender broke at an earlier verdict of this round, or it is sent again
            match judgement:
                case Simple.SETTLED:
                    block = lane.land()
                    self.accepted += len(block.payloads)
                    block.succeed(result.refused)
                    self._room.ended(block)
                case Simple.SUPERSEDED:
                    self.refuse(lane, SourceSuperseded(self._identity.source or self._identity.session))
                case Simple.CONTRADICTED:
                    reason = f"partition {lane.partition} does not know this client's session; connect anew"
                    self.refuse(lane, StoreUnavailable(reason, "unknown" if lane.flying.doubtful else "refused"))
                case Lost():
                    self._report_loss(lane, lost)
                case Refused() as refused:
                    self._hold_or_refuse(lane, refused)
                case ServerUnsuitable() as damage:
                    self.refuse(lane, damage)
            self.settle(lane)
        self._make_room()

    def _report_loss(self, lane: Lane, lost: Known) -> None:
        """A plain producer goes on, and hears of it at its next look."""
        _log.error("%s", lost[lane.partition])
        goes_on = self._patient and self._identity.source is None
        error = self.losses.tell(lane, lost, later=goes_on)
        if not goes_on:
            self.refuse(lane, error)

    def _hold_or_refuse(self, lane: Lane, refused: Refused) -> None:
        if self._patient:
            lane.held_until = self._clock.monotonic() + hold_delay(lane.holds)
            lane.holds += 1
            return
        full = refused.verdict is Verdict.FULL
        reason = "the server's memory is full" if full else f"{refused.detail:,} messages wait already"
        if lane.flying is not None and lane.flying.doubtful:
            # An earlier copy may still get through, so "nothing was accepted" would be too much to say.
            self.refuse(lane, StoreUnavailable(f"an answer was lost, and then {reason}", "unknown"))
        else:
            self.refuse(lane, BacklogFull(lane.partition, reason))

    # -- there is none -------------------------------------------------------------------------------------------------

    def unanswered(self, error: SteadError) -> float:
        """No answer came: give up what has waited for too long. Gives the seconds to wait until the rest is sent again."""
        for lane in self.busy.values():
            if lane.flying is not None:
                lane.flying.doubtful = True
        if self.trouble.since is None:
            _log.warning("no answer from the store, trying again: %s", error)
        delay = self.trouble.failed()
        if self.trouble.lasted_s >= self._tries_s:
            self._give_up_old(self._clock.monotonic() - self._tries_s, reason_of(error))
        return delay

    def _give_up_old(self, begun_until: float, reason: str) -> None:
        for lane in list(self.busy.values()):
            if lane.flying is not None and lane.flying.opened <= begun_until:
                self.refuse(lane, StoreUnavailable(reason, "unknown"))
            if self.broken is not None:
                return
            for block in lane.unsent_since(begun_until):
                error = StoreUnavailable(reason, "refused")
                if self._patient:
                    self.end(error)
                    return
                lane.drop(block)
                self._fail(lane, block, error)
            self.settle(lane)
        self._make_room()

    def give_up(self, lanes: Sequence[Lane], error: Exception) -> None:
        """What flies is not tried again."""
        for lane in lanes:
            if lane.flying is not None:
                self.refuse(lane, told_of(error, lane.flying.doubtful))
                self.settle(lane)
        self._make_room()

    def refuse(self, lane: Lane, error: SteadError) -> None:
        """The lane's flying block is not written, or nobody knows: tell its waiters; a patient sender ends here."""
        if self._patient:
            self.end(error)
            return
        assert lane.chain is not None
        lane.chain.abandon()
        self._fail(lane, lane.land(), error)

    def end(self, error: SteadError) -> None:
        """Nothing more goes out: everybody who waits, and whoever comes, gets the error."""
        doubtful = any(lane.flying is not None and lane.flying.doubtful for lane in self.busy.values())
        self.broken = told_of_end(error, sent=True, doubtful=doubtful)
        for lane in self.busy.values():
            blocks = list(lane.blocks())
            sent, lane.flying = lane.flying, None
            lane.drop_unsent()
            lane.busy = False
            self.dropped[lane.partition] = sum(len(block.payloads) for block in blocks)
            for block in blocks:
                self._fail(lane, block, told_of_end(error, sent=block is sent, doubtful=block.doubtful))
        self.busy.clear()
        self._make_room()

    def interrupted(self, error: StoreUnavailable) -> None:
        """What sends has been cancelled by others: whoever waits is told at once. A patient sender ends, and an impatient one
        begins anew with the next message."""
        if self._patient:
            self.end(error)
            return
        for lane in list(self.busy.values()):
            blocks, sent = list(lane.blocks()), lane.flying
            if sent is not None:
                assert lane.chain is not None, "something was sent"
                lane.chain.abandon()
                lane.land()
            lane.drop_unsent()
            for block in blocks:
                self._fail(lane, block, told_of_end(error, sent=block is sent, doubtful=block.doubtful))
            self.settle(lane)
        self._make_room()

    def _fail(self, lane: Lane, block: Block, error: SteadError) -> None:
        self._room.ended(block)
        lane.note_failure(block, error)
        block.fail(error)

    def _make_room(self) -> None:
        self._room.look_again(whatever=self.broken is not None)
