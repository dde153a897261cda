"""The assignment of partitions to workers: even, complete, stable, and aware of who knows what."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities._index.assignment import assign_partitions

NONE: frozenset[str] = frozenset()
workers = st.sets(st.text("abcdefgh", min_size=1, max_size=4), min_size=1, max_size=20)


@given(workers, st.integers(1, 200))
def test_every_partition_has_one_living_owner_and_shares_differ_by_one_at_most(
    names: set[str], partitions: int
) -> None:
    owners = assign_partitions(dict.fromkeys(names, NONE), partitions, {})
    assert sorted(owners) == list(range(partitions))
    taken = Counter(owners.values())
    assert set(taken) <= names
    assert max(taken.values()) - min(taken[name] for name in names) <= 1


@given(workers, st.integers(1, 200))
def test_all_workers_compute_the_same_assignment(names: set[str], partitions: int) -> None:
    forwards = dict.fromkeys(sorted(names), NONE)
    backwards = dict.fromkeys(sorted(names, reverse=True), NONE)
    assert assign_partitions(forwards, partitions, {}) == assign_partitions(backwards, partitions, {})


def test_few_partitions_move_when_a_worker_goes() -> None:
    names = {f"worker-{number}": NONE for number in range(8)}
    before = assign_partitions(names, 256, {})
    gone = names.copy()
    del gone["worker-3"]
    after = assign_partitions(gone, 256, {})
    moved = sum(before[p] != after[p] for p in range(256) if before[p] != "worker-3")
    assert moved <= 256 // 8, "only what the even share demands may move besides the lost worker's own partitions"


@pytest.mark.hazard(27)
def test_a_partition_whose_messages_wait_for_a_kind_goes_to_a_worker_that_knows_it() -> None:
    names = {"new": frozenset({"station", "alarm"}), "old": frozenset({"station"})}
    owners = assign_partitions(names, 16, {p: {"alarm"} for p in range(6)})
    assert {owners[p] for p in range(6)} == {"new"}
    assert Counter(owners.values()) == {"new": 8, "old": 8}


def test_a_kind_that_nobody_knows_changes_nothing() -> None:
    names = {"one": frozenset({"station"}), "two": frozenset({"station"})}
    owners = assign_partitions(names, 8, dict.fromkeys(range(8), frozenset({"ghost"})))
    assert Counter(owners.values()) == {"one": 4, "two": 4}


def test_without_workers_nobody_gets_anything() -> None:
    assert assign_partitions({}, 8, {}) == {}
