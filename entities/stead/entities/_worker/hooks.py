"""What an extension may hook into: what happens to the partitions of its worker.

    class Mine(Hooks): ...      overrides what it wants to hear of
    board.listen(mine)          in `Extension.parts`; several may listen, and are told in the order in which they came

A listener does not raise. Should one do so all the same, the others are told first, and then the worker ends: nobody knows
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
        """Own tasks are in the store now: run them."""

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        """Tasks were dropped."""


class Listeners(Hooks):
    """All who listen, as one."""

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        """`fail` hears of what a listener raised."""
        self._fail = fail
        self._all: list[Hooks] = []

    def add(self, hooks: Hooks) -> None:
        """It hears of all that comes from now on."""
        self._all.append(hooks)

    def held(self, partition: Partition) -> None:
        self._tell(lambda hooks: hooks.held(partition))

    def let_go(self, partition: Partition) -> None:
        self._tell(lambda hooks: hooks.let_go(partition))

    async def giving_back(self, partition: Partition) -> None:
        for hooks in self._all:
            await hooks.giving_back(partition)

    def granted(self, partition: Partition, tasks: Sequence[Task]) -> None:
        self._tell(lambda hooks: hooks.granted(partition, tasks))

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        self._tell(lambda hooks: hooks.unwanted(partition, task_ids))

    def _tell(self, say: Callable[[Hooks], None]) -> None:
        failure: BaseException | None = None
        for hooks in self._all:
            try:
                say(hooks)
            except BaseException as error:  # noqa: BLE001 - see the module's head
                failure = error
        if failure is not None:
            self._fail(failure)
