"""What sends a client's messages: gathers them by partition, writes them in batches, and never loses or doubles one.

`put` is a plain call that costs well under a microsecond; the `Flusher` sends what was put, `Outcomes` tells what became of
it. The rules of a partition's batches are in `chain`.

Two kinds, by what to do when the store cannot take a block:

- impatient (a client's single signals and calls): whoever waits for a message in it gets the error, and the sender goes on.
- patient (a producer): it waits and tries again for as long as the store answers. When the outcome of a block stays
  unknown, a source is taken over, or the hub is gone, the sender is *broken*: nothing more goes out, because what follows
  would follow a hole.
"""

from __future__ import annotations

import asyncio
import copy

from stead.transport._cancellation import end_task
from stead.transport._contract.errors import HubMismatch, SourceSuperseded, SteadError, StoreUnavailable
from stead.transport._contract.records import Recipient, Reuse, Start
from stead.transport._contract.settings import Settings
from stead.transport._contract.store import Store

from .flusher import Flusher
from .identity import Identity
from .lane import FREEING_BYTES_MAX, Block, Lane
from .losses import Losses
from .outcomes import Outcomes
from .room import Room
from .sources import Openings


class Sender:
    """Sends messages to partitions, each accepted once and in the order of `put`."""

    def __init__(self, store: Store, settings: Settings, source: str | None = None, *, patient: bool = False) -> None:
        """A sender of a session of its own, or of a source (then it is patient, and takes `put_once` only)."""
        self._identity = identity = Identity(store.clock, settings, source)
        self._lanes = lanes = [Lane(partition) for partition in range(store.layout.partitions)]
        patient = patient or source is not None
        self._room = room = Room(settings)
        self._outcomes = outcomes = Outcomes(store.clock, settings, identity, room, patient=patient)
        self._flusher = Flusher(store, lanes, identity, room, outcomes, patient=patient)
        self._monotonic = store.clock.monotonic
        self._block_bytes_max = settings.batch_bytes_max
        # A block above the backlog's limit would never fit, and one near it only into an empty partition.
        self._block_length_max = min(settings.batch_length_max, max(1, settings.backlog_length_max // 4))
        self._openings: Openings | None = None
        if source is not None:
            self._openings = Openings(store, settings, source, identity.incarnation, self._source_opened)

    # -- putting -------------------------------------------------------------------------------------------------------

    def put(self, partition: int, payload: bytes) -> int:
        """Take a message for a partition; gives a ticket to `wait` with. Whoever finds `crowded` should await `room`."""
        lane = self._lanes[partition]
        block = lane.open
        payloads = block.payloads
        size = block.size_bytes + len(payload)
        if payloads and (size > self._block_bytes_max or len(payloads) >= self._block_length_max):
            block = lane.close_open()
            payloads = block.payloads
            size = len(payload)
        payloads.append(payload)
        room = self._room
        room.size_bytes += size - block.size_bytes
        room.length += 1
        block.size_bytes = size
        if len(payloads) == 1:
            self._opened(lane, block)
        return block.serial

    def put_freeing(self, partition: int, payload: bytes) -> int:
        """`put` for a small message that frees memory: a store whose memory is full accepts it, once it has an answer to what
        was put before. (A larger one is a message like all others.)"""
        if len(payload) > FREEING_BYTES_MAX:
            return self.put(partition, payload)
        lane = self._lanes[partition]
        block = lane.add_freeing(payload, self._block_length_max, self._block_bytes_max)
        self._room.size_bytes += len(payload)
        self._room.length += 1
        if len(block.payloads) == 1:
            self._opened(lane, block)
        return block.serial

    def put_start(
        self, partition: int, payload: bytes, target: str, message_id: bytes, reuse: Reuse
    ) -> asyncio.Future[bool]:
        """Take a message that starts an instance; gives a ticket to `wait_judged` with. The store refuses the start if the
        instance's ID is taken (HAZARDS 14)."""
        self.put(partition, payload)
        block = self._lanes[partition].open
        return block.answer(Start(len(block.payloads) - 1, target, message_id, reuse))

    def put_to_instance(
        self, partition: int, payload: bytes, target: str, *, frees: bool = False
    ) -> asyncio.Future[bool]:
        """Take a message for an instance that goes on; gives a ticket to `wait_judged` with. The store refuses the message if there
        is no such instance, or if it is finished (HAZARDS 14). `frees`: as `put_freeing` does."""
        serial = self.put_freeing(partition, payload) if frees else self.put(partition, payload)
        block = self._lanes[partition].find(serial)
        assert block is not None, "it was put this moment"
        return block.answer(Recipient(len(block.payloads) - 1, target))

    def put_once(self, partition: int, sequence: int, payload: bytes, *others: bytes) -> bool:
        """Take a source's message unless it is an old one. The partition must have been opened. `others` have the same number:
        they go in the same batch, so that all of them are accepted, or none."""
        lane = self._lanes[partition]
        if sequence <= lane.queued_last:
            return False
        self.put(partition, payload)
        for other in others:
            lane.open.payloads.append(other)
            lane.open.size_bytes += len(other)
            self._room.size_bytes += len(other)
            self._room.length += 1
        lane.queued_last = lane.open.last = sequence
        return True

    def is_old(self, partition: int, sequence: int) -> bool:
        """Whether a source's message has been put, or accepted, before. The partition must have been opened."""
        return sequence <= self._lanes[partition].queued_last

    def _opened(self, lane: Lane, block: Block) -> None:
        """A block has got its first message: note the time, and wake the flusher if it did not know of the lane."""
        outcomes = self._outcomes
        if outcomes.broken is not None:
            lane.drop_unsent()
            self._room.clear()
            raise copy.copy(outcomes.broken)
        block.opened = self._monotonic()
        if not lane.busy:
            lane.busy = True
            outcomes.busy[lane.partition] = lane
            self._flusher.wake()

    # -- waiting -------------------------------------------------------------------------------------------------------

    async def wait(self, partition: int, ticket: int) -> None:
        """Wait until the message of a ticket is durable; raises what kept it from that, whenever it is called."""
        lane = self._lanes[partition]
        block = lane.find(ticket)
        if block is None:
            lane.raise_failure(ticket)
            return
        await block.waiter()

    async def wait_judged(self, ticket: asyncio.Future[bool]) -> bool:
        """Wait until the message of a ticket is durable; False if it was refused, for what there is of its instance.

        Raises what kept the message from being written. Unlike `wait` it may be called at any time.
        """
        return await ticket

    def watch(self, partition: int, ticket: int, caller: asyncio.Future[object]) -> None:
        """Let a future fail if the message of a ticket does not get through. (If it does, its reply answers.)"""
        self._lanes[partition].watch(ticket, caller)

    @property
    def accepted(self) -> int:
        """Messages that are in the store, since the sender was made."""
        return self._outcomes.accepted

    @property
    def losses(self) -> Losses:
        """What the server has lost, as far as nobody was told."""
        return self._outcomes.losses

    @property
    def crowded(self) -> bool:
        """The buffer is full: await `room` before the next `put`."""
        return self._room.crowded

    async def room(self) -> None:
        """Wait until the buffer is no longer full; raises what happened to messages that nobody waited for."""
        self.check()
        while self._room.crowded:
            await self._room.wait()
            self.check()

    async def flush(self) -> None:
        """Wait until everything put so far is durable; raises what kept a message from that, or was lost that was."""
        outcomes = self._outcomes
        if outcomes.broken is not None:
            self.check()
        try:
            await asyncio.gather(*([*lane.blocks()][-1].waiter() for lane in outcomes.busy.values()))
        except SteadError as error:
            told = error if outcomes.broken is None else copy.copy(outcomes.broken)  # of other blocks less may be known
            outcomes.losses.add_to(told)
            raise told from None
        self.check()

    def check(self) -> None:
        """Raise what has happened since the last look: once for lost messages, for good if the sender is broken."""
        self._outcomes.losses.raise_untold()
        if self._outcomes.broken is not None:
            raise copy.copy(self._outcomes.broken)

    @property
    def held(self) -> bool:
        """The store has no room for some of what was put, which is tried again."""
        return any(lane.holds for lane in self._outcomes.busy.values())

    # -- the end -------------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Stop. Whoever still waits gets `StoreUnavailable`; flush first to keep what was put."""
        for opening in self._openings.tasks() if self._openings is not None else ():
            await end_task(opening)
        await self._flusher.aclose()
        if self._outcomes.broken is None:
            self._outcomes.end(StoreUnavailable("it was closed before an answer came", "unknown"))

    async def withdraw(self) -> dict[int, int]:
        """Stop for good as soon as there is an answer to what is under way, and forget what the store has not accepted.

        Gives by partition how many of the last messages put are not in it: with what nobody knows of, if answers were lost.
        """
        await self._flusher.stop()
        if self._outcomes.broken is None:
            self._outcomes.end(StoreUnavailable("what was not accepted was withdrawn", "refused"))
        return self.left

    @property
    def left(self) -> dict[int, int]:
        """By partition how many of the last messages put are not in the store, as far as is known."""
        busy = self._outcomes.busy.values()
        waiting = {lane.partition: sum(len(block.payloads) for block in lane.blocks()) for lane in busy}
        return self._outcomes.dropped | waiting

    # -- sources -------------------------------------------------------------------------------------------------------

    def is_open(self, partition: int) -> bool:
        """Whether this sender of a source knows where the source stands in a partition."""
        return self._lanes[partition].chain is not None

    async def open(self, partition: int) -> None:
        """Become the source's producer for a partition. Raises `SourceSuperseded`, `HubMismatch`, `StoreUnavailable`."""
        self.check()
        assert self._openings is not None
        try:
            await self._openings.open(partition)
        except (SourceSuperseded, HubMismatch) as error:
            self._outcomes.end(error)
            raise

    def _source_opened(self, partition: int, record: int) -> None:
        lane = self._lanes[partition]
        lane.queued_last = record
        lane.chain = self._identity.chain(partition, record)
