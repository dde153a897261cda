"""Whether the simulation would find it if a batch of commits were written, or heard of, in a wrong way, or one of messages run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence

import pytest

from simulation import workers
from simulation.driver import run
from simulation.surroundings import MemorySurroundings
from stead.entities._definition.entity_type import Operation
from stead.entities._partition.activation import Activation
from stead.entities._turns import batching
from stead.entities._turns.batch import MessageBatch
from stead.entities._turns.body import EntityBody
from stead.entities._turns.known import Known
from stead.transport import Commit, CommitAnswer, CommitVerdict
from stead.transport._memory import commits
from stead.transport._memory.state import HubState

SEEDS = 60
STEPS = 300


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of operations fail as they should."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


_judge = commits._judge
_link = commits._link
_hear = workers.SimWorker.answer


def already_is_applied_again(hub: HubState, commit: Commit) -> CommitAnswer:
    answer = _judge(hub, commit)
    return CommitVerdict.APPLIED if answer is CommitVerdict.ALREADY else answer


def another_token_will_do(hub: HubState, commit: Commit) -> CommitAnswer:
    state = hub.partitions[commit.partition]
    if state.commit_id == commit.previous and commit.token:
        return CommitVerdict.APPLIED
    return _judge(hub, commit)


def another_history_will_do(hub: HubState, commit: Commit) -> CommitAnswer:
    answer = _judge(hub, commit)
    owned = hub.partitions[commit.partition].lease.token == commit.token
    return CommitVerdict.APPLIED if answer is CommitVerdict.FENCED and owned else answer


def each_by_itself(hub: HubState, batch: Sequence[Commit], answers: list[CommitAnswer], members: Sequence[int]) -> None:
    """Linked to others or not."""


def one_will_do(hub: HubState, batch: Sequence[Commit], answers: list[CommitAnswer], members: Sequence[int]) -> None:
    """If one is applied, all are."""
    if any(answers[place] is CommitVerdict.APPLIED for place in members):
        for place in members:
            answers[place] = CommitVerdict.APPLIED


def all_or_nothing(hub: HubState, batch: Sequence[Commit], answers: list[CommitAnswer], members: Sequence[int]) -> None:
    """Over the whole batch: one that is fenced holds up those that it is not linked to."""
    if any(answer is not CommitVerdict.APPLIED for answer in answers):
        for place in members:
            answers[place] = CommitVerdict.VOID if answers[place] is CommitVerdict.APPLIED else answers[place]


def void_goes_on(worker: workers.SimWorker) -> None:
    """As if only the one that was refused had to begin anew."""
    flight = worker.flight
    if flight is not None and flight.verdicts is not None:
        void = CommitVerdict.VOID
        flight.verdicts = [CommitVerdict.APPLIED if each is void else each for each in flight.verdicts]
    _hear(worker)


def made_anew(worker: workers.SimWorker) -> None:
    """Under another ID, before its answer is here."""
    flight = worker.flight
    if flight is not None and flight.verdicts is None:
        batch_id = worker.draw(16)
        for commit in flight.commits:
            commit.commit_id = batch_id
    _hear(worker)


def not_undone(activation: Activation, body: EntityBody) -> None:
    """What a batch that failed has done stays, and its messages run again."""


def all_of_one_operation(known: Known, name: str) -> Operation | None:
    """A batch goes on over another operation."""
    return known.operation("note" if name == "ask" else name)


def first_only(batch: MessageBatch) -> int:
    """The others are dealt with, and stay in the mailbox."""
    return 1


MUTATIONS: list[tuple[object, str, Callable[..., object]]] = [
    (commits, "_judge", already_is_applied_again),
    (commits, "_judge", another_token_will_do),
    (commits, "_judge", another_history_will_do),
    (commits, "_link", each_by_itself),
    (commits, "_link", one_will_do),
    (commits, "_link", all_or_nothing),
    (workers.SimWorker, "answer", void_goes_on),
    (workers.SimWorker, "answer", made_anew),
    (batching, "roll_back", not_undone),
    (Known, "find", all_of_one_operation),
    (MessageBatch, "__len__", first_only),
]


def noticed(seed: int) -> bool:
    """Whether a world breaks an invariant."""
    try:
        asyncio.run(run(MemorySurroundings(), seed, STEPS))
    except AssertionError as error:
        return "invariant" in str(error) or "names its last commit" in str(error)
    return False


@pytest.mark.hazard(31)
@pytest.mark.hazard(33)
@pytest.mark.hazard(34)
@pytest.mark.hazard(110)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation[2].__name__)
def test_a_mutation_is_found(
    mutation: tuple[object, str, Callable[..., object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*mutation)
    assert any(noticed(seed) for seed in range(SEEDS))
