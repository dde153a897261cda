"""An activation: a target in a worker's memory, with its state, its mailbox and, if it overflowed, its park.

The per-key turn lock is `phase`: only an activation that is READY is given to its kind to take turns, and it is BUSY
while an asynchronous operation of it runs. So its operations run one at a time and in arrival order, and nothing else
of the partition waits for it. While an orchestration has locked it, it is LOCKED instead of READY: its mailbox waits, and
only express messages run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from stead.transport import SteadError, StreamId

from .pending import Pending

if TYPE_CHECKING:
    from stead.entities._index.catalogue import KindIndexes, Places
    from stead.entities._message.envelope import Failure, Message

    from .effects import Effects
    from .slice import Slice
    from .uses import Uses


class Phase(Enum):
    """What an activation may do now."""

    LOADING = "loading"  # its record is not here yet
    READY = "ready"  # it may take turns
    LOCKED = "locked"  # only express messages may
    BUSY = "busy"  # an asynchronous operation of it runs
    BLOCKED = "blocked"  # its messages wait for another version of the program


# To look a member up takes several times as long as to compare it, and each message does so some ten times.
LOADING, READY, LOCKED, BUSY, BLOCKED = Phase


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


class Short(list["Pending"]):
    """The queue of who has one message, which most have where there are many entities, or none. Who is sent a second one gets a deque, which
    takes 600 bytes however few are in it."""

    __slots__ = ()

    if TYPE_CHECKING:

        def popleft(self) -> Pending: ...

    else:
        popleft = list.pop  # there is one


Queue: TypeAlias = deque[Pending] | Short

EMPTY: Queue = Short()
"""What has no messages has no queue of its own, which would be most of its size: all share this one, to which nothing is added."""


class Activation:
    """A target in memory. Made by a `Partition`, run by its `Kind`, which may set `current`, `taken`, `locked`, `lost` and `more`."""

    __slots__ = (
        "blocked", "body", "current", "dirty", "express", "heard_ms", "indexes", "kind", "locked", "lost", "mailbox", "more",
        "park", "phase", "places", "queued", "seen", "stored", "taken", "target", "told", "used", "uses",
    )  # fmt: skip

    def __init__(self, target: str) -> None:
        self.target = target
        self.kind: Kind | None = None
        self.body: Any = None  # what the kind made of the record
        self.phase = LOADING
        self.mailbox: Queue = EMPTY
        self.express: Queue = EMPTY  # messages that pass by the mailbox and the park
        self.current: Pending | None = None  # the message, first of its queue, whose asynchronous operation runs
        self.taken = 1  # so many, from the first of its queue on, does that operation run
        self.more = False  # its kind has work left without a message
        self.locked = False  # it takes express messages only
        self.lost: str | None = None  # why its kind cannot go on with the body: it waits, as one that cannot be loaded
        self.park: Park | None = None
        self.blocked = False  # its phase is BLOCKED, or will be when the operation that runs has ended
        self.stored = False  # the store has a record of it, or a commit on its way will make one
        self.dirty = False  # it is among the effects of the next commit
        self.indexes: KindIndexes | None = None  # those of its kind, if it has any
        self.places: Places | None = None  # where its last committed state stands in them
        self.told = False  # its kind keeps its changes
        self.seen: bytes | None = None  # then what its last committed state is known by: see `feeds`
        self.uses: Uses | None = None  # when it was used, if its kind expires
        self.queued = False  # it is in the partition's queue of activations with work
        self.used = 0  # the partition's round in which it last received something
        self.heard_ms = 0  # when the oldest message of the mailbox arrived here

    def hear(self, pending: Pending) -> None:
        """A message has come for the mailbox."""
        mailbox = self.mailbox
        if type(mailbox) is deque:
            mailbox.append(pending)
        elif mailbox:
            self.mailbox = deque((*mailbox, pending))
        else:
            self.mailbox = Short((pending,))

    def hear_express(self, pending: Pending, *, first: bool = False) -> None:
        """An express message has come, to be the `first` of all."""
        express = self.express
        if not express:
            self.express = Short((pending,))
        elif type(express) is not deque:
            self.express = deque((pending, *express) if first else (*express, pending))
        elif first:
            express.appendleft(pending)
        else:
            express.append(pending)

    def rest(self) -> None:
        """Its queues are empty, and may stay so for long."""
        self.mailbox = self.express = EMPTY

    @property
    def entries(self) -> int:
        """How many entries of indexes its state has."""
        return 0 if self.indexes is None else len(self.indexes.indexes)

    @property
    def runs(self) -> Queue:
        """The queue whose first message runs, or ran: express if it is an express one."""
        if self.express and self.express[0] is self.current:
            return self.express
        return self.mailbox

    @property
    def next(self) -> Pending | None:
        """The message that a kind runs next; None if it has work left without one, or nothing to do."""
        if self.more:
            return None
        if self.express:
            return self.express[0]
        return self.mailbox[0] if self.mailbox and not self.locked else None


class Locked:
    """What `Kind.activate` gives for a target whose record says that it is locked: its body, and that."""

    __slots__ = ("body",)

    def __init__(self, body: object) -> None:
        self.body = body


class Opening:
    """What `Kind.activate` gives for a target of which so much is stored that others have to do something meanwhile."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Generator[None, None, object]) -> None:
        """`steps`: each a part of the work; what they return is what `activate` would have given, and they raise as it does."""
        self._steps = steps

    def go_on(self) -> object:
        """The next step: the body (or `Locked` of it) after the last one, and before that itself."""
        try:
            next(self._steps)
        except StopIteration as end:
            return end.value
        return self


class Kind(Protocol):
    """A kind of addressable thing: how to make an activation's body from its record, and how to take turns.

    They are pure but for the user's code that they call: what comes of a turn goes into `Effects`.

    A kind runs what there is in this order: work left without a message (`activation.more`), express messages, and the
    mailbox unless it is `activation.locked`. An instance that was blocked is loaded when a tenure begins, and run once
    with `more` set: its kind says whether it still is (`Effects.block`, `Effects.unblock`).
    """

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        """The body for a record (`None` if there is none yet) and, for an instance, its log; `Locked` of it if the record
        says so; `Opening` if that takes long. Raises `Blocked` if the messages have to wait, `InvalidInput` if the target cannot exist."""
        ...

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        """Take turns until there is nothing to do, the slice is over, or an operation is asynchronous.

        In the last case its message stays first in its queue and is `activation.current`, and the awaitable is what has
        to be awaited for `finish`.
        """
        ...

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        """End the turn of an asynchronous operation with its result or its error."""
        ...

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        """The record to store for the settled state; `None` if the target does not exist any more."""
        ...

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> bytes | None:
        """A message has ended too many workers and is not run any more (HAZARDS 20): do what follows from that. The
        partition removes it and records the dead letter, which holds its envelope, or what this gives instead."""
        ...

    def forget(self, activation: Activation) -> None:
        """The activation is dropped from memory: evicted, or its tenure has ended. Must not raise, and nothing of it may
        have an effect any more."""
        ...


@runtime_checkable
class HoppingKind(Protocol):
    """A kind whose targets take messages that were handed over in memory."""

    def takes_offer(self, activation: Activation, message: Message) -> bool:
        """Whether a message can be offered: the turn for it ends before the call of `run` does, and touches nothing but the
        effects. The sender may lose its lease, and will never have sent it then."""
        ...


@runtime_checkable
class HoldingKind(Protocol):
    """A kind whose operations may leave something running when they have ended."""

    def hold(self, activation: Activation, result: object) -> object:
        """An asynchronous operation has ended well, and `finish` comes later: whatever goes on must not change what it left,
        nor what it gives. Gives that. Raises what the operation has failed with, if that shows now."""
        ...
