"""The atomic steps of a hub on plain data: each function is the twin of one script in `lua/`.

They read no clock and do not wait; whoever calls them holds the store's lock, so that each is one step for everyone.
As in the scripts, everything is checked before the first change (HAZARDS 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from stead.transport._contract.errors import KeyDamaged, SourceSuperseded
from stead.transport._contract.records import (
    PARKS_LOOKED_AT,
    Acquired,
    Batch,
    EnqueueResult,
    LeaseView,
    PartitionInfo,
    Running,
    StreamId,
    Verdict,
    stream_order,
)

from .instances import judge
from .living import Beat
from .state import (
    NOBODY,
    HubState,
    PartitionState,
    Session,
    check_inbox,
    check_whole,
    outlived,
    owns,
)
from .streams import Stream, format_id

_UNKNOWN = Session(-1, 0, 0)  # what the store does not know begins after -1


# -- producers ---------------------------------------------------------------------------------------------------------


def enqueue(hub: HubState, batch: Batch, now_ms: int) -> EnqueueResult:
    """Put a batch into the inbox, once however often it is sent, if there is room (HAZARDS 3)."""
    state = hub.partitions[batch.partition]
    try:
        check_inbox(batch.partition, state)
    except KeyDamaged as error:
        return EnqueueResult(Verdict.DAMAGED, damage=error)
    record = _session(state, batch.session, now_ms)
    known = record or _UNKNOWN
    if batch.incarnation < known.incarnation:
        return EnqueueResult(Verdict.SUPERSEDED, known.incarnation)
    if record is not None and record.last >= batch.last:
        record.expires_ms = now_ms + batch.keep_ms
        # What was refused is remembered of the last batch alone: no other one is sent again by who needs to know.
        return EnqueueResult(
            Verdict.DUPLICATE, record.last, record.refused if record.last == batch.last else frozenset()
        )
    if known.last != batch.previous:
        return EnqueueResult(Verdict.GAP, known.last)
    waiting = len(state.inbox) + _parked(state)
    if waiting + len(batch.payloads) > batch.backlog_max:
        return EnqueueResult(Verdict.BACKLOG, waiting)
    refused = judge(hub, batch) if batch.starts or batch.recipients else frozenset[int]()
    for position, payload in enumerate(batch.payloads):
        if position not in refused:
            state.inbox.append(now_ms, payload)
    state.sessions[batch.session] = Session(batch.last, batch.incarnation, now_ms + batch.keep_ms, refused)
    return EnqueueResult(Verdict.ACCEPTED, batch.last, refused)


def open_source(state: PartitionState, source: str, incarnation: int, keep_ms: int, now_ms: int) -> int:
    """Make a producer the one of its source; gives the last number accepted."""
    session = f"source:{source}"
    known = _session(state, session, now_ms) or _UNKNOWN
    if incarnation < known.incarnation:
        raise SourceSuperseded(source)
    state.sessions[session] = Session(known.last, incarnation, now_ms + keep_ms, known.refused)
    return known.last


def _session(state: PartitionState, session: str, now_ms: int) -> Session | None:
    record = state.sessions.get(session)
    if record is not None:
        return record if record.expires_ms > now_ms else None
    for name in [name for name, other in state.sessions.items() if other.expires_ms <= now_ms]:
        del state.sessions[name]  # a new session comes: a good time to forget those that have ended
    return None


def _parked(state: PartitionState) -> int:
    return sum(len(park) for park in state.parks.values())


# -- leases ------------------------------------------------------------------------------------------------------------


def acquire(
    partition: int,
    state: PartitionState,
    worker: str,
    token: bytes,
    expected: bytes,
    lease_ms: int,
    now_ms: int,
    workers: Mapping[str, Beat] = NOBODY,
) -> Acquired | None:
    """Take a partition whose lease token is the expected one. Sent again, it gives the same.

    A token is drawn anew for each acquisition: one that is there already was put there by this very request, whose
    answer was lost.
    """
    lease = state.lease
    again = token != b"" and lease.token == token
    if not again and lease.token != expected:
        return None
    check_whole(partition, state)
    lives = outlived(workers, lease.owner, 0 if lease.owner == worker else lease.expires_ms)
    lease.token, lease.owner, lease.free_since_ms = token, worker, 0
    lease.epoch += 0 if again else 1
    lease.expires_ms = now_ms + lease_ms
    if expected and not again and lives:  # its owner only lost it
        take_back_try(state)
    elif expected and not again:  # its owner did not release it
        state.unclean += 1
        state.suspect_until = state.inbox.last
    return Acquired(
        partition=partition,
        token=token,
        epoch=lease.epoch,
        commit_id=state.commit_id,
        now_ms=now_ms,
        next_due_ms=state.timers.next_due_ms,
        parked={target: format_id(park.first) for target, park in state.parks.items() if park.first is not None},
        blocked=dict(state.blocked),
        unclean=state.unclean,
        suspect_until=format_id(state.suspect_until),
        running=state.running,
        deaths=state.deaths,
        catalogue=state.catalogue,
        built=dict(state.built),
    )


def release(state: PartitionState, token: bytes, now_ms: int) -> bool:
    """Give a partition back: it is free, and its last owner ended cleanly."""
    if not owns(state, token):
        return False
    state.lease.token, state.lease.owner = b"", ""
    state.lease.expires_ms, state.lease.free_since_ms = 0, now_ms
    take_back_try(state)
    return True


def take_back_try(state: PartitionState) -> None:
    """Whoever ran what the marker names has not ended on it: that try does not count."""
    running = state.running
    if running is not None:
        state.running = replace(running, tries=running.tries - 1) if running.tries > 1 else None


def renew(hub: HubState, leases: Mapping[int, bytes], lease_ms: int, now_ms: int) -> set[int]:
    """Prolong leases that are still held with the given tokens; gives the partitions of the others."""
    held = {partition for partition, token in leases.items() if owns(hub.partitions[partition], token)}
    for partition in held:
        hub.partitions[partition].lease.expires_ms = now_ms + lease_ms
    return set(leases) - held


def mark_running(state: PartitionState, token: bytes, running: Running | None, deaths: bytes | None = None) -> bool:
    """Careful mode: record what is about to run, or which deaths are known of (HAZARDS 20). None leaves what is there."""
    if not owns(state, token):
        return False
    if running is not None:
        state.running = running
    if deaths is not None:
        state.deaths = deaths
    return True


def lease_view(partition: int, state: PartitionState) -> LeaseView:
    lease = state.lease
    return LeaseView(
        partition=partition,
        token=lease.token,
        owner=lease.owner,
        epoch=lease.epoch,
        expires_ms=lease.expires_ms,
        free_since_ms=lease.free_since_ms,
        quarantined=state.applying != state.commit_id,
    )


# -- messages ----------------------------------------------------------------------------------------------------------


def park(partition: int, state: PartitionState, token: bytes, target: str, stream_ids: Sequence[StreamId]) -> bool:
    """Move messages of a target from the inbox to its park, under their own stream IDs (HAZARDS 11)."""
    if not owns(state, token):
        return False
    check_whole(partition, state)
    for stream_id in stream_ids:
        order = stream_order(stream_id)
        payload = state.inbox.delete(order)
        if payload is not None:
            state.parks.setdefault(target, Stream()).insert(order, payload)
    return True


def fire_timers(
    partition: int, state: PartitionState, token: bytes, limit: int, now_ms: int
) -> tuple[int, int | None] | None:
    """Move timers that are due into the inbox, the earliest first (HAZARDS 24)."""
    if not owns(state, token):
        return None
    check_whole(partition, state)
    fired = state.timers.take_due(now_ms, limit)
    for payload in fired:
        state.inbox.append(now_ms, payload)
    return len(fired), state.timers.next_due_ms


# -- people ------------------------------------------------------------------------------------------------------------


def partition_info(partition: int, state: PartitionState) -> PartitionInfo:
    entities = sum(target.startswith("@") for target in state.index)
    firsts = [stream.first for stream in (state.inbox, *islice(state.parks.values(), PARKS_LOOKED_AT))]
    return PartitionInfo(
        lease=lease_view(partition, state),
        backlog=len(state.inbox),
        parked=_parked(state),
        parked_targets=len(state.parks),
        blocked=dict(state.blocked),
        entities=entities
        - sum(target.startswith("@!") for target in state.index),  # but for kinds that are stead's own
        timers=len(state.timers),
        dead=len(state.dead),
        dead_trimmed=state.dead_trimmed,
        instances=len(state.index) - entities,
        tasks=len(state.tasks),
        parks={target: len(park) for target, park in islice(state.parks.items(), PARKS_LOOKED_AT)},
        suspect=state.running.target if state.unclean and state.running is not None else "",
        oldest_ms=min((first[0] for first in firsts if first is not None), default=None),
    )


def measure(
    hub: HubState, worker: str, blocks: tuple[bytes, bytes], minute: int, now_ms: int, keep_ms: int, first: bool
) -> bool:
    """Keep what a worker has measured, unless what it said before is gone."""
    if not first and worker not in hub.measures:
        return False
    hub.measures[worker], part = blocks
    for passed in [number for number, (until_ms, _) in hub.minutes.items() if until_ms <= now_ms]:
        del hub.minutes[passed]
    hub.minutes[minute] = now_ms + keep_ms, {**hub.minutes.get(minute, (0, {}))[1], worker: part}
    return True


def fold_measures(hub: HubState, ended: Mapping[str, bytes], before: bytes, after: bytes) -> bool:
    """Take what ended workers have measured into the sum of all of them."""
    found = hub.measures
    if found.get("", b"") != before or any(found.get(worker) != block for worker, block in ended.items()):
        return False
    for worker in ended:
        del found[worker]
    found[""] = after
    return True
