"""The part of a worker that lets partitions take turns, and that runs their asynchronous operations as tasks.

Turns of synchronous operations run inline, from a callback: no task and no await per message. It runs for a slice of time,
and then the event loop may read, commit and renew. Whose slice it is, `rota` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from stead.entities._message.envelope import Failure, Message
from stead.entities._partition.activation import Activation
from stead.entities._partition.partition import Partition, Started
from stead.entities._partition.suspects import UNDECODED
from stead.entities._turns.held import watched
from stead.transport import HubMismatch, KeyDamaged, Running, ServerChanged, StreamId, begin_task, get_logger
from stead.transport.describing import is_a

from .at_once import turns_at_once
from .board import Bell, Board
from .hooks import Hooks
from .rota import Rota
from .running import TASK_NAME, RunningOperations, report_held
from .within import within

logger = get_logger("stead.worker")

_SLICE_S = 0.02
_CHAIN_S = 0.002  # how much longer what follows from a slice may take
_CHAIN_LENGTH = 16  # how many times in a row something may follow
_DECODED_AT_ONCE = 32  # messages (or targets) that are marked and decoded before another partition may go on carefully


class TurnRunner(Hooks):
    """Runs turns while there are any. Implements `Turns`, and listens to its board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._rota: Rota[Partition] = Rota()
        self.scheduled = False  # turns are to be taken in the next pass of the loop
        self._tasks: dict[asyncio.Task[None], Partition] = {}
        self.running = RunningOperations(board.elapsed)
        self._careful: dict[Partition, Bell] = {}
        self._marking = asyncio.Lock()
        self.turning: Partition | None = None  # read by the lease keeper's thread
        board.listen(self)

    @property
    def busy(self) -> bool:
        """Whether asynchronous operations are running."""
        return bool(self._tasks)

    def wake(self, partition: Partition) -> None:
        """The partition may have turns to take."""
        if partition.suspects.careful:
            self._wake_careful(partition)
            return
        if partition.wants_care:
            self._wake_careful(partition)
        self._rota.wake(partition)
        if not self.scheduled:
            self.scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def deliver_local(self, partition: Partition, target: str, message: Message, suspicious: bool = False) -> None:
        """Give a target a message that is in no inbox, and let it run. `suspicious`: its turn may have ended workers."""
        partition.deliver_local(target, message, suspicious)
        if partition.to_load:
            self._board.interrupt_read()
            self._board.reading.ring()
        self.wake(partition)

    def held(self, partition: Partition) -> None:
        if partition.wants_care:
            self.wake(partition)

    def let_go(self, partition: Partition) -> None:
        self.cancel(partition)

    def _run(self) -> None:
        board, rota = self._board, self._rota
        stop_at = board.elapsed() + _SLICE_S
        try:
            for partition in rota.round():
                self._give_slice(partition, stop_at)
                if partition.unfinished or board.elapsed() >= stop_at:
                    break
            self._follow(stop_at + _CHAIN_S)
        finally:
            self.scheduled = bool(rota)
            if self.scheduled:
                asyncio.get_running_loop().call_soon(self._run)
        board.reading.ring()

    def _follow(self, stop_at: float) -> None:
        """Let those take turns that were handed something in memory: before the commit of who sent it is built, and it has to
        go through the store."""
        board, hops = self._board, self._board.environment.hops
        if hops is None:
            return
        for _ in range(_CHAIN_LENGTH):
            if not hops.offered or board.elapsed() >= stop_at:
                break
            offered = [board.partitions[number] for number in hops.offered]
            hops.offered.clear()
            for partition in offered:
                self._give_slice(partition, stop_at)
        for number in hops.offered:
            self._rota.wake(board.partitions[number])
        hops.offered.clear()

    def _give_slice(self, partition: Partition, stop_at: float) -> None:
        if not partition.gone:
            self._take_turns(partition, partial(turns_at_once, partition, stop_at, self._board.hooks))
        if partition.has_turns:
            self._rota.goes_on(partition, rest=partition.unfinished)

    def _take_turns(self, partition: Partition, take: Callable[[], list[Started]]) -> None:
        """Let a partition take turns. Nothing that goes wrong in them stops the others: nobody would notice a callback or a
        task that ended by it, while leases are renewed all the same."""
        self.turning = partition
        try:
            for start in take():
                self._start(start)
            self.turning = None
            self._after(partition)
        except BaseException as error:  # noqa: BLE001 - see above
            self._broke(partition, error)
        finally:
            self.turning = None

    def _broke(self, partition: Partition, error: BaseException) -> None:
        """Something came out of a turn: a bug of stead, or what ends the process; then the worker ends as well."""
        if is_a(error, KeyboardInterrupt):
            self._board.fail(error)
            raise error
        self._board.broke(partition, error)

    def _after(self, partition: Partition) -> None:
        if partition.suspects.active:
            partition.settle_suspects()
        if partition.wants_commit:
            self._board.commit(partition)
        if partition.wants_parking:
            self._board.parking.ring()

    # -- asynchronous operations ---------------------------------------------------------------------------------------

    def _start(self, start: Started) -> None:
        name = TASK_NAME + start.activation.target
        task = begin_task(self._await(start), name=name, context=start.variables)
        self._tasks[task] = start.partition
        self.running.began(start)
        task.add_done_callback(partial(self._ended, start))

    def _ended(self, start: Started, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self.running.ended(start)
        start.close()
        if not task.cancelled():
            task.exception()  # of what ends the process, which the event loop has raised as well
        elif not (start.partition.gone or start.partition.draining):  # by somebody's code, before it began
            self._settle(start, None, asyncio.CancelledError())

    async def _await(self, start: Started) -> None:
        result: object = None
        error: BaseException | None = None
        limit_ms = self._board.settings.operation_ms_max
        try:
            result = await within(self._watched(start), limit_ms)
        except asyncio.CancelledError as cancelled:
            if start.partition.gone or start.partition.draining:
                return  # the message stays in the store, for the next owner
            error = cancelled  # the operation cancelled itself
        except KeyboardInterrupt as interrupt:
            self._broke(start.partition, interrupt)
        except BaseException as raised:  # noqa: BLE001 - whatever the user's code raises is the operation's failure
            error = raised
        self._settle(start, result, error)

    def _settle(self, start: Started, result: object, error: BaseException | None) -> None:
        try:
            self._finish(start.partition, start.activation, result, error)
        except BaseException as broken:  # noqa: BLE001 - else the entity would be busy for ever
            self._broke(start.partition, broken)

    def _watched(self, start: Started) -> Awaitable[object]:
        board, held = self._board, partial(report_held, start)
        return watched(start.awaitable, board.elapsed, board.settings.slow_operation_ms / 1000, held)

    def _finish(
        self, partition: Partition, activation: Activation, result: object, error: BaseException | None
    ) -> None:
        partition.finish(activation, result, error)
        if partition.gone:
            return
        self._after(partition)
        self._board.notify(partition)
        if partition.has_turns or partition.suspects.careful:
            self.wake(partition)

    def cancel(self, partition: Partition) -> None:
        """End the partition's asynchronous operations: what they do does not count any more (HAZARDS 9)."""
        for task, owner in list(self._tasks.items()):
            if owner is partition:
                task.cancel()
        self._rota.drop(partition)
        bell = self._careful.pop(partition, None)
        if bell is not None:
            bell.ring()

    # -- careful mode --------------------------------------------------------------------------------------------------

    def _wake_careful(self, partition: Partition) -> None:
        bell = self._careful.get(partition)
        if bell is None:
            bell = self._careful[partition] = Bell()
            if partition.suspects.careful:
                logger.warning(
                    "partition %d lost its worker repeatedly: it goes on one message at a time until the cause is found",
                    partition.number,
                )
            task = begin_task(self._go_carefully(partition, bell), name=f"stead-careful {partition.number}")
            self._tasks[task] = partition
            task.add_done_callback(self._tasks.pop)
            self._board.watch(task, partition)
        bell.ring()

    async def _go_carefully(self, partition: Partition, bell: Bell) -> None:
        try:
            await self._stay_careful(partition, bell)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - else the partition would be held, and nothing of it would run
            self._broke(partition, error)

    async def _stay_careful(self, partition: Partition, bell: Bell) -> None:
        careful = partition.suspects.careful
        while not partition.gone and (partition.suspects.careful or partition.wants_care):
            await bell.wait()
            try:
                while not partition.gone and await self._one_marked_turn(partition):
                    pass
            except (ServerChanged, HubMismatch):  # which heartbeats find too, and act on
                return
            except KeyDamaged as error:
                self._board.face(error)
            self._after(partition)
            if careful and not (partition.gone or partition.suspects.careful):
                careful = False
                logger.warning("partition %d is past the messages under suspicion", partition.number)
                self.wake(partition)
        self._careful.pop(partition, None)
        if not partition.gone:
            self.wake(partition)

    async def _one_marked_turn(self, partition: Partition) -> bool:
        """One turn and its commit (or some that is decoded), with no other marker of this process in the store: a death must not be blamed on
        the messages of other partitions. Asynchronous operations are not waited for; they may wait for one another."""
        async with self._marking:
            if partition.gone or not await self._tell_deaths(partition):
                return False
            careful = partition.suspects.careful
            if not (
                (careful and (await self._decode_carefully(partition) or await self._load_carefully(partition)))
                or await self._wake_carefully(partition)
                or (careful and await self._one_careful_turn(partition))
            ):
                return False
            bell = self._board.marked[partition] = Bell()
            try:
                while not (partition.gone or partition.busy or partition.settled):
                    if not careful and partition.markers_last:
                        break
                    await bell.wait()
            finally:
                del self._board.marked[partition]
        self._board.reading.ring()  # there may be room to read on
        return True

    async def _tell_deaths(self, partition: Partition) -> bool:
        """Have the lease remember what is known of deaths; false if the partition is another's."""
        deaths = partition.deaths
        if not deaths.unsaid or partition.draining:  # a release tells it
            return True
        return await self._mark(partition, None, deaths.said())

    async def _wake_carefully(self, partition: Partition) -> bool:
        """Mark and take one turn that no message of the store brings about; false if there is none to take now."""
        if not partition.wants_waking:
            return False
        running = partition.next_waking()
        if partition.to_load:
            self._board.interrupt_read()
            self._board.reading.ring()
        if running is None or not await self._mark(partition, running) or partition.gone:
            return False
        self._take_turns(partition, partial(partition.wake_next, running))
        return True

    async def _load_carefully(self, partition: Partition) -> bool:
        """Mark and look into what was loaded, one target after the other; false if there is nothing of that now."""
        if not partition.wants_opening:
            return False
        opened = marked = 0
        while partition.unopened and marked < _DECODED_AT_ONCE and not partition.draining:
            running = partition.marker_of_next()
            if running is not None:
                if partition.suspects.turn_comes_first and partition.next_careful() is not None:
                    break
                if not await self._mark(partition, running) or partition.gone or partition.draining:
                    return False  # a release that has begun meanwhile takes the try back
                marked += 1
            done = partition.open_next()
            while not (done or partition.gone or partition.draining):
                await asyncio.sleep(0)
                done = partition.open_on()
            opened += 1
            if not done:
                return False
        if marked:
            partition.decoded()
        self._after(partition)
        return opened > 0

    async def _decode_carefully(self, partition: Partition) -> bool:
        """Mark and decode what was read, one message after the other; false if there is nothing to decode now."""
        board = self._board
        if not partition.wants_decoding:
            return False
        suspects = partition.suspects
        for number in range(_DECODED_AT_ONCE):
            stream_id = None if partition.draining else partition.next_undecoded()
            if stream_id is None:
                break
            if suspects.comes_first(stream_id) and partition.next_careful() is not None:
                if number == 0:
                    return False
                break
            if suspects.includes(stream_id) and not suspects.was_decoded(stream_id):
                running = suspects.marker_for(UNDECODED, stream_id)
                if running.tries > board.settings.poison_tries_max:
                    self._bury_undecoded(partition, stream_id, running.tries - 1)
                    break  # to be committed before the next marker replaces this one
                if not await self._mark(partition, running) or partition.gone or partition.draining:
                    return False
            partition.decode_next()
        partition.decoded()
        self._after(partition)
        board.interrupt_read()  # what was decoded is to be loaded, and the reading of this partition goes on
        return True

    def _bury_undecoded(self, partition: Partition, stream_id: StreamId, tries: int) -> None:
        said = f"{tries} workers ended while they were decoding this message"
        partition.bury_undecoded(Failure("poison", "PoisonMessage", said), tries)
        logger.error(
            "partition %d: message %s ended %d workers while they were decoding it, and is a dead letter now",
            partition.number,
            stream_id.decode(),
            tries,
        )

    async def _mark(self, partition: Partition, running: Running | None, deaths: bytes | None = None) -> bool:
        """Write down what is about to run, or what is known; false if the partition is another's."""
        board = self._board
        held = await board.insist(
            lambda: board.store.mark_running(partition.number, partition.token, running, deaths), "marking a message"
        )
        if not held:
            board.drop(partition, "its lease is no longer this worker's")
        return held

    async def _one_careful_turn(self, partition: Partition) -> bool:
        """Mark and take one turn; false if there is none to take now."""
        board = self._board
        turn = partition.next_careful()
        if turn is None:
            return False
        activation, pending = turn
        if pending is not None:
            running = partition.suspects.marker_for(activation.target, pending.stream_id)
            if running.tries > board.settings.poison_tries_max:
                self._bury(partition, activation, running.tries - 1)
                self._after(partition)
                return True
            if not await self._mark(partition, running):
                return False
        elif not await self._mark(partition, partition.marker_of_waking(activation.target)):
            return False
        if partition.gone or partition.next_careful() != turn:
            return not partition.gone
        self._take_turns(partition, partition.take_careful)
        return True

    def _bury(self, partition: Partition, activation: Activation, tries: int) -> None:
        failure = Failure("poison", "PoisonMessage", f"{tries} workers ended while they were running this message")
        partition.bury_next(activation, failure, tries)
        logger.error("%s: a message ended %d workers and is a dead letter now", activation.target, tries)
