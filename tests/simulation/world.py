"""The simulated world: senders, workers and a store, each step of which is chosen from outside.

The world makes no choice of its own: a test (Hypothesis, or a random number generator with one seed) says which step
comes next and with which numbers. `heal` ends all that is wrong and lets everything run to its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from simulation.ledger import KEYS, LEDGERS, OTHERS, TARGETS, gates, make_registry
from simulation.model import Model, tag_of
from simulation.senders import Sender, Source, Stray
from simulation.workers import Interrupted, SimWorker
from stead.entities._message.envelope import decode_reply
from stead.transport import (
    CommitVerdict,
    ConnectionLost,
    ServerChanged,
    Settings,
    SourceSuperseded,
    Store,
    Verdict,
    partition_of,
)

PARTITIONS = 3
WORKERS = 3


def make_settings(*, local_hops: bool = False) -> Settings:
    """Every limit is small, so that it is met."""
    return Settings(
        partitions=PARTITIONS,
        local_hops=local_hops,
        slot_groups=1,
        batch_length_max=15 if local_hops else 4,
        turn_sends_max=4,
        mailbox_length_max=8 if local_hops else 3,
        mailbox_age_ms_max=1_000,
        dead_letters_max=100_000,
    )


class Surroundings(Protocol):
    """The store of a world, and what can happen to it."""

    store: Store
    slack_ms: int

    async def pass_time(self, milliseconds: int) -> None: ...

    async def restart(self) -> None:
        """The server restarts."""
        ...

    async def fill_memory(self, full: bool) -> None:
        """The server's memory is full, or is not any more."""
        ...

    async def waiting(self) -> list[bytes] | None:
        """The messages in inboxes, parks and timers; None if that cannot be seen just now."""
        ...

    async def dump(self) -> object:
        """Everything in the store, to compare."""
        ...

    def check(self) -> None:
        """What is in the store is well formed, as far as that can be seen."""
        ...


class World:
    """See the module's head."""

    def __init__(self, surroundings: Surroundings, *, local_hops: bool = False) -> None:
        gates.waiting.clear()
        self._surroundings = surroundings
        self.store = surroundings.store
        settings = make_settings(local_hops=local_hops)
        self.model = Model(settings, surroundings.slack_ms)
        self.strays: list[Stray] = []
        self.clients = [Sender(f"client{n}", self.store, self.model, self.strays) for n in range(2)]
        self.source = Source("source", self.store, self.model, self.strays)
        self.senders: list[Sender] = [*self.clients, self.source]
        self.workers = [
            SimWorker(f"worker{n}", self.store, self.model, settings, make_registry(rare=n == 0), n + 1)
            for n in range(WORKERS)
        ]

    async def begin(self) -> None:
        """Everyone takes their places."""
        await self.source.restart()
        await self.workers[0].acquire(0)
        await self.workers[1].acquire(1)
        await self.workers[0].acquire(2)

    # -- steps: sending ------------------------------------------------------------------------------------------------

    async def compose(self, who: int, what: int, where: int) -> None:
        """Somebody writes a message."""
        sender = self.senders[who % len(self.senders)]
        target = LEDGERS[where % 3]
        key = KEYS[(where // 3) % 3]
        call = sender is not self.source and what % 2 == 0
        match what % 10:
            case 0 | 1 | 2 | 3:
                operation = "ask" if call else "note"
                sender.compose(TARGETS[where % len(TARGETS)], operation, [], delay_ms=None, call=call)
            case 4:
                if where % 2:
                    sender.compose(target, "tell", [[key, "a"]], delay_ms=None, call=False)
                else:
                    sender.compose(target, "relay", [[key, KEYS[where % 3], "b"]], delay_ms=None, call=False)
            case 5:
                sender.compose(target, "later", [key, 5 * where], delay_ms=None, call=False)
            case 6:
                operation = ("fail", "nosuch", "badly", "flood")[where % 4]
                target = OTHERS[where % 2] if operation == "nosuch" else target
                args: list[object] = [key, 1, 2] if operation == "badly" else [key]
                sender.compose(target, operation, args, delay_ms=None, call=where % 2 == 0 and call)
            case 7:
                sender.compose(target, "note", [], delay_ms=where, call=False)
            case 8:
                sender.compose(("@heavy@a", *LEDGERS)[where % 4], "wait", [key], delay_ms=None, call=call)
            case _:
                sender.compose(("@heavy@a", *LEDGERS)[where % 4], "linger", [], delay_ms=None, call=call)

    async def burst(self, who: int, where: int) -> None:
        """Somebody sends more to one target than fits a mailbox."""
        sender = self.senders[who % len(self.senders)]
        target = ("@heavy@a", *LEDGERS)[where % 4]
        for number in range(8):
            operation = "wait" if number == 0 and where % 2 else "note"
            sender.compose(target, operation, ["b"] if operation == "wait" else [], delay_ms=None, call=False)
        partition = partition_of(target, PARTITIONS)
        for _ in range(8):
            await self.enqueue(who, partition, False)

    async def enqueue(self, who: int, partition: int, lose_answer: bool) -> None:
        """Somebody sends a batch, or sends it again."""
        sender = self.senders[who % len(self.senders)]
        sender.begin(partition, 1 + who)
        await self._try(sender.deliver(partition, lose_answer=lose_answer))

    async def gather(self, worker: int) -> None:
        """A worker takes all partitions, in peace if that is possible, and reads them to their end."""
        for each in range(PARTITIONS):
            for other in range(WORKERS):
                if other != worker:
                    await self.release(other, each, False)
            await self.acquire(worker, each)
        for _ in range(2):  # what was stored closes the way until the next read
            await self._read_all(worker)
            await self.turns_everywhere(worker, 2)
            await self.commit(worker, False)
        await self._read_all(worker)

    async def _read_all(self, worker: int) -> None:
        for each in range(PARTITIONS):
            await self.read(worker, each, 100)
            for _ in range(PARTITIONS):
                await self.hear(worker)
            await self.load(worker, each)
            await self.hear(worker)

    async def turns_everywhere(self, worker: int, rounds: int) -> None:
        """All partitions take turns, and those again that were handed something."""
        for _ in range(rounds):
            for each in range(PARTITIONS):
                await self.take_turns(worker, each, True)

    async def hand_around(self, worker: int, where: int, rounds: int) -> None:
        """Some messages arrive that are passed on from one to the next, all of which can be in memory."""
        await self.gather(worker)
        for number in range(3):
            path = [KEYS[(where + number * step) % 3] for step in (1, 2, 0)]
            self.senders[number].compose(LEDGERS[(where + number) % 3], "relay", [path], delay_ms=None, call=False)
        for who in range(3):
            for each in range(PARTITIONS):
                await self.enqueue(who, each, False)
        await self._read_all(worker)
        await self.turns_everywhere(worker, rounds)

    async def give_up(self, who: int, partition: int) -> None:
        self.senders[who % len(self.senders)].give_up(partition)

    async def arrive_late(self, index: int) -> None:
        """A batch that its sender gave up arrives after all; it stays under way, to arrive again."""
        if self.strays:
            stray = self.strays[index % len(self.strays)]
            [result] = await self.store.enqueue([stray.batch])
            if (
                result.verdict is Verdict.ACCEPTED
            ):  # "duplicate" may mean here that it was overtaken, and nobody hears it
                self.model.enqueued(stray.tags, result, self.store.clock.now_ms())

    async def restart_source(self) -> None:
        await self._try(self.source.restart())

    # -- steps: workers ------------------------------------------------------------------------------------------------

    async def acquire(self, worker: int, partition: int) -> None:
        """A worker takes a partition; whoever held it does not know yet."""
        await self.workers[worker].acquire(partition)

    async def release(self, worker: int, partition: int, patient: bool) -> None:
        await self.workers[worker].release(partition, patient=patient)

    async def crash(self, worker: int) -> None:
        self.workers[worker].crash()

    async def read(self, worker: int, partition: int, count: int) -> None:
        await self.workers[worker].read(partition, count)

    async def load(self, worker: int, partition: int) -> None:
        await self.workers[worker].load(partition)

    async def hear(self, worker: int) -> None:
        self.workers[worker].hear()

    async def take_turns(self, worker: int, partition: int, all_of_them: bool) -> None:
        await self.workers[worker].take_turns(partition, all_of_them=all_of_them)

    async def build(self, worker: int, linked: bool) -> None:
        self.workers[worker].build(linked=linked)

    async def send(self, worker: int, lose_answer: bool) -> None:
        await self.workers[worker].send(lose_answer=lose_answer)

    async def answer(self, worker: int) -> None:
        self.workers[worker].answer()

    async def commit(self, worker: int, linked: bool) -> None:
        """A batch from beginning to end."""
        await self.build(worker, linked)
        await self.send(worker, False)
        await self.answer(worker)

    async def commit_late(self, worker: int, index: int) -> None:
        """A batch that nobody waits for any more arrives, maybe once more: it changes nothing of a partition that was taken
        or has gone on since, nor of one that is linked to such."""
        strays = self.workers[worker].strays
        if not strays:
            return
        commits = strays[-1 - index % min(len(strays), 3)]  # younger ones may still meet the tenure that made them
        nothing = CommitVerdict.APPLIED not in self.model.expect(commits, late=True)
        before = await self._surroundings.dump() if nothing else None
        await self.workers[worker].apply(commits, late=True)
        if nothing:
            assert await self._surroundings.dump() == before, (
                "invariant 6: a worker without its lease changed something"
            )

    async def commit_and_lose(self, worker: int, partition: int, linked: bool, lose_answer: bool) -> None:
        """A batch of all partitions, of which one is another's by the time it arrives."""
        for each in range(PARTITIONS):
            await self.acquire(worker, each)
            await self._up_to_turns(worker, each)
        await self.build(worker, linked)
        if lose_answer:
            await self.send(worker, True)
        await self.acquire((worker + 1) % WORKERS, partition)
        await self.send(worker, False)
        await self.answer(worker)
        for where in range(len(TARGETS)):  # the others go on; and what arrived twice may arrive once more
            await self.compose(0, 0, where)
        for each in range(PARTITIONS):
            await self.enqueue(0, each, False)
            await self.work(worker, each)
        await self.commit_late(worker, 0)

    async def park(self, worker: int, partition: int, lose_answer: bool) -> None:
        await self.workers[worker].park(partition, lose_answer=lose_answer)

    async def refill(self, worker: int, partition: int, count: int) -> None:
        await self.workers[worker].refill(partition, count)

    async def heed(self, worker: int) -> None:
        self.workers[worker].heed()

    async def fire(self, worker: int, partition: int, limit: int) -> None:
        await self.workers[worker].fire(partition, limit)

    async def tick(self, worker: int) -> None:
        self.workers[worker].tick()

    async def open_gate(self, index: int, succeed: bool) -> None:
        """An asynchronous operation goes on, and ends."""
        if gates.waiting:
            gates.open(index, succeed)
            await self._surroundings.pass_time(0)

    async def finish(self, worker: int, index: int) -> None:
        self.workers[worker].finish(index)

    async def evict(self, worker: int, partition: int, idle_rounds: int) -> None:
        self.workers[worker].evict(partition, idle_rounds)

    async def forget_and_go_on(self, worker: int, partition: int, built: bool) -> None:
        """A worker evicts what it may, and at once needs it again (HAZARDS 8)."""
        await self.take_turns(worker, partition, True)
        if built:
            await self.build(worker, False)
        await self.evict(worker, partition, 0)
        await self.read(worker, partition, 100)
        await self.hear(worker)
        await self.load(worker, partition)
        await self.hear(worker)

    async def work(self, worker: int, partition: int) -> None:
        """A worker does what it would do if nothing went wrong, for a while."""
        await self._up_to_turns(worker, partition)
        await self.commit(worker, False)
        await self.park(worker, partition, False)
        await self.refill(worker, partition, 100)
        for _ in range(len(TARGETS)):
            await self.heed(worker)

    async def _up_to_turns(self, worker: int, partition: int) -> None:
        await self.read(worker, partition, 100)
        await self.hear(worker)
        await self.load(worker, partition)
        await self.hear(worker)
        await self.take_turns(worker, partition, True)
        await self.finish(worker, 0)

    # -- steps: the server ---------------------------------------------------------------------------------------------

    async def pass_time(self, milliseconds: int) -> None:
        await self._surroundings.pass_time(milliseconds)
        for worker in self.workers:
            worker.age()

    async def restart_server(self) -> None:
        await self._surroundings.restart()

    async def fill_memory(self, full: bool) -> None:
        await self._surroundings.fill_memory(full)

    # -- checks --------------------------------------------------------------------------------------------------------

    async def read_state(self, where: int) -> None:
        """A client reads."""
        target = TARGETS[where % len(TARGETS)]
        [record] = await self.store.read_records(partition_of(target, PARTITIONS), [target])
        self.model.check_read(target, record)

    async def step(self, action: Callable[[], Awaitable[None]]) -> None:
        """One step, whatever the server does to it."""
        await self._try(action())
        for worker in self.workers:
            worker.check()
        self._surroundings.check()

    async def _try(self, step: Awaitable[None]) -> None:
        try:
            await step
        except (Interrupted, ConnectionLost, ServerChanged):
            return
        except SourceSuperseded as error:
            raise AssertionError("the source has one producer") from error

    async def check(self) -> None:
        """Everything that can be seen from outside."""
        waiting = await self._surroundings.waiting()
        if waiting is None:
            return
        self.model.check_waiting(Counter(tag_of(envelope) for envelope in waiting))
        for where in range(len(TARGETS)):
            await self.read_state(where)

    # -- the end -------------------------------------------------------------------------------------------------------

    async def heal(self) -> None:
        """Nothing goes wrong any more: everything that was accepted has its effect (liveness)."""
        await self.fill_memory(False)
        self.strays.clear()
        for worker in self.workers:
            worker.crash()
        still = 0
        progress = -1
        while self.model.outstanding or any(sender.in_doubt() for sender in self.senders) or self._unsettled():
            await self.step(self._heal_once)
            still = still + 1 if progress == self.model.progress else 0
            progress = self.model.progress
            assert still < 100, f"liveness: nothing moves; still waiting: {sorted(self.model.outstanding)[:10]}"
        await self._check_end()

    def _unsettled(self) -> bool:
        held = self.workers[0].partitions
        return len(held) < PARTITIONS or not all(p.settled and not p.wants_parking for p in held.values())

    async def _heal_once(self) -> None:
        for sender in self.senders:
            for partition in range(PARTITIONS):
                sender.begin(partition, 10)
                await sender.deliver(partition, lose_answer=False)
        for partition in range(PARTITIONS):
            await self.acquire(0, partition)
            await self.fire(0, partition, 100)
            await self.tick(0)
            await self.work(0, partition)
        while gates.waiting:
            await self.open_gate(0, True)
        await self._surroundings.pass_time(20)

    async def _check_end(self) -> None:
        await self.check()
        for info in await self.store.info():
            assert (info.backlog, info.parked, info.timers) == (0, 0, 0), f"invariant 7: left behind: {info}"
        for sender in self.senders:
            for tag in sender.acknowledged:
                had = (
                    tag in self.model.applied
                    or tag in self.model.dead
                    or self.model.sent[tag].call_id in self.model.replied
                )
                assert had, f"invariant 1: {tag} was acknowledged and had no effect"
        await self._check_replies()

    async def _check_replies(self) -> None:
        """Every call that was accepted got exactly one answer, and the one that was committed."""
        for client in self.clients:
            got: dict[int, object] = {}
            after = b"0"
            while page := await self.store.read_replies(0, client.name, after, 0):  # of a long world there are several
                after = page[-1][0]
                for _, payload in page:
                    call_id, value, _ = decode_reply(payload)
                    assert call_id not in got, f"invariant 1: two answers to call {call_id}"
                    got[call_id] = value
            mine = {sent.call_id for sent in self.model.sent.values() if sent.sender == client.name} - {None}
            asked = {
                i
                for i in mine
                if any(s.call_id == i and s.tag in self.model.accepted for s in self.model.sent.values())
            }
            assert set(got) == asked, "invariant 7: a call without an answer"
            for call_id, value in got.items():
                assert value == self.model.replied[call_id]

    async def end(self) -> None:
        for worker in self.workers:
            await worker.stop()
        gates.waiting.clear()


__all__ = ["PARTITIONS", "WORKERS", "Surroundings", "World", "make_settings"]
