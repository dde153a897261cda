"""Whatever happens to entities that park messages, everything runs once and in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entities.partition.test_parking import A
from stead.entities._partition.partition import Started
from support.core_bench import Bench

STEPS = (
    "put",
    "put many",
    "put to wait",
    "read",
    "read one",
    "load",
    "turn",
    "finish",
    "build",
    "answer",
    "park",
    "refill",
    "refill two",
    "age",
    "evict",
    "hand over",
)


class Scenario:
    """Steps in any order; at the end everything runs, and has to have run in order."""

    def __init__(self, mailbox_length_max: int, batch_length_max: int) -> None:
        self.bench = Bench(
            mailbox_length_max=mailbox_length_max, batch_length_max=batch_length_max, mailbox_age_ms_max=10
        )
        self.partition = self.bench.acquire()
        self.number = 0
        self.started: list[Started] = []
        self.flying = False

    def put(self, count: int, operation: str = "add") -> None:
        for _ in range(count):
            self.bench.put(A, self.number, operation=operation)
            self.number += 1

    def take(self, started: list[Started]) -> None:
        self.started += started

    def build(self) -> None:
        if self.partition.wants_commit:
            commit = self.partition.next_commit()
            self.bench.apply(commit)
            self.flying = True

    def answer(self) -> None:
        if self.flying:
            self.partition.committed()
            self.flying = False

    def finish(self) -> None:
        if self.started:
            self.partition.finish(self.started.pop(0).activation, None, None)

    def age(self) -> None:
        self.bench.now_ms += 11
        self.partition.park_the_old()

    def hand_over(self) -> None:
        self.partition.end()
        self.partition = self.bench.acquire()
        self.started, self.flying = [], False

    def step(self, name: str) -> None:
        bench, partition = self.bench, self.partition
        bench.now_ms += 1
        steps: dict[str, Callable[[], object]] = {
            "put": lambda: self.put(1),
            "put many": lambda: self.put(9),
            "put to wait": lambda: self.put(1, "wait"),
            "read": lambda: bench.read(partition),
            "read one": lambda: bench.read(partition, count=1),
            "load": lambda: bench.load(partition),
            "turn": lambda: self.take(bench.turn(partition)),
            "finish": self.finish,
            "build": self.build,
            "answer": self.answer,
            "park": lambda: bench.park(partition),
            "refill": lambda: bench.refill(partition),
            "refill two": lambda: bench.refill(partition, count=2),
            "age": self.age,
            "evict": lambda: partition.evict(0),
            "hand over": self.hand_over,
        }
        steps[name]()

    def heal(self) -> None:
        self.answer()
        for _ in range(1_000):
            self.take(self.bench.work(self.partition))
            if not self.started:
                return
            self.finish()
        raise AssertionError("it never ends")


@pytest.mark.hazard(11)
@given(
    st.lists(st.sampled_from(STEPS), max_size=60),
    st.integers(min_value=1, max_value=6),
    st.integers(min_value=1, max_value=6),
)
def test_whatever_happens_everything_runs_once_and_in_order(names: list[str], mailbox: int, batch: int) -> None:
    scenario = Scenario(mailbox, batch)
    for name in names:
        scenario.step(name)
        assert scenario.partition.runnable >= 0
    scenario.heal()
    assert scenario.bench.state(A) == list(range(scenario.number))
    assert not scenario.bench.store.inbox
    assert not scenario.bench.store.parks
    assert scenario.partition.runnable == 0
    assert not scenario.partition.wants_parking
