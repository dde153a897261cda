"""The step in which a worker takes tasks, on plain data: the twin of `lua/take_tasks.lua`."""

from __future__ import annotations

from .queues import Delivery, Queue
from .streams import Order


class Taking:
    """One such step: what is taken by it."""

    def __init__(self, worker: str, count: int, now_ms: int) -> None:
        self.entries: list[tuple[str, Order]] = []
        self._worker = worker
        self._count = count
        self._now_ms = now_ms
        self._now_us = now_ms * 1000

    @property
    def _left(self) -> int:
        return self._count - len(self.entries)

    def take(self, name: str, queue: Queue) -> None:
        """Take what there is in a queue, and set aside what is over its limit."""
        limits = queue.limits
        soonest = at = limits.soonest
        while at is not None and self._left > 0:
            self._admit(name, queue, at[1])
            now_at = limits.soonest
            if now_at is None or now_at[1] == at[1] or now_at[0] > self._now_us:
                break
            at = now_at
        while self._left > 0 and (orders := queue.stream.after(queue.delivered, 1)):
            order = queue.delivered = orders[0]
            bell = limits.bells.pop(order, None)
            if bell is not None:
                queue.stream.delete(order)
                self._admit(name, queue, bell)
            elif order in limits.of_entry:
                self._take_limited(name, queue, order)
            elif order not in queue.taken:  # else it was taken when it came
                self._deliver(name, queue, order)
        after = limits.soonest
        if after is not None and (soonest is None or after[0] < soonest[0]):
            queue.ring(self._now_ms, after[1])  # those who wait already do not know of it

    def _take_limited(self, name: str, queue: Queue, order: Order) -> None:
        limits = queue.limits
        limit = limits.of_entry[order]
        free, next_us = limit.limit not in limits.waiting, None
        if free:
            free, next_us = limits.room(limit.limit, limit.numbers, self._now_us)
        if free:
            limits.begin(limit.limit, order, next_us, self._now_us)
            self._deliver(name, queue, order)
        else:
            limits.set_aside(order)

    def _admit(self, name: str, queue: Queue, limit: str) -> None:
        """Take what waits behind a limit, as far as it may begin."""
        limits = queue.limits
        while limit in limits.waiting:
            order = limits.waiting[limit][0][2]
            free, next_us = limits.room(limit, limits.of_entry[order].numbers, self._now_us)
            if not free:
                return
            if self._left <= 0:
                queue.ring(self._now_ms, limit)
                return
            limits.pull(order)
            limits.begin(limit, order, next_us, self._now_us)
            self._deliver(name, queue, order)
        limits.due_us.pop(limit, None)

    def _deliver(self, name: str, queue: Queue, order: Order) -> None:
        queue.taken[order] = Delivery(self._worker, self._now_ms, 1 + queue.before.get(order, 0))
        self.entries.append((name, order))
