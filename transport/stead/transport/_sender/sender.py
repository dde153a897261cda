"""What sends a client's messages: gathers them by partition, writes them in batches, and never loses or doubles one.

`put` is a plain call that costs well under a microsecond. A background task, the flusher, sends everything gathered in one
request of one batch a partition; what arrives meanwhile goes into the next. It starts at once when something is there, so
a single message waits for nobody. The rules of a partition's batches are in `chain`; here are the waiting, the
trying again and the back-pressure.

Two kinds, by what to do when the store cannot take a block:

- impatient (a client's single signals and calls): whoever waits for a message in it gets the error, and the sender goes on.
- patient (a producer): it waits and tries again for as long as the store answers. When the outcome of a block stays
  unknown, a source is taken over, or the hub is gone, the sender is *broken*: nothing more goes out, because what follows
  would follow a hole.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import Sequence

from stead.transport._cancellation import end_task
from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.errors import (
    BacklogFull,
    ConnectionLost,
    HubMismatch,
    KeyDamaged,
    ServerChanged,
    SourceSuperseded,
    SteadError,
    StoreClosed,
    StoreUnavailable,
)
from stead.transport._contract.records import Batch, EnqueueResult, Reuse, Start, Verdict
from stead.transport._contract.settings import Settings
from stead.transport._contract.store import Store
from stead.transport._retry import HOLD_S_MAX, RETRY_S_MIN, reason_of, retry_delay, told_of, told_of_end

from .chain import NOTHING, Chain, Lost, Refused, Simple
from .lane import FREEING_BYTES_MAX, Block, Lane
from .losses import Known, Losses, ask_the_quiet, judge
from .sources import Openings, next_incarnation

_log = get_logger(__name__)

# The buffer holds at most this many full batches, in bytes.
BUFFER_BATCHES_MAX = 4

# A patient sender waits for so many messages as long as more keep coming.
LINGER_LENGTH = 2_000


class Sender:
    """Sends messages to partitions, each accepted once and in the order of `put`."""

    def __init__(self, store: Store, settings: Settings, source: str | None = None, *, patient: bool = False) -> None:
        """A sender of a session of its own, or of a source (then it is patient, and takes `put_once` only)."""
        self._store = store
        self._settings = settings
        self._source = source
        self._patient = patient or source is not None
        self._session = secrets.token_hex(10) if source is None else f"source:{source}"
        self._incarnation = 0 if source is None else next_incarnation(store.clock.now_ms())
        self._lanes = [Lane(partition) for partition in range(store.layout.partitions)]
        self._busy: dict[int, Lane] = {}
        self._length = 0
        self._size_bytes = 0
        self._length_max = settings.producer_buffer_length_max
        self._bytes_max = settings.batch_bytes_max * BUFFER_BATCHES_MAX
        self._block_bytes_max = settings.batch_bytes_max
        # A block above the backlog's limit would never fit, and one near it only into an empty partition.
        self._block_length_max = min(settings.batch_length_max, max(1, settings.backlog_length_max // 4))
        self._rooms: list[asyncio.Future[None]] = []
        self._wake: asyncio.Future[None] | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._openings: Openings | None = None
        if source is not None:
            self._openings = Openings(store, settings, source, self._incarnation, self._source_opened)
        self._trouble_since: float | None = None
        self._tries = 0
        self._broken: SteadError | None = None
        self.losses = Losses()
        self._withdrawn = False
        self._dropped: dict[int, int] = {}  # when the sender broke: how many messages of a partition were not accepted
        self.accepted = 0
        """Messages that are in the store, since the sender was made."""

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
        self._size_bytes += size - block.size_bytes
        self._length += 1
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
        self._size_bytes += len(payload)
        self._length += 1
        if len(block.payloads) == 1:
            self._opened(lane, block)
        return block.serial

    def put_start(
        self, partition: int, payload: bytes, target: str, message_id: bytes, reuse: Reuse
    ) -> asyncio.Future[bool]:
        """Take a message that starts an instance; gives a ticket to `wait_start` with. The store refuses the start if the
        instance's ID is taken (HAZARDS 14)."""
        self.put(partition, payload)
        block = self._lanes[partition].open
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        block.starts.append((Start(len(block.payloads) - 1, target, message_id, reuse), answer))
        return answer

    def put_once(self, partition: int, sequence: int, payload: bytes) -> bool:
        """Take a source's message unless it is an old one. The partition must have been opened."""
        lane = self._lanes[partition]
        if sequence <= lane.queued_last:
            return False
        self.put(partition, payload)
        lane.queued_last = lane.open.last = sequence
        return True

    async def wait(self, partition: int, ticket: int) -> None:
        """Wait until the message of a ticket is durable; raises what kept it from that, whenever it is called."""
        lane = self._lanes[partition]
        block = lane.find(ticket)
        if block is None:
            lane.raise_failure(ticket)
            return
        await block.waiter()

    async def wait_start(self, partition: int, ticket: asyncio.Future[bool]) -> bool:
        """Wait until the start of a ticket is durable; False if it was refused, because the instance's ID is taken.

        Raises what kept the message from being written. Unlike `wait` it may be called at any time.
        """
        return await ticket

    def watch(self, partition: int, ticket: int, caller: asyncio.Future[object]) -> None:
        """Let a future fail if the message of a ticket does not get through. (If it does, its reply answers.)"""
        self._lanes[partition].watch(ticket, caller)

    @property
    def crowded(self) -> bool:
        """The buffer is full: await `room` before the next `put`."""
        return self._length >= self._length_max or self._size_bytes >= self._bytes_max

    async def room(self) -> None:
        """Wait until the buffer is no longer full; raises what happened to messages that nobody waited for."""
        self.check()
        while self.crowded:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._rooms.append(future)
            await future
            self.check()

    async def flush(self) -> None:
        """Wait until everything put so far is durable; raises what kept a message from that, or was lost that was."""
        if self._broken is not None:
            self.check()
        try:
            await asyncio.gather(*([*lane.blocks()][-1].waiter() for lane in self._busy.values()))
        except SteadError as error:
            told = error if self._broken is None else copy.copy(self._broken)  # of other blocks less may be known
            self.losses.add_to(told)
            raise told from None
        self.check()

    def check(self) -> None:
        """Raise what has happened since the last look: once for lost messages, for good if the sender is broken."""
        self.losses.raise_untold()
        if self._broken is not None:
            raise copy.copy(self._broken)

    async def aclose(self) -> None:
        """Stop. Whoever still waits gets `StoreUnavailable`; flush first to keep what was put."""
        flusher, self._flusher = self._flusher, None
        openings = self._openings.tasks() if self._openings is not None else []
        for task in (*openings, *(() if flusher is None else (flusher,))):
            await end_task(task)
        if self._broken is None:
            self._break(StoreUnavailable("it was closed before an answer came", "unknown"))

    @property
    def held(self) -> bool:
        """The store has no room for some of what was put, which is tried again."""
        return any(lane.holds for lane in self._busy.values())

    async def withdraw(self) -> dict[int, int]:
        """Stop for good as soon as there is an answer to what is under way, and forget what the store has not accepted.

        Gives by partition how many of the last messages put are not in it: with what nobody knows of, if answers were lost.
        """
        self._withdrawn = True
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        if self._flusher is not None:
            await asyncio.wait((self._flusher,))
        if self._broken is None:
            self._break(StoreUnavailable("what was not accepted was withdrawn", "refused"))
        return self.left

    @property
    def left(self) -> dict[int, int]:
        """By partition how many of the last messages put are not in the store, as far as is known."""
        waiting = {lane.partition: sum(len(block.payloads) for block in lane.blocks()) for lane in self._busy.values()}
        return self._dropped | waiting

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
            self._break(error)
            raise

    def _source_opened(self, partition: int, record: int) -> None:
        lane = self._lanes[partition]
        lane.queued_last = record
        lane.chain = self._make_chain(partition, record)

    def _make_chain(self, partition: int, confirmed: int = NOTHING) -> Chain:
        settings = self._settings
        plain = self._source is None
        return Chain(
            partition,
            self._session,
            backlog_max=settings.backlog_length_max,
            keep_ms=settings.session_keep_ms if plain else settings.source_keep_ms,
            now_ms=self._store.clock.now_ms(),
            new_session=(lambda: secrets.token_hex(10)) if plain else None,
            incarnation=self._incarnation,
            confirmed=confirmed,
        )

    # -- the flusher ---------------------------------------------------------------------------------------------------

    def _opened(self, lane: Lane, block: Block) -> None:
        """A block has got its first message: note the time, and wake the flusher if it did not know of the lane."""
        if self._broken is not None:
            lane.drop_unsent()
            self._length = self._size_bytes = 0
            raise copy.copy(self._broken)
        block.opened = self._store.clock.monotonic()
        if lane.busy:
            return
        lane.busy = True
        self._busy[lane.partition] = lane
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._send_for_ever(), name="stead sender")
            self._flusher.add_done_callback(self._flusher_ended)
        elif self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _flusher_ended(self, flusher: asyncio.Task[None]) -> None:
        """By a bug, here or in the store, or cancelled by others: nobody may wait for ever for a task that is gone."""
        error = None if flusher.cancelled() else flusher.exception()
        if error is not None:
            _log.error("the sender ended", exc_info=error)
        if flusher is self._flusher and (error is not None or flusher.cancelled()):  # not closed, and not withdrawn
            reason = "its task was cancelled by other code of this process" if error is None else reason_of(error)
            self._break(StoreUnavailable(f"the sender ended: {reason}", "unknown"))

    async def _send_for_ever(self) -> None:
        clock = self._store.clock
        while not self._withdrawn:
            if not self._busy:
                await self._pause(None)
                continue
            if self._patient:
                await self._linger()
            lanes, batches, held_until = self._gather()
            if not batches:
                await self._pause(max(0.001, held_until - clock.monotonic()))
                continue
            try:
                results = await self._store.enqueue(batches)
            except StoreClosed as error:
                self._give_up(lanes, error)
            except (ConnectionLost, ServerChanged) as error:
                self._failed(error)
                await clock.sleep(retry_delay(self._tries))
                self._tries += 1
            except Exception as error:  # noqa: BLE001 - a server that is no longer suitable
                if not isinstance(error, HubMismatch):  # it is told to whoever waits, each time
                    _log.warning("the store refuses requests: %s", error)
                self._give_up(lanes, error)
            else:
                self._trouble_since = None
                self._tries = 0
                if any(result.verdict is Verdict.GAP for result in results):
                    self.losses.add(await ask_the_quiet(self._store, self._lanes))
                self._judge(lanes, results)

    async def _linger(self) -> None:
        """Let a producer that is in full flow add to the next batches: large ones cost the server far less a message.

        Counted in turns of the event loop, not in time: as soon as a turn adds nothing, nobody is kept waiting.
        """
        length = 0
        while length < self._length < LINGER_LENGTH:
            length = self._length
            await asyncio.sleep(0)

    def _gather(self) -> tuple[list[Lane], list[Batch], float]:
        """What to send now, and when the next held lane may try again."""
        now, now_ms = self._store.clock.monotonic(), self._store.clock.now_ms()
        lanes: list[Lane] = []
        batches: list[Batch] = []
        held_until = float("inf")
        for lane in list(self._busy.values()):
            if lane.held_until > now:
                held_until = min(held_until, lane.held_until)
                continue
            chain = lane.chain
            if chain is None:
                chain = lane.chain = self._make_chain(lane.partition)
            if lane.flying is not None and lane.flying.doubtful and chain.is_too_old(now_ms):
                self._refuse(lane, StoreUnavailable("this process was suspended before an answer came", "unknown"))
                if self._broken is not None:
                    return [], [], now
                self._settle(lane)
            batch = lane.next_batch(chain, now_ms)
            if batch is not None:
                lanes.append(lane)
                batches.append(batch)
        return lanes, batches, held_until

    async def _pause(self, seconds: float | None) -> None:
        """Sleep until a lane gets its first message, or for so many seconds."""
        self._wake = asyncio.get_running_loop().create_future()
        try:
            if seconds is None:
                await self._wake
                return
            sleeper = asyncio.ensure_future(self._store.clock.sleep(seconds))
            try:
                await asyncio.wait((sleeper, self._wake), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeper.cancel()
        finally:
            self._wake = None

    # -- verdicts ------------------------------------------------------------------------------------------------------

    def _judge(self, lanes: Sequence[Lane], results: Sequence[EnqueueResult]) -> None:
        now_ms = self._store.clock.now_ms()
        judged, lost = judge(lanes, results, now_ms)
        for lane, result, judgement in judged:
            if lane.flying is None or judgement is Simple.RECHAINED:
                continue  # the sender broke at an earlier verdict of this round, or it is sent again
            match judgement:
                case Simple.SETTLED:
                    block = lane.land()
                    self.accepted += len(block.payloads)
                    block.succeed(result.refused)
                    self._ended(block)
                case Simple.SUPERSEDED:
                    self._refuse(lane, SourceSuperseded(self._source or self._session))
                case Simple.CONTRADICTED:
                    reason = f"partition {lane.partition} does not know this client's session; connect anew"
                    self._refuse(lane, StoreUnavailable(reason, "unknown" if lane.flying.doubtful else "refused"))
                case Lost():
                    self._report_loss(lane, lost)
                case Refused() as refused:
                    self._hold_or_refuse(lane, refused)
                case KeyDamaged() as damage:
                    self._refuse(lane, damage)
            self._settle(lane)
        self._make_room()

    def _report_loss(self, lane: Lane, lost: Known) -> None:
        """A plain producer goes on, and hears of it at its next look."""
        _log.error("%s", lost[lane.partition])
        goes_on = self._patient and self._source is None
        error = self.losses.tell(lane, lost, later=goes_on)
        if not goes_on:
            self._refuse(lane, error)

    def _hold_or_refuse(self, lane: Lane, refused: Refused) -> None:
        if self._patient:
            delay = min(HOLD_S_MAX, RETRY_S_MIN * 2.0 ** min(lane.holds, 16))
            lane.held_until = self._store.clock.monotonic() + delay
            lane.holds += 1
            return
        full = refused.verdict is Verdict.FULL
        reason = "the server's memory is full" if full else f"{refused.detail:,} messages wait already"
        if lane.flying is not None and lane.flying.doubtful:
            # An earlier copy may still get through, so "nothing was accepted" would be too much to say.
            self._refuse(lane, StoreUnavailable(f"an answer was lost, and then {reason}", "unknown"))
        else:
            self._refuse(lane, BacklogFull(lane.partition, reason))

    def _refuse(self, lane: Lane, error: SteadError) -> None:
        """The lane's flying block is not written, or nobody knows: tell its waiters; a patient sender ends here."""
        if self._patient:
            self._break(error)
            return
        assert lane.chain is not None
        lane.chain.abandon()
        self._fail(lane, lane.land(), error)

    def _failed(self, error: SteadError) -> None:
        """No answer came. Give up those who have waited for too long."""
        now = self._store.clock.monotonic()
        for lane in self._busy.values():
            if lane.flying is not None:
                lane.flying.doubtful = True
        if self._trouble_since is None:
            self._trouble_since = now
            _log.warning("no answer from the store, trying again: %s", error)
        started_until = now - self._settings.store_tries_ms / 1000
        if self._trouble_since > started_until:
            return
        reason = reason_of(error)
        for lane in list(self._busy.values()):
            if lane.flying is not None and lane.flying.opened <= started_until:
                self._refuse(lane, StoreUnavailable(reason, "unknown"))
            if self._broken is not None:
                return
            for block in lane.unsent_since(started_until):
                error = StoreUnavailable(reason, "refused")
                if self._patient:
                    self._break(error)
                    return
                lane.drop(block)
                self._fail(lane, block, error)
            self._settle(lane)
        self._make_room()

    def _give_up(self, lanes: Sequence[Lane], error: Exception) -> None:
        for lane in lanes:
            if lane.flying is not None:
                self._refuse(lane, told_of(error, lane.flying.doubtful))
                self._settle(lane)
        self._make_room()

    def _break(self, error: SteadError) -> None:
        """Nothing more goes out: everybody who waits, and whoever comes, gets the error."""
        doubtful = any(lane.flying is not None and lane.flying.doubtful for lane in self._busy.values())
        self._broken = told_of_end(error, sent=True, doubtful=doubtful)
        for lane in self._busy.values():
            blocks = list(lane.blocks())
            sent, lane.flying = lane.flying, None
            lane.drop_unsent()
            lane.busy = False
            self._dropped[lane.partition] = sum(len(block.payloads) for block in blocks)
            for block in blocks:
                self._fail(lane, block, told_of_end(error, sent=block is sent, doubtful=block.doubtful))
        self._busy.clear()
        self._make_room()

    def _settle(self, lane: Lane) -> None:
        if lane.busy and lane.empty:
            lane.busy = False
            del self._busy[lane.partition]

    def _ended(self, block: Block) -> None:
        self._length -= len(block.payloads)
        self._size_bytes -= block.size_bytes

    def _fail(self, lane: Lane, block: Block, error: SteadError) -> None:
        self._ended(block)
        lane.note_failure(block, error)
        block.fail(error)

    def _make_room(self) -> None:
        if self._rooms and (self._broken is not None or not self.crowded):
            rooms, self._rooms = self._rooms, []
            for future in rooms:
                if not future.done():
                    future.set_result(None)
