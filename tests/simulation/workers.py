"""A simulated worker: the real partitions and the real entity kind, with a hand that moves each part one step.

As in the real worker there is one lane for reading and loading, one for parks, one for timers, and one batch of commits in
flight. A request may be carried out long before its answer is heard, and a commit long after it was built; what
else happens meanwhile is the world's choice.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from simulation.model import Model, tag_of
from stead.entities import Registry
from stead.entities._message.envelope import Failure
from stead.entities._partition.activation import Blocked, Kind
from stead.entities._partition.building import Unstorable
from stead.entities._partition.hops import Hops
from stead.entities._partition.partition import Environment, Partition, Started
from stead.entities._partition.well_formed import ill_formed
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import Commit, CommitAnswer, CommitVerdict, ConnectionLost, Entry, ServerChanged, Settings, Store

T = TypeVar("T")

LEASE_MS = 10_000


class Interrupted(Exception):
    """The server is another one, or does not answer: the step is given up."""


@dataclass(slots=True)
class Flight:
    """A batch between being built and being acknowledged. It stays as it was built, whoever is lost meanwhile."""

    partitions: list[Partition]
    commits: list[Commit]
    verdicts: list[CommitAnswer] | None = None  # what the store has said; nobody has heard it yet


@dataclass(slots=True)
class Ended:
    """An asynchronous operation that has ended; its partition has not heard of it."""

    started: Started
    result: object
    error: BaseException | None


class SimWorker:
    """One process."""

    def __init__(
        self, name: str, store: Store, model: Model, settings: Settings, registry: Registry, seed: int
    ) -> None:
        self.name = name
        self._store = store
        self._model = model
        self._settings = settings
        self._registry = registry
        self._draws: Iterator[int] = itertools.count(seed << 64)
        self.strays: list[list[Commit]] = []  # batches that may be still on their way, or may arrive once more
        self.ended: list[Ended] = []
        self._tasks: dict[asyncio.Task[None], Partition] = {}
        self.begin()

    def begin(self) -> None:
        """The process starts, knowing nothing."""
        self.generation = self._store.generation
        self.partitions: dict[int, Partition] = {}
        self.flight: Flight | None = None
        self._hops = Hops(self._settings) if self._settings.local_hops else None
        self._unsure: dict[int, bytes] = {}  # tokens to be released before those partitions are taken again
        self._reading: deque[Callable[[], None]] = deque()
        self._parking: list[Callable[[], None]] = []
        self._timing: Callable[[], None] | None = None
        self._kind = EntityKind(self._registry, self._store.clock.now_ms, self._settings.payload_bytes_max)

    def draw(self, length: int) -> bytes:
        return next(self._draws).to_bytes(max(length, 16), "big")[-length:]

    def _find_kind(self, target: str) -> Kind:
        if target.startswith("@"):
            return self._kind
        raise Blocked("no entity", "orchestration")

    # -- the store -----------------------------------------------------------------------------------------------------

    async def _ask(self, request: Awaitable[T]) -> T:
        """A request's answer, unless the server has changed: then nothing in memory can be trusted (HAZARDS 2)."""
        try:
            answer = await request
        except (ConnectionLost, ServerChanged) as error:
            self._notice()
            raise Interrupted from error
        if self._notice():
            raise Interrupted
        return answer

    def _notice(self) -> bool:
        if self._store.generation == self.generation:
            return False
        self.generation = self._store.generation
        for partition in list(self.partitions.values()):
            self.drop(partition)
        self._give_flight_up()
        return True

    # -- tenures -------------------------------------------------------------------------------------------------------

    async def acquire(self, number: int) -> None:
        """Take a partition, from whoever has it."""
        if number in self.partitions:
            return
        unsure = self._unsure.pop(number, None)
        if unsure is not None and await self._ask(self._store.release(number, unsure)):
            self._model.tokens[number] = b""
        _, views = await self._ask(self._store.read_leases())
        token = self.draw(16)
        acquired = await self._ask(self._store.acquire(number, self.name, token, views[number].token, LEASE_MS))
        assert acquired is not None, "nobody came between"
        self._model.acquired(acquired)
        environment = Environment(
            settings=self._settings,
            partitions=self._store.layout.partitions,
            find_kind=self._find_kind,
            now_ms=self._store.clock.now_ms,
            elapsed=lambda: 0.0,
            draw=self.draw,
            pack_each_turn=self._kind.eager.add,
            hops=self._hops,
        )
        self.partitions[number] = Partition(acquired, environment)

    async def release(self, number: int, *, patient: bool) -> None:
        """Give a partition back once it is settled; an impatient worker abandons what still runs."""
        partition = self.partitions.get(number)
        if partition is None:
            return
        partition.draining = True
        if not patient:
            self._cancel(partition)
            partition.abandon()
        if not partition.settled:
            return
        if await self._ask(self._store.release(number, partition.token)):
            assert self._model.tokens[number] == partition.token, "invariant 6: released what was another's"
            self._model.tokens[number] = b""
        self.drop(partition)

    def drop(self, partition: Partition) -> None:
        """The tenure has ended. Its operations are cancelled, and its commit may still be on its way: in a batch that is sent
        again as long as another tenure waits for its answer, and may arrive at any time later."""
        if partition.gone:
            return
        linked = [self.partitions[number] for number in partition.linked]
        partition.end()
        if self.partitions.get(partition.number) is partition:
            del self.partitions[partition.number]
        for other in linked:
            self._restart(other)

    def _restart(self, partition: Partition) -> None:
        """It begins anew, since what it shares with another partition is not written."""
        if not partition.gone:
            self._unsure[partition.number] = partition.token
            self.drop(partition)

    def crash(self) -> None:
        """The process dies, and starts again."""
        for partition in list(self.partitions.values()):
            self._cancel(partition)
            self.drop(partition)
        self._give_flight_up()
        self.ended = []
        self.begin()

    # -- reading and loading -------------------------------------------------------------------------------------------

    async def read(self, number: int, count: int) -> None:
        """Ask for entries of an inbox, or of all in one step if something may be handed over; `hear` brings them."""
        partition = self.partitions.get(number)
        if self._reading or partition is None or partition.draining:
            return
        hops = self._hops
        chosen = [partition] if hops is None else [each for each in self.partitions.values() if not each.draining]
        read = 0 if hops is None else hops.read_begins()
        positions = {each.number: each.position for each in chosen}
        found = dict(await self._ask(self._store.read_inboxes(positions, count, 0)))
        for each in chosen:
            entries = found.get(each.number, ())
            self._reading.append(partial(self._receive, each, entries))
        if hops is not None:
            seen = [each.number for each in chosen if len(found.get(each.number, ())) < count]
            last = self._reading.pop()

            def hear() -> None:
                last()
                hops.read_ends(read, seen)

            self._reading.append(hear)

    def _receive(self, partition: Partition, entries: Sequence[Entry]) -> None:
        if self._hops is not None:
            self._hops.read_comes()
        if not (partition.gone or partition.draining):
            partition.receive(entries, caught_up=not entries)

    async def load(self, number: int) -> None:
        """Ask for the records of new activations; `hear` brings them."""
        partition = self.partitions.get(number)
        if self._reading or partition is None:
            return
        loads = partition.take_loads()
        if not loads:
            return
        found = await self._ask(self._store.load({number: [activation.target for activation in loads]}))

        def hear() -> None:
            owner = self._model.tokens[number] == partition.token
            for activation, loaded in zip(loads, found[number], strict=True):
                if owner:  # nothing may have been committed since the store was asked (HAZARDS 8)
                    self._model.check_read(activation.target, loaded.record)
                partition.loaded(activation, loaded)

        self._reading.append(self._unless_gone(partition, hear))

    def hear(self) -> None:
        """The answer to the last read or load arrives, or the next part of it."""
        if self._reading:
            self._reading.popleft()()

    def _unless_gone(self, partition: Partition, hear: Callable[[], None]) -> Callable[[], None]:
        return lambda: None if partition.gone else hear()

    # -- turns ---------------------------------------------------------------------------------------------------------

    async def take_turns(self, number: int, *, all_of_them: bool) -> None:
        partition = self.partitions.get(number)
        if partition is None:
            return
        if partition.suspects.careful:
            await self._take_careful(partition)
        else:
            self._start(partition.take_turns(float("inf") if all_of_them else 0.0))
        if not partition.gone:
            partition.settle_suspects()

    async def _take_careful(self, partition: Partition) -> None:
        turn = partition.next_careful()
        if turn is None:
            return
        activation, pending = turn
        if pending is not None:
            running = partition.suspects.marker_for(activation.target, pending.stream_id)
            if running.tries > self._settings.poison_tries_max:
                partition.bury_next(activation, Failure("poison", "PoisonMessage", "it kills"), running.tries - 1)
                return
            if not await self._ask(self._store.mark_running(partition.number, partition.token, running)):
                self._lost(partition)
                return
        self._start(partition.take_careful())

    def _lost(self, partition: Partition) -> None:
        assert self._model.tokens[partition.number] != partition.token, "the store took a lease from its owner"
        self.drop(partition)

    def _start(self, started: list[Started]) -> None:
        for start in started:
            task = asyncio.get_running_loop().create_task(self._run(start))
            self._tasks[task] = start.partition
            task.add_done_callback(partial(self._forget, start))

    def _forget(self, start: Started, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        start.close()

    async def _run(self, start: Started) -> None:
        current = start.activation.current
        assert current is not None
        tag = tag_of(current.envelope)
        try:
            result = await start.awaitable
        except asyncio.CancelledError:
            return
        except ValueError as error:
            self.ended.append(Ended(start, None, error))
        else:
            self._model.causes.ended(tag)
            self.ended.append(Ended(start, result, None))

    def _cancel(self, partition: Partition) -> None:
        for task, owner in self._tasks.items():
            if owner is partition:
                task.cancel()

    def finish(self, index: int) -> None:
        """A partition hears that an operation has ended; maybe its tenure has, too (HAZARDS 9)."""
        if self.ended:
            ended = self.ended.pop(index % len(self.ended))
            started = ended.started
            started.partition.finish(started.activation, ended.result, ended.error)
            if not started.partition.gone:
                started.partition.settle_suspects()

    async def stop(self) -> None:
        """End all tasks."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- commits -------------------------------------------------------------------------------------------------------

    def build(self, *, linked: bool) -> None:
        """Build a batch of what all partitions have to commit; `linked`: as one component."""
        if self.flight is not None:
            return
        flight = Flight([], [])
        batch_id = self.draw(16)
        for group in self._groups():
            hopping = group[0].hopping
            try:
                if hopping is not None and hopping.in_component:
                    commits = hopping.build(batch_id, len(flight.commits) + 1)
                else:
                    commits = [group[0].build(batch_id)]
            except Unstorable as error:
                self._kind.eager.add(error.target)
                self.drop(group[0])
                continue
            for commit in commits:
                commit.component = 1 if linked else commit.component
            flight.partitions += [self.partitions[commit.partition] for commit in commits]
            flight.commits += commits
        for partition in flight.partitions:
            partition.finish_ended()
        if flight.commits:
            self.flight = flight

    def _groups(self) -> list[list[Partition]]:
        """Whose commits are to be built, those together that are linked."""
        groups: list[list[Partition]] = []
        seen: set[int] = set()
        for number, partition in self.partitions.items():
            if partition.wants_commit and number not in seen:
                groups.append([partition, *(self.partitions[each] for each in partition.linked)])
                seen.update(number for number in (number, *partition.linked))
        return groups

    async def send(self, *, lose_answer: bool) -> None:
        """The batch reaches the store; `answer` brings its verdicts, if they are not lost."""
        flight = self.flight
        if flight is None or flight.verdicts is not None:
            return
        verdicts = await self.apply(flight.commits)
        if lose_answer:  # so that it is sent again, while this copy may be still on its way
            self.strays.append(flight.commits)
        else:
            flight.verdicts = verdicts

    async def apply(self, commits: Sequence[Commit], *, late: bool = False) -> list[CommitAnswer]:
        """The store carries out a batch, and says what it has to say."""
        expected = self._model.expect(commits, late=late)
        verdicts = await self._ask(self._store.commit(commits, self.generation))
        assert verdicts == expected, f"invariant 6: a batch that should be {expected} is {verdicts}"
        applied = [each for each, verdict in zip(commits, verdicts, strict=True) if verdict is CommitVerdict.APPLIED]
        self._model.committed(applied, self._store.clock.now_ms())
        return verdicts

    def answer(self) -> None:
        """The verdicts on a batch are heard."""
        flight = self.flight
        if flight is None or flight.verdicts is None:
            return
        self.flight = None
        for partition, commit, verdict in zip(flight.partitions, flight.commits, flight.verdicts, strict=True):
            if partition.gone:
                partition.landed()
                continue
            if verdict in (CommitVerdict.APPLIED, CommitVerdict.ALREADY):
                partition.committed()
            elif verdict is CommitVerdict.FENCED:
                self._lost(partition)
            else:
                assert verdict is CommitVerdict.VOID
                assert commit.component, "only what is linked to others can be void"
                self._restart(partition)

    def _give_flight_up(self) -> None:
        if self.flight is not None:
            self.strays.append(self.flight.commits)
            self.flight = None

    # -- parks and timers ----------------------------------------------------------------------------------------------

    async def park(self, number: int, *, lose_answer: bool) -> None:
        """Move and read parks; `heed` brings the answers."""
        partition = self.partitions.get(number)
        if self._parking or partition is None or partition.draining:
            return
        for activation, stream_ids in partition.parking.take_parks():
            held = True
            for _ in range(1 + lose_answer):  # a lost answer: once more
                held = await self._ask(self._store.park(number, partition.token, activation.target, stream_ids))
            if not held:
                self._lost(partition)
                return
            self._parking.append(self._unless_gone(partition, partial(partition.parking.parked, activation)))

    async def refill(self, number: int, count: int) -> None:
        partition = self.partitions.get(number)
        if self._parking or partition is None or partition.draining:
            return
        for activation, after in partition.take_refills():
            entries = await self._ask(self._store.read_park(number, activation.target, after, count))
            self._parking.append(self._unless_gone(partition, partial(partition.refilled, activation, entries, count)))

    def heed(self) -> None:
        """An answer about a park arrives."""
        if self._parking:
            self._parking.pop(0)()

    async def fire(self, number: int, limit: int) -> None:
        """Fire timers; `tick` brings the answer."""
        partition = self.partitions.get(number)
        if self._timing is not None or partition is None or partition.draining:
            return
        partition.fire_begins()
        fired = await self._ask(self._store.fire_timers(number, partition.token, limit))
        if fired is None:
            self._lost(partition)
            return
        self._timing = self._unless_gone(partition, lambda: partition.fired(fired[1]))

    def tick(self) -> None:
        if self._timing is not None:
            tick, self._timing = self._timing, None
            tick()

    # -- memory --------------------------------------------------------------------------------------------------------

    def evict(self, number: int, idle_rounds: int) -> None:
        partition = self.partitions.get(number)
        if partition is not None:
            partition.evict(idle_rounds)

    def age(self) -> None:
        for partition in self.partitions.values():
            partition.park_the_old()

    def check(self) -> None:
        """What must hold in memory at any time."""
        for partition in self.partitions.values():
            if self._model.tokens[partition.number] != partition.token:
                continue  # another's, without this worker's knowing: the parks that it reads are not those that it knows of
            assert ill_formed(partition) is None, ill_formed(partition)
            for activation in partition.activations.values():
                heard = sum(not pending.from_park for pending in activation.mailbox)
                limit = self._settings.mailbox_length_max
                if activation.park is not None and not activation.park.exhausted:
                    limit += 2 * self._settings.batch_length_max  # what an earlier owner had not committed
                assert heard <= limit, "invariant 9: a mailbox is bounded"
