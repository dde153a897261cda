"""Messages that only a living instance takes, in seeded worlds: each is taken or refused once, and who sent it is told which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from simulation.noticing import breaks_an_invariant
from simulation.recipient_world import run
from stead.transport import Batch, EnqueueResult, Verdict
from stead.transport._memory import instances, steps
from stead.transport._memory.state import HubState, PartitionState, Session

SEEDS = 25
STEPS = 150

pytestmark = [pytest.mark.hazard(3), pytest.mark.hazard(14)]


@pytest.mark.parametrize("seed", range(20))
def test_only_the_living_are_sent_to_whatever_gets_lost(seed: int) -> None:
    assert asyncio.run(run(seed, STEPS)) > 0


_enqueue, _judge, _goes_on = steps.enqueue, instances.judge, instances._goes_on


def forgets_what_was_refused(last: int, incarnation: int, expires_ms: int, refused: frozenset[int]) -> Session:
    """A batch that is sent again is said to be accepted whole."""
    return Session(last, incarnation, expires_ms)


def refused_ones_do_not_count(last: int, incarnation: int, expires_ms: int, refused: frozenset[int]) -> Session:
    """The session stands at the last message that was taken."""
    return Session(last - len(refused), incarnation, expires_ms, refused)


def looks_at_another_partition(hub: HubState, batch: Batch) -> frozenset[int]:
    """The names are the same in both."""
    theirs = hub.partitions[batch.partition - 1]
    dead = {one.position for one in batch.recipients if not _goes_on(theirs, one.target)}
    return (_judge(hub, batch) - {one.position for one in batch.recipients}) | dead


def judges_again(hub: HubState, batch: Batch, now_ms: int) -> EnqueueResult:
    """What has become of a batch that is sent again is said by what there is now."""
    result = _enqueue(hub, batch, now_ms)
    if result.verdict is not Verdict.DUPLICATE:
        return result
    state = hub.partitions[batch.partition]
    judged = {one.position for one in batch.recipients}
    now = {one.position for one in batch.recipients if not _goes_on(state, one.target)}
    return replace(result, refused=(result.refused - judged) | now)


def whoever_was_there_goes_on(state: PartitionState, target: str) -> bool:
    """Finished or not."""
    return target in state.records or target in state.starts


def who_has_begun_goes_on(state: PartitionState, target: str) -> bool:
    """A start that waits is nobody yet."""
    return target in state.records and _goes_on(state, target)


def a_record_says_it_all(state: PartitionState, target: str) -> bool:
    """Even if it is to be another one's."""
    record = state.records.get(target)
    return _goes_on(state, target) if record is None else record[:1] in instances._UNFINISHED


def recipients_first(hub: HubState, batch: Batch) -> frozenset[int]:
    """A message to what an earlier one of its batch starts comes too early."""
    return _judge(hub, replace(batch, starts=())) | _judge(hub, replace(batch, recipients=()))


def starts_first(hub: HubState, batch: Batch) -> frozenset[int]:
    """A message to what a later one of its batch starts is taken."""
    return _judge(hub, replace(batch, recipients=())) | _judge(hub, replace(batch, starts=()))


MUTATIONS: list[tuple[object, str, Callable[..., object]]] = [
    (steps, "Session", forgets_what_was_refused),
    (steps, "Session", refused_ones_do_not_count),
    (steps, "enqueue", judges_again),
    (steps, "judge", looks_at_another_partition),
    (steps, "judge", recipients_first),
    (steps, "judge", starts_first),
    (instances, "_goes_on", whoever_was_there_goes_on),
    (instances, "_goes_on", who_has_begun_goes_on),
    (instances, "_goes_on", a_record_says_it_all),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation[2].__name__)
def test_a_mutation_is_found(
    mutation: tuple[object, str, Callable[..., object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*mutation)

    assert any(breaks_an_invariant(run(seed, STEPS)) for seed in range(SEEDS))
