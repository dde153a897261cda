"""The atomic steps of what only instances have, on plain data: logs, reservations, activities and their queues."""

from __future__ import annotations

from ._memory_state import HubState, KeptTask, PartitionState
from ._records import Commit


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
