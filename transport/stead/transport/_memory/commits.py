"""The step that writes a batch of commits, on plain data: the twin of `lua/commit.lua`.

1. Every member is judged before anything is written: by its own lease, its own history and the keys that it touches.
2. A component of which one member cannot be applied is not applied.
3. What is applied is written part by part, over all members: reservations that end before those that begin, and whatever
   depends on what is stored last (HAZARDS 35). To who reads afterwards it is all one step.
"""

from __future__ import annotations

from collections.abc import Sequence

from stead.transport._contract.commit import (
    Commit,
    CommitAnswer,
    CommitVerdict,
    Reply,
    Unpark,
    components_of,
    doubtful,
    in_batch_order,
)
from stead.transport._contract.errors import KeyDamaged
from stead.transport._contract.records import stream_order

from .indexes import write_feeds, write_indexes
from .instances import end_starts, reserve_sent, settle_index, write_instances
from .state import HubState, PartitionState, Replies, check_inbox, owns
from .streams import Order


def commit(
    hub: HubState, commits: Sequence[Commit], now_ms: int, dead_letters_max: int, reply_keep_ms: int
) -> list[CommitAnswer]:
    """Write the effects of turns of several partitions, each fenced by the lease token and the commit before (HAZARDS 1)."""
    assert len({commit.partition for commit in commits}) == len(commits), "a partition is in a batch once"
    assert len({commit.commit_id for commit in commits}) == 1, "a batch has one ID"
    answers = [_judge(hub, commit) for commit in commits]
    for members in components_of(commits):
        _link(hub, commits, answers, members)
    applied = [commit for commit, answer in zip(commits, answers, strict=True) if answer is CommitVerdict.APPLIED]
    for each in applied:
        _write_own(hub, each, now_ms, dead_letters_max)
        end_starts(hub.partitions[each.partition], each)
    for _, partition, payload, _ in in_batch_order(applied):
        hub.partitions[partition].inbox.append(now_ms, payload)
    for each in applied:
        for reply in each.replies:
            _answer(hub, reply, now_ms, reply_keep_ms)
        reserve_sent(hub, each)
    for each in applied:
        settle_index(hub, each.partition, doubtful(each))
        state = hub.partitions[each.partition]
        state.applying = state.commit_id = each.commit_id
    return answers


def _judge(hub: HubState, commit: Commit) -> CommitAnswer:
    """What there is to say to a member by itself."""
    state = hub.partitions[commit.partition]
    if state.commit_id == commit.commit_id:
        return CommitVerdict.ALREADY
    if not owns(state, commit.token):
        return CommitVerdict.FENCED
    if state.applying != state.commit_id:
        return CommitVerdict.TORN
    if state.commit_id != commit.previous:
        return CommitVerdict.FENCED
    if state.catalogue != commit.catalogue:
        return CommitVerdict.OUTDATED
    inboxes = {partition for partition, _ in commit.sends} | {start.partition for start in commit.starts}
    if commit.consumed:
        inboxes.add(commit.partition)
    try:
        for partition in sorted(inboxes):
            check_inbox(partition, hub.partitions[partition])
    except KeyDamaged as error:
        return KeyDamaged(error.reason, error.partition, commit.partition, error.key)
    return CommitVerdict.APPLIED


def _link(hub: HubState, commits: Sequence[Commit], answers: list[CommitAnswer], members: Sequence[int]) -> None:
    """What becomes of those that could be applied, if others of their component cannot be.

    That one was applied before and another was not cannot be, within one history: the others are torn.
    """
    own = [answers[place] for place in members]
    if all(answer is CommitVerdict.APPLIED for answer in own):
        return
    instead = CommitVerdict.TORN if CommitVerdict.ALREADY in own else CommitVerdict.VOID
    for place in members:
        if answers[place] is CommitVerdict.APPLIED:
            answers[place] = instead
            if instead is CommitVerdict.TORN:
                hub.partitions[commits[place].partition].applying = commits[place].commit_id


def _write_own(hub: HubState, commit: Commit, now_ms: int, dead_letters_max: int) -> None:
    """What a member changes in its own partition."""
    state = hub.partitions[commit.partition]
    for stream_id in commit.consumed:
        state.inbox.delete(stream_order(stream_id))
    for unpark in commit.unparked:
        _unpark(state, unpark)
    _write_entities(hub, state, commit)
    for letter in commit.dead:
        state.dead.append(now_ms, letter)
    if commit.dead:
        _trim_dead(state, dead_letters_max)
    write_instances(hub, state, commit, now_ms)
    write_indexes(state, commit.indexed, commit.built)
    write_feeds(state, commit.feeds, now_ms)
    _write_marks(state, commit)


def _write_entities(hub: HubState, state: PartitionState, commit: Commit) -> None:
    for target in commit.deleted:
        state.records.pop(target, None)
        hub.remove_from_index(commit.partition, target)
    state.records.update(commit.states)
    for target in commit.created:
        hub.add_to_index(commit.partition, target)
    for timer_id in commit.cancelled:
        state.timers.cancel(timer_id)
    for timer in commit.timers:
        state.timers.set(timer)


def _write_marks(state: PartitionState, commit: Commit) -> None:
    for target in commit.unblocked:
        state.blocked.pop(target, None)
    state.blocked.update(commit.blocked)
    if commit.suspect_passed:
        state.unclean, state.suspect_until = 0, (0, 0)
    if commit.suspect_passed or commit.clear_running:
        state.running = None


def _unpark(state: PartitionState, unpark: Unpark) -> None:
    """Whether the park is now empty is seen, not believed: a message that is still there is never forgotten."""
    parked = state.parks.get(unpark.target)
    if parked is None:
        return
    for stream_id in unpark.stream_ids:
        parked.delete(stream_order(stream_id))
    if not parked:
        del state.parks[unpark.target]


def _answer(hub: HubState, reply: Reply, now_ms: int, reply_keep_ms: int) -> None:
    replies = waiting_replies(hub, reply.group, reply.client, now_ms)
    if replies is None:
        for address in [address for address, other in hub.replies.items() if other.expires_ms <= now_ms]:
            del hub.replies[address]
        replies = hub.replies[reply.group, reply.client] = Replies()
    replies.stream.append(now_ms, reply.payload)
    replies.expires_ms = now_ms + reply_keep_ms


def _trim_dead(state: PartitionState, dead_letters_max: int) -> None:
    oldest: list[Order] = list(state.dead)[: max(0, len(state.dead) - dead_letters_max)]
    for order in oldest:
        state.dead.delete(order)
    state.dead_trimmed += len(oldest)


def waiting_replies(hub: HubState, group: int, client: str, now_ms: int) -> Replies | None:
    """The answers that wait for a client, if any were not forgotten."""
    replies = hub.replies.get((group, client))
    return replies if replies is not None and replies.expires_ms > now_ms else None
