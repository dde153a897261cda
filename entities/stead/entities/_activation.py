"""An activation: a target in a worker's memory, with its state, its mailbox and, if it overflowed, its park.

The per-key turn lock is `phase`: only an activation that is READY is given to its kind to take turns, and it is BUSY
while an asynchronous operation of it runs. So its operations run one at a time and in arrival order, and nothing else
of the partition waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stead.transport import SteadError, StreamId

if TYPE_CHECKING:
    from ._effects import Effects
    from ._envelope import Message


class Pending(NamedTuple):
    """A message that waits in a mailbox: where it lies in the store, and what it says."""

    stream_id: StreamId
    envelope: bytes
    message: Message
    from_park: bool


class Phase(Enum):
    """What an activation may do now."""

    LOADING = "loading"  # its record is not here yet
    READY = "ready"  # it may take turns
    BUSY = "busy"  # an asynchronous operation of it runs
    BLOCKED = "blocked"  # its messages wait for another version of the program


class Blocked(SteadError):
    """A target cannot take turns in this worker: its messages wait. Raised by a kind, caught by the partition.

    With `kind` set, no code for that kind is registered here: another worker may know it (HAZARDS 27).
    """

    def __init__(self, reason: str, kind: str | None = None) -> None:
        super().__init__(reason, kind)
        self.reason = reason
        self.kind = kind


@dataclass(slots=True)
class Park:
    """What a worker knows of a target's park (HAZARDS 11).

    Invariant: every message of the target that is not in the mailbox and not committed is in the store's park or in
    `waiting`, and all of them come after those in the mailbox. No message that is still in the inbox comes between two
    of the park: a new owner runs an inbox message first if and only if it is older than the park's first.
    """

    first: StreamId
    after: StreamId = b"0"  # the park has been read up to here
    waiting: list[StreamId] = field(default_factory=list[StreamId])  # still in the inbox, to be moved to the park
    exhausted: bool = False  # read to its end, and nothing was moved there since
    outstanding: int = 0  # parked messages that are in the mailbox or in effects not yet built into a commit
    moving: bool = False  # a park or a read of the park is under way


class Activation:
    """A target in memory. Made by a `Partition`, run by its `Kind`."""

    __slots__ = (
        "blocked", "body", "dirty", "heard_ms", "kind", "mailbox", "park", "phase", "queued", "stored", "target", "used"
    )  # fmt: skip

    def __init__(self, target: str) -> None:
        self.target = target
        self.kind: Kind | None = None
        self.body: object = None  # what the kind made of the record
        self.phase = Phase.LOADING
        self.mailbox: deque[Pending] = deque()
        self.park: Park | None = None
        self.blocked = False  # its phase is BLOCKED, or will be when the operation that runs has ended
        self.stored = False  # the store has a record of it, or a commit on its way will make one
        self.dirty = False  # it is among the effects of the next commit
        self.queued = False  # it is in the partition's queue of activations with work
        self.used = 0  # the partition's round in which it last received something
        self.heard_ms = 0  # when the oldest message of the mailbox arrived here


class Kind(Protocol):
    """A kind of addressable thing: how to make an activation's body from its record, and how to take turns.

    The two are pure but for the user's code that they call: what comes of a turn goes into `Effects`.
    """

    def activate(self, target: str, record: bytes | None) -> object:
        """The body for a record, `None` if there is none yet. Raises `Blocked` if the messages have to wait."""
        ...

    def run(self, activation: Activation, effects: Effects) -> Awaitable[object] | None:
        """Take turns on the mailbox until it is empty, `effects` says to stop, or an operation is asynchronous.

        In the last case the first message stays in the mailbox, and the awaitable is what has to be awaited for
        `finish`.
        """
        ...

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        """End the turn of an asynchronous operation with its result or its error."""
        ...

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        """The record to store for the settled state; `None` if the target does not exist any more."""
        ...
