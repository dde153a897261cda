"""A commit as the script takes it: one packed argument, and every key that the script touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Literal, TypeVar

from stead.transport._contract.commit import Commit, Timer, doubtful, in_order

from .commit_signature import (
    Answers,
    Instances,
    Listed,
    Logged,
    NewTask,
    Reservation,
    Send,
    Unparking,
    WriteCommit,
)
from .keys import Keys
from .scripts import COMMIT

_K = TypeVar("_K")
_V = TypeVar("_V")

_REPLIES_MAX = 100_000  # answers that wait for one client; `reply_keep_ms` bounds their age


def pack_commit(keys: Keys, commit: Commit, dead_letters_max: int, reply_keep_ms: int) -> bytes:
    """The command that applies a commit. Pure: the same commit gives the same bytes."""
    own = keys.partitions[commit.partition]
    names = [
        own.lease,
        own.inbox,
        own.state,
        own.index,
        own.timers,
        own.payloads,
        own.parked,
        own.blocked,
        own.dead,
    ]
    # Messages for one receiver stay in their order; receivers are named by their place in KEYS, which counts from 1.
    sends: list[Send] = []
    by_receiver = _grouped(_sent(commit) if commit.starts else commit.sends)
    for partition, payloads in by_receiver.items():
        names.append(keys.partitions[partition].inbox)
        sends.append(Send(len(names), payloads))
    replies: list[Answers] = []
    if commit.replies:
        for (group, client), payloads in _grouped([((r.group, r.client), r.payload) for r in commit.replies]).items():
            names.append(keys.reply(group, client))
            replies.append(Answers(len(names), payloads))
    unparked: list[Unparking] = []
    for park in commit.unparked:
        names.append(own.park(park.target))
        unparked.append(Unparking(len(names), park.target, park.stream_ids))
    instances: Instances | Literal[0] = 0
    uncertain = doubtful(commit)
    if commit.logs or commit.tasks or commit.dropped or commit.starts or commit.started or uncertain:
        instances = _pack_instances(keys, commit, names, list(by_receiver), uncertain)
    # By their places: names cost more at a call than all the rest of it, and a test looks at each.
    arguments = WriteCommit(
        commit.token,
        commit.previous,
        commit.commit_id,
        commit.consumed,
        list(chain.from_iterable(commit.states)),
        commit.created,
        commit.deleted,
        _flat_timers(commit.timers) if commit.timers else (),
        sends,
        replies,
        commit.dead,
        unparked,
        list(chain.from_iterable(commit.blocked)) if commit.blocked else (),
        commit.unblocked,
        commit.cancelled,
        int(commit.suspect_passed),
        int(commit.clear_running),
        dead_letters_max,
        reply_keep_ms,
        _REPLIES_MAX,
        instances,
    )
    return COMMIT.call(names, arguments)


def _pack_instances(
    keys: Keys, commit: Commit, names: list[bytes], receivers: Sequence[int], uncertain: Sequence[str]
) -> Instances:
    """What instances do, as the script takes it. Adds the keys to `names`; `receivers` are those of the sends, in order."""
    own = keys.partitions[commit.partition]
    names += (own.tasks, own.tries, own.starts)
    first = len(names) - 2
    logs: list[Logged] = []
    for log in commit.logs:
        names.append(own.log(log.target))
        logs.append(Logged(len(names), int(log.reset), log.events))
    queues: dict[str, int] = {}
    for task in commit.tasks:
        if task.shared and task.queue not in queues:
            names.append(keys.queue(task.queue))
            queues[task.queue] = len(names)
    new_tasks = [NewTask(task.task_id, queues[task.queue] if task.shared else 0, task.payload) for task in commit.tasks]
    reserving: dict[int, int] = {}
    reservations: list[Reservation] = []
    counts = dict.fromkeys(receivers, 0)  # payloads of each receiver so far
    for partition, _, start in in_order(commit.sends, commit.starts):
        counts[partition] += 1
        if start is None:
            continue
        if partition not in reserving:
            names.append(keys.partitions[partition].starts)
            reserving[partition] = len(names)
        place = receivers.index(partition) + 1
        reservations.append(Reservation(reserving[partition], start.target, start.message_id, place, counts[partition]))
    listed: list[Listed] = []
    for partition, targets in _grouped((start.partition, start.target) for start in commit.starts).items():
        names.append(keys.partitions[partition].index)
        listed.append(Listed(len(names), [word for target in targets for word in (0, target)]))
    return Instances(
        first,
        logs,
        new_tasks,
        commit.dropped,
        reservations,
        list(chain.from_iterable(commit.started)),
        str(commit.partition),
        listed,
        uncertain,
    )


def _flat_timers(timers: Iterable[Timer]) -> list[bytes | str]:
    return list(chain.from_iterable([(timer.timer_id, str(timer.due_ms), timer.payload) for timer in timers]))


def _sent(commit: Commit) -> Iterable[tuple[int, bytes]]:
    return ((partition, payload) for partition, payload, _ in in_order(commit.sends, commit.starts))


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, list[_V]]:
    groups: defaultdict[_K, list[_V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
