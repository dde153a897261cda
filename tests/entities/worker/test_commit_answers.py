"""What a worker makes of the answers to a batch of commits: each is for its own partition."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stead.entities._partition.partition import Partition
from stead.entities._worker.board import Board
from stead.entities._worker.commits import Committer
from stead.entities._worker.turn_runner import TurnRunner
from stead.transport import (
    Commit,
    CommitAnswer,
    CommitVerdict,
    ConnectionLost,
    KeyDamaged,
    ServerChanged,
    ServerClock,
    Settings,
)
from support.core_bench import Bench

pytestmark = pytest.mark.anyio

A = "@a@1"
APPLIED, ALREADY, FENCED = CommitVerdict.APPLIED, CommitVerdict.ALREADY, CommitVerdict.FENCED
RECEIVER = 5


class Store:
    """Gives the answers that it was given, one list a call."""

    def __init__(self) -> None:
        self.generation = 1
        self.clock = ServerClock()
        self.sent: list[list[Commit]] = []
        self.seen: list[list[tuple[bytes, bytes, Any]]] = []  # what the commits held when they were sent
        self.answers: list[Any] = []
        self.between: Any = None

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        self.sent.append(list(commits))
        self.seen.append([(each.commit_id, each.previous, [*each.sends]) for each in commits])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            if self.between is not None:
                self.between()
            raise answer
        return list(answer)


class Hub:
    """A board with some tenures, each of which has something to commit, and a committer."""

    def __init__(self, count: int) -> None:
        self.settings = Settings()
        self.store = Store()
        self.partitions: list[Partition] = []
        benches = [Bench() for _ in range(count)]
        for number, bench in enumerate(benches):
            bench.put_range(A, 1, 2)
            partition = bench.acquire()
            partition.number = number
            bench.deliver(partition)
            bench.turn(partition)
            partition.effects._sends.append((RECEIVER, b"sent"))
            self.partitions.append(partition)
        self.board = Board("w", self.store, self.settings, self.partitions[0]._environment)  # type: ignore[arg-type]
        self.committer = Committer(self.board, TurnRunner(self.board))
        for partition in self.partitions:
            self.board.partitions[partition.number] = partition
            self.board.commit(partition)

    async def send(self, *answers: Any) -> None:
        self.store.answers = list(answers)
        await self.committer._send(self.committer._build())
        assert self.store.answers == []

    @property
    def held(self) -> list[int]:
        return [partition.number for partition in self.partitions if not partition.gone]

    @property
    def settled(self) -> list[int]:
        return [partition.number for partition in self.partitions if partition._flying is None]


def damage(step: int, partition: int | None, key: bytes = b"key") -> KeyDamaged:
    return KeyDamaged("it is something else", partition, step, key)


@pytest.mark.hazard(31)
@pytest.mark.parametrize("verdict", [FENCED, CommitVerdict.TORN, CommitVerdict.VOID, damage(1, 1)])
async def test_who_is_refused_begins_anew_and_nobody_else(verdict: CommitAnswer) -> None:
    hub = Hub(3)
    await hub.send([APPLIED, verdict, ALREADY])
    assert hub.held == [0, 2]
    assert hub.settled == [0, 2]
    assert len(hub.store.sent) == 1


@pytest.mark.hazard(31)
async def test_what_cannot_be_delivered_is_left_out_of_that_commit_alone() -> None:
    hub = Hub(3)
    await hub.send([APPLIED, damage(1, RECEIVER), APPLIED], [APPLIED])
    assert hub.held == hub.settled == [0, 1, 2]
    first, again = hub.store.sent
    assert again == [first[1]]
    assert again[0].sends == []
    assert len(again[0].dead) == 1
    assert hub.store.seen[1][0][0] == hub.store.seen[0][1][0]  # under the same ID


@pytest.mark.hazard(33)
async def test_a_batch_whose_answer_was_lost_is_sent_again_as_it_was_whoever_is_lost_meanwhile() -> None:
    hub = Hub(3)
    hub.store.between = lambda: hub.board.lost({1})
    await hub.send(ConnectionLost("the answer"), [ALREADY, FENCED, APPLIED])
    assert hub.store.sent[0] == hub.store.sent[1]
    assert hub.store.seen[0] == hub.store.seen[1]
    assert hub.held == [0, 2]
    assert hub.settled == [0, 2]


@pytest.mark.hazard(31)
async def test_a_commit_that_cannot_be_sent_is_its_partition_s_trouble_alone() -> None:
    hub = Hub(3)
    broken = IndexError("no such group")
    await hub.send(broken, [APPLIED], broken, [ALREADY])
    assert [[each.partition for each in sent] for sent in hub.store.sent] == [[0, 1, 2], [0], [1], [2]]
    assert len({each.commit_id for sent in hub.store.sent for each in sent}) == 1
    assert hub.held == hub.settled == [0, 2]


@pytest.mark.hazard(31)
async def test_what_goes_together_cannot_be_sent_together() -> None:
    hub = Hub(3)
    batch = hub.committer._build()
    batch[0][1].component = batch[2][1].component = 7
    hub.store.answers = [IndexError("no such group"), IndexError("no such group"), [APPLIED]]
    await hub.committer._send(batch)
    assert [[each.partition for each in sent] for sent in hub.store.sent] == [[0, 1, 2], [0, 2], [1]]
    assert hub.held == [1]


@pytest.mark.hazard(33)
async def test_nothing_is_sent_to_another_server() -> None:
    hub = Hub(2)

    def fail_over() -> None:
        hub.store.generation = 2

    hub.store.between = fail_over
    await hub.send(ServerChanged("generation 2"))
    assert len(hub.store.sent) == 1
    assert hub.held == []


@pytest.mark.hazard(38)
async def test_what_ended_while_a_batch_flies_goes_in_the_next_one() -> None:
    hub = Hub(2)
    hub.store.answers = [[APPLIED, APPLIED], [APPLIED]]
    sending = asyncio.ensure_future(hub.committer._send(hub.committer._build()))
    hub.partitions[0].effects._sends.append((RECEIVER, b"later"))
    hub.board.commit(hub.partitions[0])
    assert hub.committer._build() == []
    await sending
    [(partition, commit)] = hub.committer._build()
    assert (partition, [*commit.sends]) == (hub.partitions[0], [(RECEIVER, b"later")])
    assert commit.previous == hub.store.sent[0][0].commit_id
