"""A commit that sends to where nothing can be written: the key there holds something else.

The partition whose commit it is must not stand still for that. What it sends there becomes dead letters of its own, to be
sent again when the key is mended; a client's answers are dropped, as those of a client that is gone; tasks for a queue are
kept with their partition, and those in it that were to end are not told.
"""

from __future__ import annotations

from dataclasses import replace

from stead.entities._message.envelope import Failure
from stead.entities._message.letters import encode_letter
from stead.transport import Commit, KeyDamaged, Store, get_logger

logger = get_logger("stead.worker")


def without_damaged(commit: Commit, error: KeyDamaged, store: Store, now_ms: int) -> bool:
    """Take out of a commit what goes to the damaged key, which is not the commit's own; false if nothing does.

    It keeps its ID: should an earlier copy with all of it get through, that is well too.
    """
    if error.partition == commit.partition or not error.key:
        return False
    if error.partition is not None:
        return _without_receiver(commit, error.partition, error, now_ms)
    left = _sent(commit)
    commit.replies = [reply for reply in commit.replies if store.key_of_replies(reply.group, reply.client) != error.key]
    commit.tasks = [
        replace(task, shared=False) if task.shared and store.is_key_of_queue(task.queue, error.key) else task
        for task in commit.tasks
    ]
    commit.unqueued = [(queue, key) for queue, key in commit.unqueued if not store.is_key_of_queue(queue, error.key)]
    commit.ending = [(queue, key) for queue, key in commit.ending if not store.is_key_of_queue(queue, error.key)]
    taken = left - _sent(commit)
    if taken:
        logger.error("partition %d goes on without %d answers or queued tasks: %s", commit.partition, taken, error)
    return taken > 0


def _sent(commit: Commit) -> int:
    """How much of it goes to clients and queues."""
    shared = sum(task.shared for task in commit.tasks)
    return len(commit.replies) + shared + len(commit.unqueued) + len(commit.ending)


def _without_receiver(commit: Commit, receiver: int, error: KeyDamaged, now_ms: int) -> bool:
    """The same for what is sent to another partition."""
    failure = Failure("undeliverable", "KeyDamaged", f"partition {receiver} could not receive it: {error}")
    kept: list[tuple[int, bytes]] = []
    before = [0]  # of each place among the sends, how many of those before it are kept
    lost: list[bytes] = []
    for partition, envelope in commit.sends:
        if partition == receiver:
            lost.append(envelope)
        else:
            kept.append((partition, envelope))
        before.append(len(kept))
    lost += [start.payload for start in commit.starts if start.partition == receiver]
    if not lost:
        return False
    if commit.stamps:
        sent = zip(commit.sends, commit.stamps, strict=True)
        commit.stamps = [stamp for (partition, _), stamp in sent if partition != receiver]
    commit.sends = kept
    commit.starts = [
        replace(start, place=before[min(start.place, len(before) - 1)])
        for start in commit.starts
        if start.partition != receiver
    ]
    commit.dead = [*commit.dead, *(encode_letter(envelope, failure, b"", now_ms, 1) for envelope in lost)]
    logger.error("%d messages of partition %d became dead letters: %s", len(lost), commit.partition, failure.message)
    return True
