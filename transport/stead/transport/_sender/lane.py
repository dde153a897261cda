"""One partition's messages on the producer's side: gathered in blocks, sent a block at a time along a chain.

A block becomes exactly one batch. So whoever waits for a message waits for its block, and one verdict answers all.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Iterator, Sequence

from stead.transport._contract.errors import SteadError, StoreUnavailable
from stead.transport._contract.records import Batch, Recipient, Start

from .chain import Chain

# Of a message that a store accepts although its memory is full, so that nobody fills the memory further with such: a
# termination with a long reason.
FREEING_BYTES_MAX = 8_192


# Of each partition, for those who ask late what became of their message.
FAILURES_KEPT_MAX = 1_000


class Block:
    """Messages of one partition that will go in one batch, and who waits for them."""

    __slots__ = (
        "callers",
        "doubtful",
        "freeing",
        "judged",
        "last",
        "opened",
        "payloads",
        "serial",
        "size_bytes",
        "waiters",
    )

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.payloads: list[bytes] = []
        self.size_bytes = 0
        self.last: int | None = None  # of a source: the sequence number of the last message
        self.opened = 0.0  # when the first message came
        self.freeing = False  # all of its messages free memory
        self.doubtful = False  # an answer to it was lost: an earlier copy may have got through
        self.waiters: list[asyncio.Future[None]] = []  # answered when the block is in the store
        self.callers: list[asyncio.Future[object]] = []  # told only if it is not
        # What the store may refuse though it accepts the block, and who is told whether it has.
        self.judged: list[tuple[Start | Recipient, asyncio.Future[bool]]] = []

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody hears of it if the block fails."""
        answers = (answer for _, answer in self.judged)
        return any(not future.done() for some in (self.waiters, answers, self.callers) for future in some)

    def waiter(self) -> asyncio.Future[None]:
        """What tells when the block is in the store, or why it is not."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return waiter

    def answer(self, message: Start | Recipient) -> asyncio.Future[bool]:
        """What tells whether the store has accepted a message of the block, or why the block is not there."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.judged.append((message, answer))
        return answer

    def succeed(self, refused: frozenset[int]) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        for message, answer in self.judged:
            if not answer.done():
                answer.set_result(message.position not in refused)

    def fail(self, error: Exception) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(error)
        for _, answer in self.judged:
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # seen, should nobody wait for it
        for caller in self.callers:
            if not caller.done():
                caller.set_exception(error)


class Lane:
    """A partition's blocks in order: `flying` (it is the chain's pending batch), then `closed`, then `open`.

    Invariant: `flying` is None exactly when the chain has no pending batch; blocks in `closed` are not empty.
    """

    __slots__ = (
        "_failures",
        "_forgotten",
        "busy",
        "chain",
        "closed",
        "flying",
        "held_until",
        "holds",
        "open",
        "partition",
        "queued_last",
    )

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.chain: Chain | None = None  # made when the first batch is; a source's when it is opened
        self.open = Block(0)
        self.closed: deque[Block] = deque()
        self.flying: Block | None = None
        self.busy = False  # the sender has it on its list
        self.held_until = 0.0  # the store had no room: try again then
        self.holds = 0  # how often in a row
        self.queued_last = -1  # of a source: the highest sequence number given so far
        self._failures: dict[int, SteadError] = {}  # by the serials of the last blocks that were not written
        self._forgotten = -1  # the highest serial of a failure that is no longer known

    def close_open(self) -> Block:
        """The open block is full: the next one."""
        self.closed.append(self.open)
        self.open = Block(self.open.serial + 1)
        return self.open

    def add_freeing(self, payload: bytes, length_max: int, bytes_max: int) -> Block:
        """Put a message that frees memory behind all others, in a block with its like only: a batch is accepted as a whole.

        Such a block is closed from its beginning, so that nothing else gets into it.
        """
        block = self.closed[-1] if self.closed and not self.open.payloads else None
        full = block is not None and (len(block.payloads) >= length_max or block.size_bytes + len(payload) > bytes_max)
        if block is None or not block.freeing or full:
            if self.open.payloads:
                self.close_open()
            block = self.open
            block.freeing = True
            self.close_open()
        block.payloads.append(payload)
        block.size_bytes += len(payload)
        return block

    def next_batch(self, chain: Chain, now_ms: float) -> Batch | None:
        """What to send now: the pending batch again, else the next block; None if there is none."""
        if chain.pending is not None:
            return chain.pending
        if self.closed:
            block = self.closed.popleft()
        elif self.open.payloads:
            block = self.open
            self.open = Block(block.serial + 1)
        else:
            return None
        self.flying = block
        starts: Sequence[Start] = ()
        recipients: Sequence[Recipient] = ()
        if block.judged:
            starts = [message for message, _ in block.judged if isinstance(message, Start)]
            recipients = [message for message, _ in block.judged if isinstance(message, Recipient)]
        return chain.extend(block.payloads, now_ms, block.last, starts, block.freeing, recipients)

    def land(self) -> Block:
        """The flying block has come to its end, whatever it is."""
        block = self.flying
        assert block is not None
        self.flying = None
        self.holds = 0
        return block

    def find(self, serial: int) -> Block | None:
        """The block of a ticket, None if it has come to its end."""
        if serial == self.open.serial:
            return self.open
        if self.flying is not None and self.flying.serial == serial:
            return self.flying
        for block in self.closed:
            if block.serial == serial:
                return block
        return None

    def note_failure(self, block: Block, error: SteadError) -> None:
        """A block was not written, or nobody knows: whoever asks later has to be told."""
        self._failures[block.serial] = error
        if len(self._failures) > FAILURES_KEPT_MAX:
            self._forgotten = next(iter(self._failures))
            del self._failures[self._forgotten]

    def failure(self, serial: int) -> SteadError | None:
        """What became of the block of a ticket that has come to its end: None if it was written."""
        error = self._failures.get(serial)
        if error is None and serial <= self._forgotten:
            return StoreUnavailable("too long ago to know what became of it", "unknown")
        return copy.copy(error)

    def watch(self, serial: int, caller: asyncio.Future[object]) -> None:
        """Let a future fail if the block of a ticket is not written."""
        block = self.find(serial)
        if block is not None:
            block.callers.append(caller)
        elif (error := self.failure(serial)) is not None and not caller.done():
            caller.set_exception(error)

    def raise_failure(self, serial: int) -> None:
        """Raise what kept the block of a ticket from being written, if anything did."""
        if (error := self.failure(serial)) is not None:
            raise error

    def unsent_since(self, instant: float) -> list[Block]:
        """The blocks that were never sent, up to the last one that was begun at an instant or before."""
        unsent = [*self.closed, *([self.open] if self.open.payloads else [])]
        while unsent and unsent[-1].opened > instant:
            unsent.pop()
        return unsent

    def drop(self, block: Block) -> None:
        """Take out a block that was never sent."""
        if block is self.open:
            self.open = Block(block.serial + 1)
        else:
            self.closed.remove(block)

    def blocks(self) -> Iterator[Block]:
        """All blocks with messages, oldest first."""
        if self.flying is not None:
            yield self.flying
        yield from self.closed
        if self.open.payloads:
            yield self.open

    def drop_unsent(self) -> list[Block]:
        """Take out every block that was never sent."""
        unsent = [*self.closed]
        self.closed.clear()
        if self.open.payloads:
            unsent.append(self.open)
            self.open = Block(self.open.serial + 1)
        return unsent

    @property
    def empty(self) -> bool:
        return self.flying is None and not self.closed and not self.open.payloads
