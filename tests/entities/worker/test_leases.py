"""Which leases may be taken: HAZARDS 19, as pure decisions."""

from __future__ import annotations

import pytest

from stead.entities._worker.leases import LeasePlan, LeaseWatch, plan_leases
from stead.transport import LeaseView

LEASE_MS = 9_000


def view(
    partition: int = 0, *, token: bytes = b"t", owner: str = "other", expires_ms: int = 0, free_since_ms: int = 0
) -> LeaseView:
    return LeaseView(partition, token, owner, 1, expires_ms, free_since_ms, False)


def test_a_free_partition_may_be_taken_at_once() -> None:
    assert LeaseWatch(LEASE_MS).takeable(view(token=b""), 1_000_000, 0.0)


def test_a_living_lease_may_not_be_taken() -> None:
    watch = LeaseWatch(LEASE_MS)
    for second in range(10):
        assert not watch.takeable(view(expires_ms=1_000_001), 1_000_000, float(second))


@pytest.mark.hazard(19)
def test_an_expired_lease_is_taken_only_when_seen_twice_a_third_of_a_lease_apart() -> None:
    watch = LeaseWatch(LEASE_MS)
    expired = view(expires_ms=999_999)
    assert not watch.takeable(expired, 1_000_000, 0.0)
    assert not watch.takeable(expired, 1_002_900, 2.9)
    assert watch.takeable(expired, 1_003_000, 3.0)


@pytest.mark.hazard(19)
def test_a_renewal_between_the_two_looks_wins() -> None:
    watch = LeaseWatch(LEASE_MS)
    assert not watch.takeable(view(expires_ms=999_999), 1_000_000, 0.0)
    assert not watch.takeable(view(expires_ms=1_001_000), 1_003_000, 3.0), (
        "it was renewed: another expiry, looked at anew"
    )
    assert watch.takeable(view(expires_ms=1_001_000), 1_006_000, 6.0)


@pytest.mark.hazard(19)
def test_an_expiry_further_away_than_a_lease_counts_as_expired() -> None:
    """The server's clock stepped back."""
    watch = LeaseWatch(LEASE_MS)
    far = view(expires_ms=1_000_000 + LEASE_MS + 1)
    assert not watch.takeable(far, 1_000_000, 0.0)
    assert watch.takeable(far, 1_000_000, 3.0)


def plan(
    views: list[LeaseView],
    owners: dict[int, str],
    held: set[int],
    server_ms: int = 1_000_000,
    beats: dict[str, int] | None = None,
    stood_in: dict[int, int] | None = None,
) -> LeasePlan:
    return plan_leases(
        me="me",
        views=views,
        owners=owners,
        held=held,
        beats=beats or {},
        stood_in=stood_in or {},
        watch=LeaseWatch(LEASE_MS),
        server_ms=server_ms,
        monotonic=0.0,
        lease_ms=LEASE_MS,
    )


def test_a_worker_takes_what_is_meant_for_it_and_gives_back_what_is_not() -> None:
    views = [view(0, token=b""), view(1, token=b""), view(2, owner="me", expires_ms=1_001_000)]
    found = plan(views, {0: "me", 1: "other", 2: "other"}, {2})
    assert [v.partition for v in found.acquire] == [0]
    assert found.release == [2]


def test_anyone_may_take_what_was_free_for_longer_than_a_lease() -> None:
    long_free = view(0, token=b"", free_since_ms=1_000_000 - LEASE_MS - 1)
    just_freed = view(1, token=b"", free_since_ms=1_000_000 - 10)
    found = plan([long_free, just_freed], {0: "other", 1: "other"}, set())
    assert [v.partition for v in found.acquire] == [0]


@pytest.mark.hazard(19)
def test_what_was_taken_in_place_of_a_dead_worker_is_kept_while_that_still_counts_as_alive() -> None:
    """Given back, it would stand still until it was taken again, and what runs of it would be handed on each time."""
    abandoned = view(0, expires_ms=1_000_000 - LEASE_MS - 1)
    watch = LeaseWatch(LEASE_MS)
    watch.takeable(abandoned, 1_000_000, -LEASE_MS / 1000)
    owners, beats = {0: "dead"}, {"dead": 999_000}
    took = plan_leases(
        me="me",
        views=[abandoned],
        owners=owners,
        held=(),
        beats=beats,
        stood_in={},
        watch=watch,
        server_ms=1_000_000,
        monotonic=0.0,
        lease_ms=LEASE_MS,
    )
    assert [v.partition for v in took.acquire] == [0]
    held = [view(0, owner="me", expires_ms=1_009_000)]
    kept = plan(held, owners, {0}, 1_001_000, beats, took.stood_in)
    assert kept.release == []
    assert kept.stood_in == took.stood_in
    assert plan(held, owners, {0}, 1_002_000, {"dead": 1_001_500}, kept.stood_in).release == [0]  # it lives after all
    assert plan(held, {0: "another"}, {0}, 1_002_000, {"another": 1_001_500}, kept.stood_in).release == [0]
    mine = plan(held, {0: "me"}, {0}, 1_002_000, beats, kept.stood_in)
    assert (mine.release, mine.stood_in) == ([], {})
    assert plan(held, owners, {0}, 1_003_000, beats, mine.stood_in).release == [0]  # an assignment as any other


def test_a_worker_takes_back_at_once_what_it_lost_track_of_itself() -> None:
    """After a restart of the server the lease is still its own: nobody else holds it."""
    found = plan([view(0, owner="me", expires_ms=1_005_000)], {0: "me"}, set())
    assert [v.partition for v in found.acquire] == [0]


def test_a_quarantined_partition_is_left_alone() -> None:
    torn = LeaseView(0, b"", "", 1, 0, 1, True)
    found = plan([torn], {0: "me"}, set())
    assert not found.acquire
    assert found.quarantined == [0]
