"""What is so large that it is looked into in steps: its messages wait, and nothing of it is seen before the last one."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from stead.entities._partition.activation import Blocked, Locked, Opening, Phase
from stead.entities._partition.partition import Partition
from stead.entities._partition.well_formed import ill_formed
from support.core_bench import Bench, ListKind

A, B = "@list@a", "@list@b"


class LargeKind(ListKind):
    """Looks into A in three steps. Implements `Kind`."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.locked = False

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return (
            Opening(self._opened(target, record, log)).go_on() if target == A else super().activate(target, record, log)
        )

    def _opened(self, target: str, record: bytes | None, log: Sequence[bytes]) -> Generator[None, None, object]:
        for _ in range(2):
            self.steps += 1
            yield
        self.steps += 1
        body = super().activate(target, record, log)
        return Locked(body) if self.locked else body


def bench_with_a() -> tuple[Bench, LargeKind, Partition]:
    bench, kind = Bench(), LargeKind()
    bench.kind = kind
    bench.put(A, 1)
    bench.put(B, 1)
    partition = bench.acquire()
    bench.read(partition)
    for activation in partition.take_loads():
        assert partition.loaded(activation, bench.stored(activation.target)) is (activation.target == B)
    return bench, kind, partition


def test_it_takes_its_turns_after_the_last_step_and_others_before() -> None:
    bench, kind, partition = bench_with_a()
    activation = partition.activations[A]
    steps: list[int] = []
    done = False
    while not done:
        bench.turn(partition)
        steps.append(kind.steps)
        assert kind.ran == [(B, 1)]
        assert (activation.phase, partition.loading, ill_formed(partition)) == (Phase.LOADING, None, None)
        done = partition.load_on(activation)
    assert steps == [1, 2]
    bench.turn(partition)
    assert kind.ran == [(B, 1), (A, 1)]
    assert partition.load_on(activation)  # there is nothing to go on with


def test_what_the_last_step_gives_or_raises_counts_as_if_it_were_the_first() -> None:
    _, kind, partition = bench_with_a()
    kind.locked = True
    while not partition.load_on(partition.activations[A]):
        pass
    assert partition.activations[A].phase is Phase.LOCKED

    _, kind, partition = bench_with_a()
    kind.reasons[A] = Blocked("it does not fit")
    while not partition.load_on(partition.activations[A]):
        pass
    activation = partition.activations[A]
    assert (activation.phase, activation.kind, activation.body) == (Phase.BLOCKED, None, None)
    assert partition.load_again(1)


def test_a_tenure_may_end_in_the_middle() -> None:
    _, kind, partition = bench_with_a()
    partition.end()
    assert kind.forgotten == [B, A] or kind.forgotten == [A, B]


def test_in_careful_mode_all_steps_are_of_one_marker() -> None:
    bench, kind, _ = bench_with_a()
    for _ in range(2):
        bench.read(bench.acquire())
    heir = bench.acquire()
    kind.steps = 0
    bench.work(heir)
    assert (kind.steps, bench.state(A), bench.state(B)) == (3, [1], [1])
