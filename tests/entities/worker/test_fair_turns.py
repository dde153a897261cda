"""Inside a partition, and in what is committed: a busy entity costs the others a slice of time each, and no more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stead.entities._partition.activation import Activation
from stead.entities._partition.effects import Effects
from stead.entities._partition.partition import Environment, Partition
from stead.entities._partition.slice import Slice
from stead.entities._worker.board import Board
from stead.entities._worker.commits import HEAVY_WEIGHT, LIGHT_LENGTH, LIGHT_WEIGHT, Committer
from stead.entities._worker.turn_runner import TurnRunner
from stead.transport import Settings
from support.core_bench import Bench

A, B, C = "@list@a", "@list@b", "@list@c"


class TickingBench(Bench):
    """Every look at its clock finds it half a millisecond later."""

    _now_s = 0.0

    @property
    def elapsed(self) -> float:
        self._now_s += 0.0005
        return self._now_s

    @elapsed.setter
    def elapsed(self, now_s: float) -> None:
        self._now_s = now_s


def test_a_long_mailbox_takes_turns_with_the_others_of_its_partition() -> None:
    bench = TickingBench()
    bench.put_range(A, 1, 400)
    bench.put(B, 1)
    bench.put(C, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    places = [bench.kind.ran.index((target, 1)) for target in (B, C)]
    assert max(places) < 12, places  # and not behind 400
    assert [value for target, value in bench.kind.ran if target == A] == [*range(1, 401)]


def test_an_activation_is_told_whether_anything_else_ran_since_its_last_turn() -> None:
    bench = TickingBench()
    bench.put_range(A, 1, 30)
    partition = bench.acquire()
    list_run = bench.kind.run
    told: list[tuple[str, bool]] = []

    def run(activation: Activation, effects: Effects, slice: Slice) -> Any:
        told.append((activation.target, slice.going_on))
        return list_run(activation, effects, slice)

    bench.kind.run = run  # type: ignore[method-assign]
    bench.deliver(partition)
    bench.turn(partition)
    assert told[:3] == [(A, False), (A, True), (A, True)]  # alone, nothing can have changed what it holds
    told.clear()
    bench.put_range(A, 31, 60)
    bench.put_range(B, 1, 30)
    bench.deliver(partition)
    bench.turn(partition)
    assert [target for target, _ in told[:4]] == [A, B, A, B]
    assert not any(going_on for _, going_on in told[:4])  # the other's code ran, and may have kept some of it


def test_work_that_needs_no_message_ends_its_slice() -> None:
    bench = TickingBench()
    bench.put(A, 1)
    bench.put(B, 1)
    bench.put(C, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    list_run, steps = bench.kind.run, 0

    def run(activation: Activation, effects: Effects, slice: Slice) -> Any:
        nonlocal steps
        if activation.target != A:
            return list_run(activation, effects, slice)
        if activation.mailbox:
            list_run(activation, effects, slice)
        while not slice.late:
            steps += 1
        activation.more = True
        return None

    bench.kind.run = run  # type: ignore[method-assign]
    bench.turn(partition)
    assert partition.unfinished
    assert steps < 10  # one quantum, though the slice had no end
    assert [target for target, _ in bench.kind.ran] == [A]
    bench.turn(partition)
    assert {target for target, _ in bench.kind.ran} == {A, B, C}  # the others come before its next quantum


def environment_of(bench: Bench) -> Environment:
    return bench.acquire()._environment


class Hub:
    """A board with the tenures of some benches, and its committer."""

    def __init__(self, *lengths: int, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.benches = [Bench(**settings) for _ in lengths]
        self.board = Board("w", Store(), self.settings, environment_of(self.benches[0]))  # type: ignore[arg-type]
        self.committer = Committer(self.board, TurnRunner(self.board))
        self.partitions: list[Partition] = []
        for bench, length in zip(self.benches, lengths, strict=True):
            bench.put_range(A, 1, length)
            partition = bench.acquire()
            bench.deliver(partition)
            bench.turn(partition)
            self.partitions.append(partition)
            self.board.commit(partition)

    def weights(self, batch: Any) -> list[int]:
        return [len(commit.consumed) for _, commit in batch]


class Store:
    """What a board asks of a store before it has anything to do with it."""

    generation = 1


@pytest.mark.hazard(37)
async def test_the_lightest_commits_come_first_and_a_batch_has_a_limit_over_all_partitions() -> None:
    hub = Hub(100, 1, 60, 3, 60, batch_length_max=100)
    assert hub.weights(hub.committer._build()) == [1, 3, 60]
    assert hub.weights(hub.committer._build()) == [60]
    assert hub.weights(hub.committer._build()) == [100]
    assert hub.weights(hub.committer._build()) == []


@pytest.mark.hazard(37)
async def test_the_limit_is_one_of_bytes_too() -> None:
    hub = Hub(1, 2, 3, batch_bytes_max=1_024)
    for partition in hub.partitions:
        partition.effects.send(A, b"x" * 400)
    assert hub.weights(hub.committer._build()) == [1, 2]
    assert hub.weights(hub.committer._build()) == [3]


async def test_what_a_batch_had_no_room_for_is_first_in_the_next() -> None:
    """Else lighter ones that come all the time would hold up a heavy one for ever."""
    hub = Hub(2, 100, 1, batch_length_max=100)
    late = hub.partitions[2]
    del hub.board.to_commit[late]
    assert hub.weights(hub.committer._build()) == [2]
    hub.board.commit(late)
    assert hub.weights(hub.committer._build()) == [100]
    assert hub.weights(hub.committer._build()) == [1]


@pytest.mark.hazard(38)
async def test_the_members_of_a_batch_have_one_id_and_no_other_batch_has_it() -> None:
    hub = Hub(60, 1, 60, batch_length_max=100)
    batches = [hub.committer._build() for _ in range(2)]
    ids = [{commit.commit_id for _, commit in batch} for batch in batches]
    assert [len(each) for each in ids] == [1, 1]
    assert ids[0] != ids[1]


async def test_one_commit_goes_however_heavy_it_is() -> None:
    hub = Hub(100, batch_length_max=100)
    assert hub.weights(hub.committer._build()) == [100]


async def test_light_commits_overtake_a_batch_that_is_under_way() -> None:
    hub = Hub(LIGHT_WEIGHT + 1, LIGHT_WEIGHT, 1)
    assert hub.weights(hub.committer._build_light()) == [LIGHT_WEIGHT, 1]
    assert hub.weights(hub.committer._build()) == [LIGHT_WEIGHT + 1]


async def test_few_of_them_at_once() -> None:
    hub = Hub(*[1] * (LIGHT_LENGTH + 2))
    assert len(hub.committer._build_light()) == LIGHT_LENGTH
    assert len(hub.committer._build()) == 2


async def test_a_partition_whose_commit_is_under_way_sends_no_second_one() -> None:
    hub = Hub(1)
    assert len(hub.committer._build()) == 1
    hub.board.commit(hub.partitions[0])
    assert hub.committer._build_light() == []
    assert hub.committer._build() == []


@pytest.mark.parametrize("flies", [True, False])
async def test_the_second_lane_wakes_only_while_a_batch_is_under_way(flies: bool) -> None:
    hub = Hub(1)
    hub.board.batch_flies = flies
    hub.board.commit(hub.partitions[0])
    assert hub.board.overtaking._event.is_set() is flies


@pytest.mark.parametrize(
    ("lengths", "heavy"),
    [((HEAVY_WEIGHT,), True), ((HEAVY_WEIGHT // 2, HEAVY_WEIGHT // 2), True), ((2, 3), False), ((1,), False)],
)
async def test_only_a_heavy_batch_is_overtaken(lengths: tuple[int, ...], heavy: bool) -> None:
    hub = Hub(*lengths)
    sent = asyncio.Event()
    answer = asyncio.Event()

    async def send(batch: Any) -> None:
        sent.set()
        await answer.wait()

    hub.committer._send = send  # type: ignore[method-assign]
    running = asyncio.create_task(hub.committer.run())
    await sent.wait()
    assert hub.board.batch_flies is heavy
    answer.set()
    running.cancel()
