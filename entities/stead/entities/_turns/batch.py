"""What a batch is, how its length follows the time that it takes, and what is left of one that failed."""

from __future__ import annotations

from stead.entities._definition.batched import BatchedOperation
from stead.entities._message.envelope import Message
from stead.entities._partition.pending import Pending
from stead.transport import SteadError

TIME_S = 0.05
"""How long a batch may hold the worker."""
_GROWTH = 4


class Pace:
    """How many messages of an operation are one batch, by how long the last ones took."""

    __slots__ = ("length",)

    def __init__(self) -> None:
        self.length = 1

    def took(self, count: int, seconds: float) -> None:
        """So many have held the worker for so long, whether they succeeded or not. Of what waits in between that is its longest step."""
        longest = self.length * _GROWTH
        fits = int(TIME_S * count / seconds) if seconds > 0 else longest
        self.length = max(1, min(longest, fits, 1_000_000))


class Trouble:
    """A batch of an activation has failed: how its messages run now."""

    __slots__ = ("left", "length")

    def __init__(self, left: int, length: int) -> None:
        self.left = left  # so many of its messages are still first in the mailbox
        self.length = length  # so many of them at a time


class MessageBatch:
    """Messages that run as one operation."""

    __slots__ = ("items", "operation", "pendings", "refused")

    def __init__(self, operation: BatchedOperation) -> None:
        self.operation = operation
        self.pendings: list[Pending] = []
        self.items: list[object] = []
        self.refused: list[tuple[Pending, SteadError]] = []  # those whose item does not fit

    @property
    def message(self) -> Message:
        """The batch as one message."""
        first = self.pendings[0].message
        return Message(
            first.target, first.operation, (self.items,), first.message_id, None, None, None, None, first.sender
        )

    @property
    def messages(self) -> list[Message]:
        """Those that run."""
        return [pending.message for pending in self.pendings]

    def __len__(self) -> int:
        return len(self.pendings) + len(self.refused)
