"""What earlier owners of a partition left to wake instances on whose turns some of them died.

An instance of which all that was left is done in one tenure has shown to be well: its deaths are forgotten. Until then they
are counted over all of its turns, since what was well yesterday may come before what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stead.entities.extending import Partition, Turns


class Leftovers:
    """Those of one tenure."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[str, set[bytes]] = {}  # tasks, by instance

    def __bool__(self) -> bool:
        return bool(self._left)

    def add(self, instance: str, key: bytes) -> None:
        """A task that was left."""
        self._left.setdefault(instance, set()).add(key)

    def all_read(self, partition: Partition, turns: Turns, ours: Callable[[str], bool]) -> None:
        """There are no more. `ours`: whether a target is of the kind of these instances."""
        for target in partition.deaths.targets:
            if target not in self._left and ours(target):
                partition.forgive(target)
        if partition.deaths.unsaid:
            turns.wake(partition)

    def done(self, partition: Partition, turns: Turns, keys: Iterable[bytes]) -> None:
        """These tasks wake nobody any more."""
        gone = set(keys)
        for instance in [instance for instance, left in self._left.items() if left <= gone]:
            del self._left[instance]
            partition.forgive(instance)
            turns.wake(partition)
        for left in self._left.values():
            left -= gone
