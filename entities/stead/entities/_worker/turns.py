"""What the parts of a worker, and extensions, want of whoever lets partitions take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stead.entities._message.envelope import Message
    from stead.entities._partition.partition import Partition


class Turns(Protocol):
    """The turns of a worker's partitions."""

    def wake(self, partition: Partition) -> None:
        """It may have turns to take: they are taken soon, and never within this call."""
        ...

    def cancel(self, partition: Partition) -> None:
        """End its asynchronous operations: what they do does not count any more (HAZARDS 9)."""
        ...

    def deliver_local(self, partition: Partition, target: str, message: Message, suspicious: bool = False) -> None:
        """Give a target a message that is in no inbox, and let it run."""
        ...
