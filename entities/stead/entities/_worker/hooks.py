"""What an extension may hook into: what happens to the partitions of its worker.

    class Mine(Hooks): ...      overrides what it wants to hear of
    board.listen(mine, prefix)  in `Extension.parts`; several may listen, and are told in the order in which they came

Of tasks they hear whose targets begin with their `prefix`, as those of their extension's kind do: the ID of a task begins with
its target. Who adds no kind gives none, and hears of all.

A listener does not raise (but for `may_begin`). Should one do so all the same, the others are told first, and then the worker ends: nobody knows
what that extension holds or has forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stead.entities._partition.partition import Partition
from stead.transport import Task


class Hooks:
    """Hears, on the event loop, of what happens to a worker's partitions: as much of it as it overrides."""

    def held(self, partition: Partition) -> None:
        """A tenure has begun."""

    def let_go(self, partition: Partition) -> None:
        """It has ended: nothing of it counts any more."""

    async def giving_back(self, partition: Partition) -> None:
        """A graceful release is under way, and goes on when this has returned."""

    def granted(self, partition: Partition, tasks: Sequence[Task]) -> None:
        """Own tasks of its targets are in the store now: run them."""

    def may_begin(self, partition: Partition, tasks: Sequence[Task]) -> None:
        """Own tasks of its targets may begin, although nobody knows whether the commit with them will be in the store: each is granted, or
        unwanted, later. What ends before this returns is to be answered here, by `Partition.deliver_local`. Unlike all others it
        may raise, and then the partition begins anew."""

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        """Tasks of its targets were dropped."""

    def ending(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        """Tasks of its targets are not to be run any more, or to end if they run; their results are waited for."""


class Listeners(Hooks):
    """All who listen, as one."""

    def __init__(self, fail: Callable[[BaseException], None], prefixes: Sequence[str] = ()) -> None:
        """`fail` hears of what a listener raised. `prefixes`: with which the targets of the kinds begin, the longest first."""
        self._fail = fail
        self._prefixes = [(prefix, prefix.encode()) for prefix in prefixes]
        self._all: list[Hooks] = []
        self._of: dict[Hooks, str] = {}

    def add(self, hooks: Hooks, prefix: str | None = None) -> None:
        """It hears of all that comes from now on; of tasks only those of targets with its prefix, if it has one."""
        self._all.append(hooks)
        if prefix is not None and len(self._prefixes) > 1:  # with one kind, all tasks are its
            self._of[hooks] = prefix

    def is_of(self, prefix: str, task_id: bytes) -> bool:
        """Whether a task is of a kind's targets: like those, it is of the kind with the longest prefix that fits."""
        return prefix == next((one for one, begins in self._prefixes if task_id.startswith(begins)), None)

    def held(self, partition: Partition) -> None:
        self._tell(lambda hooks: hooks.held(partition))

    def let_go(self, partition: Partition) -> None:
        self._tell(lambda hooks: hooks.let_go(partition))

    async def giving_back(self, partition: Partition) -> None:
        for hooks in self._all:
            await hooks.giving_back(partition)

    def granted(self, partition: Partition, tasks: Sequence[Task]) -> None:
        def say(hooks: Hooks) -> None:
            prefix = self._of.get(hooks)
            if of := tasks if prefix is None else [task for task in tasks if self.is_of(prefix, task.task_id)]:
                hooks.granted(partition, of)

        self._tell(say)

    def may_begin(self, partition: Partition, tasks: Sequence[Task]) -> None:
        for hooks in self._all:
            prefix = self._of.get(hooks)
            if of := tasks if prefix is None else [task for task in tasks if self.is_of(prefix, task.task_id)]:
                hooks.may_begin(partition, of)

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        self._tell_of(task_ids, lambda hooks, of: hooks.unwanted(partition, of))

    def ending(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        self._tell_of(task_ids, lambda hooks, of: hooks.ending(partition, of))

    def _tell_of(self, task_ids: Sequence[bytes], say: Callable[[Hooks, Sequence[bytes]], None]) -> None:
        """Tell each of those of its targets."""

        def say_of(hooks: Hooks) -> None:
            prefix = self._of.get(hooks)
            if of := task_ids if prefix is None else [task_id for task_id in task_ids if self.is_of(prefix, task_id)]:
                say(hooks, of)

        self._tell(say_of)

    def _tell(self, say: Callable[[Hooks], None]) -> None:
        failure: BaseException | None = None
        for hooks in self._all:
            try:
                say(hooks)
            except BaseException as error:  # noqa: BLE001 - see the module's head
                failure = error
        if failure is not None:
            self._fail(failure)
