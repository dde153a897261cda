"""Signals that are carried out later, from their message to their time."""

from __future__ import annotations

import pytest

from entities.partition.test_partition import A
from stead.entities._message.envelope import ReplyAddress
from support.core_bench import Bench


@pytest.mark.hazard(24)
def test_a_scheduled_signal_is_due_its_delay_after_its_acceptance() -> None:
    bench = Bench()
    bench.put(A, 1, delay_ms=5_000)
    accepted_ms = bench.now_ms
    bench.now_ms += 1_000  # it is read a second later
    partition = bench.acquire()
    bench.work(partition)
    assert bench.store.timers.next_due_ms == accepted_ms + 5_000
    assert partition.next_due_ms == accepted_ms + 5_000
    assert not bench.store.inbox
    bench.now_ms = accepted_ms + 4_999
    assert bench.fire(partition) == 0
    bench.now_ms += 1
    assert bench.fire(partition) == 1
    bench.work(partition)
    assert bench.state(A) == [1]
    assert not bench.store.timers
    assert partition.next_due_ms is None


def test_a_signal_scheduled_for_the_past_is_delivered_at_once() -> None:
    bench = Bench()
    bench.put(A, 1, due_ms=bench.now_ms - 1)
    bench.put(A, 2, delay_ms=0)
    bench.work(bench.acquire())
    assert bench.state(A) == [1, 2]


def test_scheduled_signals_are_ordered_by_due_time_and_survive_a_hand_over() -> None:
    bench = Bench()
    bench.put(A, 2, delay_ms=2_000)
    bench.put(A, 1, due_ms=bench.now_ms + 1_000)
    bench.put(A, 3, delay_ms=3_000)
    bench.work(bench.acquire())
    bench.now_ms += 10_000
    partition = bench.acquire()
    assert partition.next_due_ms == bench.now_ms - 9_000
    assert bench.fire(partition) == 3
    bench.work(partition)
    assert bench.state(A) == [1, 2, 3]


def test_a_timer_set_while_timers_are_fired_is_not_forgotten() -> None:
    bench = Bench()
    partition = bench.acquire()
    partition.fire_begins()  # the store says that there is no timer…
    bench.put(A, 1, delay_ms=500)
    bench.work(partition)  # …and meanwhile one is set
    partition.fired(None)
    assert partition.next_due_ms == bench.now_ms + 500


def test_a_scheduled_call_keeps_its_reply_address() -> None:
    bench = Bench()
    bench.put(A, 1, delay_ms=10, reply_to=ReplyAddress(0, "client", 7))
    partition = bench.acquire()
    bench.work(partition)
    assert not bench.hub.replies
    bench.now_ms += 10
    bench.fire(partition)
    bench.work(partition)
    assert list(bench.hub.replies) == [(0, "client")]
