"""The atomic steps of what only instances have, on plain data: logs, reservations, activities and their queues."""

from __future__ import annotations

from ._memory_state import HubState, KeptTask, PartitionState
from ._records import Batch, Commit, Reuse

_FINISHED = frozenset({b"\x01", b"\x03", b"\x04", b"\x05"})  # what the record of a finished instance begins with


def reserve(state: PartitionState, batch: Batch) -> frozenset[int]:
    """Reserve the instances that a batch starts; gives the positions of starts whose IDs are taken (HAZARDS 14)."""
    refused: set[int] = set()
    for start in batch.starts:
        record = state.records.get(start.target)
        if start.reuse is Reuse.ALWAYS:
            free = True
        elif start.target in state.starts:
            free = False
        else:
            free = record is None or (start.reuse is Reuse.FINISHED and record[:1] in _FINISHED)
        if free:
            state.starts[start.target] = (start.message_id, batch.payloads[start.position])
        else:
            refused.add(start.position)
    return frozenset(refused)


def write_instances(hub: HubState, state: PartitionState, commit: Commit, now_ms: int) -> None:
    """The part of a commit that instances have."""
    for log in commit.logs:
        if log.reset:
            state.logs.pop(log.target, None)
        if log.events:
            state.logs.setdefault(log.target, []).extend(log.events)
    for task_id in commit.dropped:
        state.tasks.pop(task_id, None)
        state.tries.pop(task_id, None)
    for task in commit.tasks:
        kept = state.tasks[task.task_id] = KeptTask(task.payload)
        if task.shared:
            kept.queue = task.queue
            kept.entry = hub.queue(task.queue).append(now_ms, commit.partition, task.task_id)
    for target, message_id in commit.started:
        if target in state.starts and state.starts[target][0] == message_id:
            del state.starts[target]
    for start in commit.starts:
        hub.partitions[start.partition].starts.setdefault(start.target, (start.message_id, start.payload))
