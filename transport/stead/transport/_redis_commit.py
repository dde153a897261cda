"""A commit as the script takes it: one packed argument, and every key that the script touches."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, TypeVar

from ._keys import Keys
from ._records import Commit
from ._scripts import COMMIT

_K = TypeVar("_K")

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
    sends: list[tuple[int, list[bytes]]] = []
    for partition, payloads in _grouped(commit.sends).items():
        names.append(keys.partitions[partition].inbox)
        sends.append((len(names), payloads))
    replies: list[tuple[int, list[bytes]]] = []
    for (group, client), payloads in _grouped(((r.group, r.client), r.payload) for r in commit.replies).items():
        names.append(keys.reply(group, client))
        replies.append((len(names), payloads))
    unparked: list[tuple[int, str, Any]] = []
    for park in commit.unparked:
        names.append(own.park(park.target))
        unparked.append((len(names), park.target, park.stream_ids))
    return COMMIT.packed(
        names,
        commit.token,
        commit.previous,
        commit.commit_id,
        commit.consumed,
        list(chain.from_iterable(commit.states)),
        commit.created,
        commit.deleted,
        list(chain.from_iterable((timer.timer_id, str(timer.due_ms), timer.payload) for timer in commit.timers)),
        sends,
        replies,
        commit.dead,
        unparked,
        list(chain.from_iterable(commit.blocked)),
        commit.unblocked,
        commit.cancelled,
        int(commit.suspect_passed),
        int(commit.clear_running),
        dead_letters_max,
        reply_keep_ms,
        _REPLIES_MAX,
    )


def _grouped(pairs: Iterable[tuple[_K, bytes]]) -> dict[_K, list[bytes]]:
    groups: dict[_K, list[bytes]] = {}
    for key, payload in pairs:
        groups.setdefault(key, []).append(payload)
    return groups
