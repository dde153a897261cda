"""Whether what a hub in memory holds is what it can hold between two steps: for tests, which ask after every step.

Nothing of a running store comes here. What is said of a partition's and a hub's data in `state` is looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .queues import Queue
from .state import HubState, PartitionState, Timers
from .streams import Order, Stream


def ill_formed(hub: HubState) -> str | None:
    """What is wrong with a hub, in words; None if nothing is."""
    return next(_faults(hub), None)


def _faults(hub: HubState) -> Iterator[str]:
    for number, state in enumerate(hub.partitions):
        yield from (f"partition {number}: {fault}" for fault in _of_a_partition(hub, number, state))
    members = sorted((target.encode(), n) for n, state in enumerate(hub.partitions) for target in state.index)
    if hub.index != members:
        yield "the hub's index is not that of its partitions"
    for name, queue in hub.queues.items():
        yield from (f"queue {name!r}: {fault}" for fault in _of_a_queue(hub, queue))
    for (_, client), replies in hub.replies.items():
        yield from _of_a_stream(f"the answers of {client}", replies.stream)


def _of_a_partition(hub: HubState, number: int, state: PartitionState) -> Iterator[str]:
    yield from _of_a_stream("the inbox", state.inbox)
    yield from _of_a_stream("the dead letters", state.dead)
    yield from _of_timers(state.timers)
    parked: set[Order] = set()
    for target, park in state.parks.items():
        yield from _of_a_stream(f"the park of {target}", park)
        if not park.entries:
            yield f"the park of {target} is empty, and was kept"
        if not parked.isdisjoint(park.entries):
            yield f"a message of the park of {target} is in another park"
        parked.update(park.entries)
    if not parked.isdisjoint(state.inbox.entries):
        yield "a message is in the inbox and in a park"
    if state.index != state.records.keys() | state.starts.keys():
        yield "its index does not hold the targets with a record or a reservation"
    if not state.logs.keys() <= state.records.keys():
        yield "a history has no record"
    if bool(state.lease.token) != bool(state.lease.owner):
        yield "its lease has a token without an owner, or an owner without a token"
    if any(position < 0 for session in state.sessions.values() for position in session.refused):
        yield "a session was refused what it never sent"
    for task_id, task in state.tasks.items():
        if task.queue is None or task.done:
            continue
        queue = hub.queues.get(task.queue)
        if queue is None or queue.tasks.get(task.entry) != (number, task_id):
            yield f"task {task_id!r} waits in no queue"


def _of_a_stream(name: str, stream: Stream) -> Iterator[str]:
    if any(before >= after for before, after in pairwise(stream.order)):
        yield f"{name} is not in order"
    if not stream.entries.keys() <= {*stream.order}:
        yield f"{name} has entries out of all order"
    if stream.order and stream.order[-1] > stream.last:
        yield f"{name} has entries after its last"


def _of_timers(timers: Timers) -> Iterator[str]:
    if timers.order != sorted((timer.due_ms, timer_id) for timer_id, timer in timers.by_id.items()):
        yield "its timers are not in the order in which they are due"
    if any(timer.timer_id != timer_id for timer_id, timer in timers.by_id.items()):
        yield "a timer is known by another's ID"


def _of_a_queue(hub: HubState, queue: Queue) -> Iterator[str]:
    yield from _of_a_stream("it", queue.stream)
    limits = queue.limits
    if queue.stream.entries.keys() != queue.tasks.keys() | limits.bells.keys():
        yield "its entries are not those of its tasks"
    if not queue.taken.keys() <= queue.tasks.keys() or not queue.before.keys() <= queue.tasks.keys():
        yield "a task was taken that is not there"
    ranked = {rank[2]: (limit, rank) for limit, ranks in limits.waiting.items() for rank in ranks}
    if ranked != limits.behind or any(ranks != sorted(ranks) or not ranks for ranks in limits.waiting.values()):
        yield "what waits behind its limits is not in order"
    if not limits.of_entry.keys() <= queue.tasks.keys() or not limits.front <= limits.of_entry.keys():
        yield "a limit is known of what is not there"
    running = {order for orders in limits.running.values() for order in orders}
    if running != queue.taken.keys() & limits.of_entry.keys():
        yield "what runs within limits is not what was taken"
    for order, (number, task_id) in queue.tasks.items():
        kept = hub.partitions[number].tasks.get(task_id)
        if kept is None or kept.entry != order:
            yield f"task {task_id!r} waits, and its partition does not know it"
