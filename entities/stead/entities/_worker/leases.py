"""Which leases a worker may take and which it should give back: pure decisions (HAZARDS 19).

A partition is taken from another worker only after its lease has been seen expired twice, unchanged, a third of a lease
apart: renewals that queue behind a stall or a restart of the server win against the taker.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stead.transport import LeaseView


class Expired(NamedTuple):
    """A lease that was seen expired, and since when."""

    token: bytes
    expires_ms: int
    since_s: float


class LeaseWatch:
    """Remembers which leases were seen expired, and since when."""

    def __init__(self, lease_ms: int) -> None:
        self._lease_ms = lease_ms
        self._expired: dict[int, Expired] = {}  # by partition

    def takeable(self, view: LeaseView, server_ms: int, monotonic: float) -> bool:
        """Whether a partition may be acquired now, given what the server says and this process's monotonic seconds."""
        if not view.token:
            return True
        if not self._is_expired(view, server_ms):
            self._expired.pop(view.partition, None)
            return False
        seen = self._expired.get(view.partition)
        if seen is None or (seen.token, seen.expires_ms) != (view.token, view.expires_ms):
            self._expired[view.partition] = Expired(view.token, view.expires_ms, monotonic)
            return False
        return (monotonic - seen.since_s) * 1000 >= self._lease_ms / 3

    def _is_expired(self, view: LeaseView, server_ms: int) -> bool:
        # An expiry further away than a lease can be means that the server's clock stepped back.
        return view.expires_ms <= server_ms or view.expires_ms > server_ms + self._lease_ms


@dataclass(frozen=True, slots=True)
class LeasePlan:
    """What a worker should do about leases now."""

    acquire: list[LeaseView]
    release: list[int]
    quarantined: list[int]
    stood_in: dict[int, int]
    """Partitions that are acquired, or held, in place of those whom they are meant for: since when, by the server's clock."""


def plan_leases(
    *,
    me: str,
    views: Sequence[LeaseView],
    owners: Mapping[int, str],
    held: Container[int],
    beats: Mapping[str, int],
    stood_in: Mapping[int, int],
    watch: LeaseWatch,
    server_ms: int,
    monotonic: float,
    lease_ms: int,
) -> LeasePlan:
    """Compare the leases as they are with the assignment as it should be.

    A partition that is meant for somebody else is acquired all the same once it has been free for longer than a lease:
    whoever it is meant for has had its time. It is kept until that one is heard of again (`beats`: when workers were heard of
    last): one that has died counts as alive for a while, and what is given back to it would be taken again, and so on.
    `stood_in`: what the plan before said of that.
    """
    plan = LeasePlan([], [], [], {})
    for view in views:
        meant_for = owners.get(view.partition, "")
        mine = meant_for == me
        if view.quarantined:
            plan.quarantined.append(view.partition)
        elif view.partition in held:
            since_ms = stood_in.get(view.partition)
            if since_ms is not None and not mine and beats.get(meant_for, 0) <= since_ms:
                plan.stood_in[view.partition] = since_ms
            elif not mine:
                plan.release.append(view.partition)
        elif view.token and view.owner == me:
            # This very process lost track of it (a restart of the server): nobody else holds it.
            plan.acquire.append(view)
        elif watch.takeable(view, server_ms, monotonic) and (mine or _abandoned(view, server_ms, lease_ms)):
            plan.acquire.append(view)
            if not mine:
                plan.stood_in[view.partition] = server_ms
    return plan


def _abandoned(view: LeaseView, server_ms: int, lease_ms: int) -> bool:
    since_ms = view.expires_ms if view.token else view.free_since_ms
    return since_ms > 0 and server_ms - since_ms > lease_ms
