"""The atomic steps of what only instances have, on plain data: logs, reservations, activities and their queues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stead.transport._contract.commit import Commit, in_order
from stead.transport._contract.limits import DeclaredLimit, TaskLimit, activity_and_key
from stead.transport._contract.records import Batch, Kept, Recipient, Reuse, Start, StreamId, Taken, stream_order

from .queues import Delivery
from .state import HubState, KeptTask, PartitionState, check_whole, outlived, owns
from .streams import Order, format_id
from .taking import Taking

# What the record of an instance begins with. What begins otherwise is neither.
_FINISHED = frozenset({b"\x01", b"\x03", b"\x04", b"\x05"})
_UNFINISHED = frozenset({b"\x00", b"\x02", b"\x06", b"\x07"})


def judge(hub: HubState, batch: Batch) -> frozenset[int]:
    """Reserve the instances that a batch starts; gives the positions of those of its messages that are refused: starts whose IDs are
    taken, and what is for an instance that does not go on. They are judged one after the other (HAZARDS 14)."""
    state = hub.partitions[batch.partition]
    refused: set[int] = set()
    messages: list[Start | Recipient] = [*batch.starts, *batch.recipients]
    for message in sorted(messages, key=lambda each: each.position):
        if isinstance(message, Recipient):
            accepted = _goes_on(state, message.target)
        elif accepted := _is_free(state, message):
            state.starts[message.target] = (message.message_id, batch.payloads[message.position])
            hub.add_to_index(batch.partition, message.target)
        if not accepted:
            refused.add(message.position)
    return frozenset(refused)


def _goes_on(state: PartitionState, target: str) -> bool:
    """Whether an instance is there, and not finished."""
    record = state.records.get(target)
    return target in state.starts or (record is not None and record[:1] in _UNFINISHED)


def _is_free(state: PartitionState, start: Start) -> bool:
    if start.reuse is Reuse.ALWAYS:
        return True
    if start.target in state.starts:
        return False
    record = state.records.get(start.target)
    return record is None or (start.reuse is Reuse.FINISHED and record[:1] in _FINISHED)


def write_instances(hub: HubState, state: PartitionState, commit: Commit, now_ms: int) -> None:
    """Logs and tasks of a partition's instances."""
    for log in commit.logs:
        if log.reset:
            state.logs.pop(log.target, None)
        if log.events:
            state.logs.setdefault(log.target, []).extend(log.events)
    for queue, task_id in commit.unqueued:
        gone = state.tasks.get(task_id)
        if (
            gone is not None
            and gone.queue is not None
            and not gone.done
            and gone.entry in hub.queue(queue).limits.behind
        ):
            hub.queue(queue).forget(gone.entry)
    for task_id in commit.dropped:
        state.tasks.pop(task_id, None)
        state.tries.pop(task_id, None)
    for task in commit.tasks:
        kept = state.tasks[task.task_id] = KeptTask(task.payload)
        if task.shared:
            kept.queue = task.queue
            kept.entry = hub.queue(task.queue).append(now_ms, commit.partition, task.task_id, limit=task.limit)
    for _, task_id in commit.ending:
        _end(hub, state.tasks.get(task_id))


def _end(hub: HubState, kept: KeptTask | None) -> None:
    """A task is not to be run any more, and loses its payload. What nobody has taken is its owner's to answer."""
    if kept is None or kept.done:
        return
    kept.payload = b""
    if kept.queue is not None and kept.entry not in hub.queue(kept.queue).taken:
        hub.queue(kept.queue).forget(kept.entry)
        kept.queue = None


def end_starts(state: PartitionState, commit: Commit) -> None:
    """Reservations end whose starts were carried out. One of another message stays."""
    for target, message_id in commit.started:
        if target in state.starts and state.starts[target][0] == message_id:
            del state.starts[target]


def reserve_sent(hub: HubState, commit: Commit) -> None:
    """Starts that a commit sends reserve their IDs, if these are free."""
    for _, _, start in in_order(commit.sends, commit.starts):
        if start is not None:
            hub.partitions[start.partition].starts.setdefault(start.target, (start.message_id, start.payload))
            hub.add_to_index(start.partition, start.target)


def settle_index(hub: HubState, partition: int, targets: Sequence[str]) -> None:
    """Instances are listed as long as they have a record or a reservation."""
    state = hub.partitions[partition]
    for target in targets:
        if target in state.starts or target in state.records:
            hub.add_to_index(partition, target)
        else:
            hub.remove_from_index(partition, target)


# -- activities --------------------------------------------------------------------------------------------------------


def own_tasks(state: PartitionState, after: bytes, count: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """A page of the tasks that the owner has to carry out, and where to read on."""
    page = sorted(task_id for task_id in state.tasks if task_id > after)[:count]
    own = [(task_id, state.tasks[task_id].payload) for task_id in page if state.tasks[task_id].own]
    return own, page[-1] if len(page) == count else b""


def mark_task(partition: int, state: PartitionState, token: bytes, task_id: bytes) -> int | None:
    """Count one more try of a task that is suspected of ending workers (HAZARDS 20)."""
    if not owns(state, token):
        return None
    check_whole(partition, state)
    kept = state.tasks.get(task_id)
    if kept is None or kept.done:
        return 0
    state.tries[task_id] = state.tries.get(task_id, 0) + 1
    return state.tries[task_id]


def share_tasks(
    hub: HubState, partition: int, token: bytes, worker: str, tasks: Sequence[tuple[bytes, str]], now_ms: int
) -> list[StreamId] | None:
    """Put own tasks into their queues, as taken by this worker. Sent again, it gives the same."""
    state = hub.partitions[partition]
    if not owns(state, token):
        return None
    check_whole(partition, state)
    entries: list[StreamId] = []
    for task_id, name in tasks:
        queue = hub.queue(name)
        kept = state.tasks.get(task_id)
        entry = b""
        if kept is not None and kept.own:
            kept.queue, kept.entry = name, queue.append(now_ms, partition, task_id)
            queue.taken[kept.entry] = Delivery(worker, now_ms, 1)
            entry = format_id(kept.entry)
        elif kept is not None and not kept.done and kept.queue == name:
            delivery = queue.taken.get(kept.entry)
            if delivery is not None and delivery.worker == worker:
                entry = format_id(kept.entry)
        entries.append(entry)
    return entries


def take_tasks(hub: HubState, queues: Sequence[str], worker: str, count: int, now_ms: int) -> list[Taken]:
    """Take tasks that wait; those that nobody wants any more are forgotten on the way."""
    while True:
        taking = Taking(worker, count, now_ms)
        for name in queues:
            taking.take(name, hub.queue(name))
        for name, order in taking.entries:
            partition, task_id = hub.queue(name).tasks[order]
            if not _is_wanted(hub, partition, task_id, name, order):
                hub.queue(name).limits.refund(order)  # it did not begin
        taken = [task for name, order in taking.entries for task in _wanted(hub, name, order, now_ms)]
        if taken or not taking.entries:
            return taken


def soonest_due_ms(hub: HubState, queues: Iterable[str]) -> int | None:
    """When the earliest task of these queues may begin that waits for its rate."""
    dues = [queue.limits.soonest for name in queues if (queue := hub.queues.get(name)) is not None]
    return min((-(-due[0] // 1000) for due in dues if due is not None), default=None)


def open_queues(
    hub: HubState, queues: Sequence[str], limits: Sequence[DeclaredLimit], joining: bool, now_ms: int
) -> None:
    """Get queues ready to be taken from, and declare the limits of their activities."""
    for name in queues:
        hub.queue(name).opened = True
    for declared in limits:
        queue = hub.queue(declared.queue)
        before = queue.limits.declared.get(declared.activity)
        if before != declared.numbers and (joining or before is None):
            queue.limits.declared[declared.activity] = declared.numbers
            for limit in sorted(queue.limits.waiting, key=str.encode):
                if activity_and_key(limit)[0] == declared.activity:
                    queue.ring(now_ms, limit)


def retake_tasks(
    hub: HubState, queues: Sequence[str], worker: str, idle_ms: int, count: int, now_ms: int
) -> list[Taken]:
    """Take over tasks of workers that have not kept them alive."""
    entries: list[tuple[str, Order]] = []
    for name in queues:
        queue = hub.queue(name)
        for order, delivery in sorted(queue.taken.items(), key=lambda item: item[0]):
            if len(entries) >= count or now_ms - delivery.kept_ms < idle_ms:
                continue
            if queue.limits.begin_again(order, now_ms * 1000):
                given_up_ms = 0 if delivery.worker == worker else delivery.kept_ms + idle_ms
                ended = idle_ms == 0 or not outlived(hub.workers, delivery.worker, given_up_ms)
                queue.taken[order] = Delivery(worker, now_ms, delivery.count + ended)
                entries.append((name, order))
    return [task for name, order in entries for task in _wanted(hub, name, order, now_ms)]


def _wanted(hub: HubState, name: str, order: Order, now_ms: int) -> list[Taken]:
    """The task of an entry that was taken; nothing if it is gone, or is elsewhere: then the entry goes too."""
    queue = hub.queues[name]
    partition, task_id = queue.tasks[order]
    if not _is_wanted(hub, partition, task_id, name, order):
        queue.leave_limit(now_ms, order)
        queue.forget(order)
        return []
    payload = hub.partitions[partition].tasks[task_id].payload
    limit = queue.limits.of_entry.get(order)
    behind = "" if limit is None else limit.limit
    return [Taken(name, format_id(order), partition, task_id, payload, queue.taken[order].count, behind)]


def _is_wanted(hub: HubState, partition: int, task_id: bytes, queue: str, order: Order) -> bool:
    kept = hub.partitions[partition].tasks.get(task_id)
    return kept is not None and not kept.done and (kept.queue, kept.entry) == (queue, order)


def keep_tasks(hub: HubState, worker: str, taken: Sequence[Taken], said: Mapping[bytes, bytes], now_ms: int) -> Kept:
    """Say that tasks still run, and what those among `said` have to say; gives what is to be known of them."""
    lost: list[bytes] = []
    ending: list[bytes] = []
    for task in taken:
        queue = hub.queue(task.queue)
        order = stream_order(task.entry)
        delivery = queue.taken.get(order)
        if not _is_wanted(hub, task.partition, task.task_id, task.queue, order):
            queue.leave_limit(now_ms, order)
            queue.forget(order)
            lost.append(task.task_id)
        elif delivery is None or delivery.worker != worker:
            lost.append(task.task_id)
        else:
            delivery.kept_ms = now_ms
            state = hub.partitions[task.partition]
            if not state.tasks[task.task_id].payload:
                ending.append(task.task_id)
            elif task.task_id in said:
                state.inbox.append(now_ms, said[task.task_id])
    return Kept(lost, ending)


def give_back_tasks(
    hub: HubState, worker: str, taken: Sequence[Taken], behind: Mapping[bytes, TaskLimit], now_ms: int
) -> list[Taken]:
    """Let tasks wait in their queues again, as if this worker had not taken them; gives those that do."""
    given: list[Taken] = []
    for task in taken:
        queue = hub.queue(task.queue)
        order = stream_order(task.entry)
        delivery = queue.taken.get(order)
        if not _is_wanted(hub, task.partition, task.task_id, task.queue, order):
            queue.leave_limit(now_ms, order)
            queue.forget(order)
        elif delivery is not None and delivery.worker == worker:
            limit = behind.get(task.task_id) or queue.limits.of_entry.get(order)
            kept = hub.partitions[task.partition].tasks[task.task_id]
            kept.entry = queue.append(now_ms, task.partition, task.task_id, delivery.count - 1, limit)
            if limit is not None and task.task_id not in behind:
                queue.limits.front.add(kept.entry)
            queue.leave_limit(now_ms, order)
            queue.forget(order)
            given.append(task)
    return given


def complete_task(
    hub: HubState, partition: int, task_id: bytes, payload: bytes, taken: Taken | None, now_ms: int
) -> bool:
    """Put a task's result into the inbox, if it is still wanted and has none yet, and let go of what was taken."""
    state = hub.partitions[partition]
    kept = state.tasks.get(task_id)
    wanted = kept is not None and not kept.done
    if kept is not None and wanted:
        kept.done = True
        state.inbox.append(now_ms, payload)
    if taken is not None:
        queue, order = hub.queue(taken.queue), stream_order(taken.entry)
        queue.leave_limit(now_ms, order)
        queue.forget(order)
    return wanted


def has_work(hub: HubState, now_ms: int) -> bool:
    """Whether an activity is under way, or waits for the partition's owner or in a queue that is served; not those that wait
    behind a limit, until there is room for them."""
    if any(kept.own for state in hub.partitions for kept in state.tasks.values()):
        return True
    opened = [name for name, queue in hub.queues.items() if queue.opened]
    due_ms = soonest_due_ms(hub, opened)
    if any(hub.queues[name].limits.bells for name in opened) or (due_ms is not None and due_ms <= now_ms):
        return True
    return any(
        (order in queue.taken or (queue.opened and order not in queue.limits.behind))
        and _is_wanted(hub, partition, task_id, name, order)
        for name, queue in hub.queues.items()
        for order, (partition, task_id) in queue.tasks.items()
    )
