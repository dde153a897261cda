"""Shared tasks on plain data: a queue, what was taken from it, and by whom."""

from __future__ import annotations

from dataclasses import dataclass, field

from stead.transport._contract.limits import TaskLimit

from .limits import Limits
from .streams import Order, Stream


@dataclass(slots=True)
class Delivery:
    """A shared task that a worker has taken."""

    worker: str
    kept_ms: int  # when it was taken, or the worker last said that it runs
    count: int  # how often it was taken


@dataclass(slots=True)
class Queue:
    """The shared tasks of a queue, as a server's stream with a consumer group.

    Invariant: `tasks` holds every entry of the stream that is no bell, and every key of `taken` and of `before`. A task that was
    taken when it came is in `taken` although it is after `delivered`.
    """

    stream: Stream = field(default_factory=Stream)  # of the partitions and IDs of tasks
    tasks: dict[Order, tuple[int, bytes]] = field(default_factory=dict[Order, tuple[int, bytes]])
    delivered: Order = (0, 0)  # everything after it waits to be taken for the first time
    taken: dict[Order, Delivery] = field(default_factory=dict[Order, Delivery])
    before: dict[Order, int] = field(default_factory=dict[Order, int])  # of those given back: how often they were taken
    opened: bool = False  # a worker has said that it takes tasks from it
    limits: Limits = field(default_factory=Limits)
    rung: bool = False  # a bell has come of which nobody has been told

    def append(
        self, now_ms: int, partition: int, task_id: bytes, before: int = 0, limit: TaskLimit | None = None
    ) -> Order:
        """Let a task wait. `before`: how often it was taken already."""
        order = self.stream.append(now_ms, b"")
        self.tasks[order] = (partition, task_id)
        if before:
            self.before[order] = before
        if limit is not None:
            self.limits.of_entry[order] = limit
        return order

    def ring(self, now_ms: int, limit: str) -> None:
        """Has whoever takes from it next look at a limit."""
        self.limits.bells[self.stream.append(now_ms, b"")] = limit
        self.rung = True

    def leave_limit(self, now_ms: int, order: Order) -> None:
        """A task runs no more, or is no longer to: its place goes to the next one."""
        limit = self.limits.leave(order)
        if limit is not None:
            self.ring(now_ms, limit)

    def forget(self, order: Order) -> None:
        """A task is completed, or nobody wants it any more."""
        self.stream.delete(order)
        self.tasks.pop(order, None)
        self.taken.pop(order, None)
        self.before.pop(order, None)
        self.limits.forget(order)
