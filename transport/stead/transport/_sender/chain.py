"""The chain of batches that a producer sends to one partition: what a verdict means, and what may be sent next.

No I/O and no clock here: instants are given. The theory (HAZARDS 3):

1. At most one batch of a chain is under way, `pending`. It is kept as the same `Batch` object until there is a verdict,
   so that a batch whose answer was lost is sent again byte for byte and the store recognises it.
2. The store's record of the session can only be `confirmed` (the last acknowledged number), or the last number of the
   pending batch, or that of a *doubtful* one: given up after its answers had been lost, or refused after an earlier copy
   may have got through.
3. A doubtful batch is never sent again (its senders were told that its outcome is unknown, and may have repeated it
   themselves), and never gets in late: its successor names the same `previous`, and ends above it. If the successor is
   accepted, a late copy of the doubtful batch finds a record beyond its `last`. If the doubtful batch had been accepted,
   the successor meets a gap at exactly its `last`, and is chained to it.
4. A gap below `confirmed` means that the server lost what it had acknowledged. A session then goes on under a new name;
   a source does not go on, because only who opens it anew learns where to start again.
5. The store forgets a session some time after its last use. So a chain that has not been used for half of that time
   takes a new name before it sends, else rule 4 would cry wolf. For the same reason a batch in doubt that is older than
   that (the process was suspended) is given up: the store might not know it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from stead.transport._contract.errors import ServerUnsuitable
from stead.transport._contract.records import Batch, EnqueueResult, Recipient, Start, Verdict

# The record of a session or source that the store has never heard of.
NOTHING = -1

# How often in a row a batch may be chained anew. More means that the store contradicts itself.
RECHAINED_MAX = 3


class Simple(Enum):
    """Judgements that carry nothing."""

    SETTLED = "settled"  # the pending batch is in the store, once
    RECHAINED = "rechained"  # it is not, and is now pending under another `previous` or session: send it
    SUPERSEDED = "superseded"  # it is not, and this producer of the source may send no more
    CONTRADICTED = "contradicted"  # the store's answers make no sense: nothing was written as far as they tell


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no room in the store for the pending batch now: nothing was written."""

    verdict: Verdict  # BACKLOG or FULL
    detail: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The store lost acknowledged messages. The pending batch was not written; a session's is chained anew."""

    lost_from: int
    lost_to: int


Judgement: TypeAlias = Simple | Refused | Lost | ServerUnsuitable


class Chain:
    """One partition's session, as the producer knows it.

    Invariants: `pending` is None or names `confirmed` as its `previous` and ends above `top_before`; `confirmed` and all
    of `doubtful` are at most `top`; every number in `doubtful` is above `confirmed`.
    """

    __slots__ = (
        "_doubtful",
        "_new_session",
        "_pending_since_ms",
        "_rechained",
        "_top",
        "_used_ms",
        "backlog_max",
        "confirmed",
        "incarnation",
        "keep_ms",
        "partition",
        "pending",
        "session",
    )

    def __init__(
        self,
        partition: int,
        session: str,
        *,
        backlog_max: int,
        keep_ms: int,
        now_ms: float,
        new_session: Callable[[], str] | None,
        incarnation: int = 0,
        confirmed: int = NOTHING,
    ) -> None:
        """A chain that begins after `confirmed`. `new_session` is None for a source, whose name never changes."""
        self.partition = partition
        self.session = session
        self.incarnation = incarnation
        self.backlog_max = backlog_max
        self.keep_ms = keep_ms
        self.confirmed = confirmed
        self.pending: Batch | None = None
        self._doubtful: set[int] = set()
        self._new_session = new_session
        self._pending_since_ms = now_ms
        self._rechained = 0
        self._top = confirmed
        self._used_ms = now_ms

    def extend(
        self,
        payloads: Sequence[bytes],
        now_ms: float,
        last: int | None = None,
        starts: Sequence[Start] = (),
        freeing: bool = False,
        recipients: Sequence[Recipient] = (),
    ) -> Batch:
        """Make the next batch and keep it pending. `last` is given for a source only, and is above all before."""
        if self.pending is not None:
            raise RuntimeError("a batch of this chain has no verdict yet")
        self._renew_if_stale(now_ms)
        end = self._top + len(payloads) if last is None else last
        if end <= self._top:
            raise RuntimeError(f"sequence numbers must grow: {end} after {self._top}")
        self._rechained = 0
        self._pending_since_ms = now_ms
        self.pending = Batch(
            self.partition,
            self.session,
            self.incarnation,
            self.confirmed,
            end,
            payloads,
            self.backlog_max,
            self.keep_ms,
            starts,
            freeing,
            recipients,
        )
        return self.pending

    def is_too_old(self, now_ms: float) -> bool:
        """Whether the pending batch must not be sent again if it is in doubt: the store may have forgotten it."""
        return now_ms - self._pending_since_ms >= self.keep_ms / 2

    def judge(self, result: EnqueueResult, now_ms: float) -> Judgement:
        """Learn the store's verdict on the pending batch."""
        if self.pending is None:
            raise RuntimeError("there is no batch to judge")
        match result.verdict:
            case Verdict.ACCEPTED | Verdict.DUPLICATE:
                self.confirmed = self._top = self.pending.last
                self._doubtful.clear()
                self._used_ms = now_ms
                self.pending = None
                return Simple.SETTLED
            case Verdict.BACKLOG | Verdict.FULL:
                if self._renew_if_stale(now_ms):
                    self._chain_anew()
                return Refused(result.verdict, result.detail)
            case Verdict.SUPERSEDED:
                return Simple.SUPERSEDED
            case Verdict.GAP:
                return self._judge_gap(result.detail, now_ms)
            case Verdict.DAMAGED:
                self._used_ms = float("-inf")  # a new session next: this one's record may be what is damaged
                assert result.damage is not None, "the verdict says what is damaged"
                return result.damage

    def abandon(self) -> None:
        """Give the pending batch up. It may have been written: what follows takes both possibilities into account."""
        if self.pending is not None:
            # A re-chained batch keeps its last number, so one entry stands for all its copies of this session.
            self._top = max(self._top, self.pending.last)
            self._doubtful.add(self.pending.last)
            self.pending = None

    def question(self, now_ms: float) -> Batch | None:
        """A batch without messages, which asks whether the store still has what it has confirmed: it writes nothing. None if
        there is nothing to ask, or the pending batch will tell."""
        if self.pending is not None or self.confirmed == NOTHING or now_ms - self._used_ms >= self.keep_ms / 2:
            return None
        at = self.confirmed
        return Batch(
            self.partition, self.session, self.incarnation, at, at, (), self.backlog_max, self.keep_ms, (), True
        )

    def learn(self, answer: EnqueueResult, now_ms: float) -> Lost | None:
        """What the answer to a question says is lost. It is said once: a session goes on under a new name."""
        if answer.verdict is not Verdict.GAP or answer.detail >= self.confirmed:
            return None
        lost = Lost(answer.detail + 1, self.confirmed)
        if self._new_session is not None:
            self._renew(now_ms)
        return lost

    def _judge_gap(self, record: int, now_ms: float) -> Judgement:
        self._rechained += 1
        if self._rechained > RECHAINED_MAX:
            return Simple.CONTRADICTED
        if record in self._doubtful:
            self.confirmed = record
            self._doubtful.clear()
            self._chain_anew()
            return Simple.RECHAINED
        if record == NOTHING and self._renew_if_stale(now_ms):
            # Not lost but forgotten: this process was suspended between making the batch and sending it.
            self._chain_anew()
            return Simple.RECHAINED
        if record < self.confirmed:
            lost = Lost(record + 1, self.confirmed)
            if self._new_session is not None:
                self._renew(now_ms)
                self._chain_anew()
            return lost
        if self._new_session is None:
            # Beyond what was sent: somebody advanced this source with the same incarnation number. At it: the server lost
            # that the source was opened, though nothing that was sent.
            return Simple.SUPERSEDED if record > self.confirmed else Simple.CONTRADICTED
        self._renew(now_ms)
        self._chain_anew()
        return Simple.RECHAINED

    def _renew_if_stale(self, now_ms: float) -> bool:
        if self._new_session is None or now_ms - self._used_ms < self.keep_ms / 2:
            return False
        self._renew(now_ms)
        return True

    def _renew(self, now_ms: float) -> None:
        assert self._new_session is not None
        self.session = self._new_session()
        self.confirmed = self._top = NOTHING
        self._doubtful.clear()
        self._used_ms = now_ms

    def _chain_anew(self) -> None:
        """Put the pending batch, of which nothing was written, behind what the store has now."""
        assert self.pending is not None
        last = self.pending.last
        if self.session != self.pending.session:
            last = self._top + len(self.pending.payloads)
        self.pending = replace(self.pending, session=self.session, previous=self.confirmed, last=last)
