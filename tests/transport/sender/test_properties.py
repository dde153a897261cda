"""HAZARDS 3 as a state machine: whatever answers are lost, refused or late, a message gets in once or is reported.

The server here is a dictionary and a list, with the rules of the enqueue script; it can fail over to an earlier state and
forget old sessions. Copies of a batch may arrive late, after the client has given up on them.
"""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest
from hypothesis import settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stead.transport import Batch, EnqueueResult, Verdict
from stead.transport._sender.chain import Chain, Lost, Refused, Simple

KEEP_MS = 1_000


class Server:
    """The enqueue script's rules for one partition."""

    def __init__(self) -> None:
        self.records: dict[str, tuple[int, int]] = {}  # session -> last number, time of last use
        self.inbox: list[bytes] = []

    def enqueue(self, batch: Batch, now_ms: int, *, full: bool) -> EnqueueResult:
        record, used_ms = self.records.get(batch.session, (-1, now_ms))
        if now_ms - used_ms >= KEEP_MS:
            record = -1
        if record >= batch.last:
            self.records[batch.session] = (record, now_ms)
            return EnqueueResult(Verdict.DUPLICATE, record)
        if record != batch.previous:
            return EnqueueResult(Verdict.GAP, record)
        if full:
            return EnqueueResult(Verdict.BACKLOG, len(self.inbox))
        self.inbox.extend(batch.payloads)
        self.records[batch.session] = (batch.last, now_ms)
        return EnqueueResult(Verdict.ACCEPTED, batch.last)

    def copy(self) -> Server:
        other = Server()
        other.records, other.inbox = dict(self.records), list(self.inbox)
        return other


class SenderMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.server = Server()
        self.replica = self.server.copy()
        names = (f"session-{number}" for number in itertools.count())
        self.chain = Chain(0, "session", backlog_max=100, keep_ms=KEEP_MS, now_ms=0, new_session=lambda: next(names))
        self.numbers = itertools.count()
        self.late: list[Batch] = []
        self.settled: dict[bytes, tuple[str, int]] = {}  # message -> session and sequence number
        self.reported: set[bytes] = set()
        self.in_doubt = False  # an answer to the pending batch was lost
        self.rolled_back = False

    # -- the client ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.chain.pending is None)
    @rule(count=st.integers(1, 4))
    def extend(self, count: int) -> None:
        payloads = [b"%08d" % next(self.numbers) for _ in range(count)]
        self.chain.extend(payloads, self.now_ms)
        self.in_doubt = False

    def may_send(self) -> bool:
        return self.chain.pending is not None and not (self.in_doubt and self.chain.is_too_old(self.now_ms))

    @precondition(may_send)
    @rule(full=st.booleans())
    def send(self, full: bool) -> None:
        batch = self.chain.pending
        assert batch is not None
        acknowledged = self.chain.confirmed
        judgement = self.chain.judge(self.server.enqueue(batch, self.now_ms, full=full), self.now_ms)
        match judgement:
            case Simple.SETTLED:
                first = batch.last - len(batch.payloads) + 1
                for number, payload in enumerate(batch.payloads, start=first):
                    self.settled[payload] = (batch.session, number)
                self.check_nothing_settled_is_missing()
            case Lost(lost_from, lost_to):
                assert self.rolled_back, "nothing was lost"
                assert lost_to == acknowledged
                for payload, (session, number) in self.settled.items():
                    if session == batch.session and lost_from <= number <= lost_to:
                        self.reported.add(payload)
            case Refused():
                pass
            case Simple.RECHAINED:
                pass
            case other:
                raise AssertionError(other)

    @precondition(may_send)
    @rule(full=st.booleans())
    def send_and_lose_the_answer(self, full: bool) -> None:
        assert self.chain.pending is not None
        self.in_doubt = True
        self.server.enqueue(self.chain.pending, self.now_ms, full=full)

    @precondition(may_send)
    @rule()
    def send_and_stay_in_the_network(self) -> None:
        assert self.chain.pending is not None
        self.in_doubt = True
        self.late.append(self.chain.pending)

    @precondition(lambda self: self.chain.pending is not None)
    @rule()
    def give_up(self) -> None:
        assert self.chain.pending is not None
        self.chain.abandon()

    # -- the world -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: bool(self.late))
    @rule(data=st.data(), full=st.booleans())
    def late_copy_arrives(self, data: st.DataObject, full: bool) -> None:
        batch = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        self.server.enqueue(batch, self.now_ms, full=full)

    @rule()
    def replica_catches_up(self) -> None:
        self.replica = self.server.copy()

    @rule()
    def fail_over(self) -> None:
        # What the old server had not read from its sockets goes with it.
        self.late.clear()
        if self.replica.inbox != self.server.inbox:
            self.rolled_back = True
        self.server = self.replica.copy()

    @rule(duration_ms=st.sampled_from([1, 100, 499, 2_000]))
    def time_passes(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        if duration_ms > KEEP_MS / 4:
            self.late.clear()  # nothing stays in the network for that long

    # -- what must hold ------------------------------------------------------------------------------------------------

    def check_nothing_settled_is_missing(self) -> None:
        """Once a batch of a session is accepted, everything of that session accepted before is there or reported."""
        there = set(self.server.inbox)
        for payload, (session, _) in self.settled.items():
            if session == self.chain.session:
                assert payload in there or payload in self.reported

    @invariant()
    def nothing_is_there_twice(self) -> None:
        assert len(self.server.inbox) == len(set(self.server.inbox))

    @invariant()
    def the_order_is_that_of_sending(self) -> None:
        assert self.server.inbox == sorted(self.server.inbox)

    @invariant()
    def without_a_rollback_everything_settled_is_there(self) -> None:
        if not self.rolled_back:
            assert set(self.settled) <= set(self.server.inbox)


@pytest.mark.hazard(3)
def test_a_message_gets_in_once_or_is_reported() -> None:
    cast("Any", stateful).run_state_machine_as_test(
        SenderMachine, settings=settings(max_examples=150, stateful_step_count=40)
    )
