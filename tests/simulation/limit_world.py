"""A queue with limits and some workers that take from it, die, slow down and give back: what must hold after each step.

It goes by the store's steps alone, one at a time, in virtual time. What it knows it keeps for itself and compares.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from stead.transport import (
    Commit,
    CommitVerdict,
    DeclaredLimit,
    LimitNumbers,
    ManualClock,
    MemoryStore,
    Settings,
    Taken,
    Task,
    TaskLimit,
    stream_order,
)
from stead.transport._memory.well_formed import ill_formed

QUEUE = "q"
WORKERS = ("w", "v", "x")
KEEP_MS = 1_000
INTERVAL_MS = 70  # of the limit that has a rate
LIMITS = {
    "one": LimitNumbers.of(1),
    "three:a": LimitNumbers.of(3),
    "three:b": LimitNumbers.of(3),
    "rate": LimitNumbers.of(0, 1, INTERVAL_MS * 1_000),
    "both": LimitNumbers.of(2, 1, INTERVAL_MS * 1_000),
}
PASSES_MAX = 2  # turns that an instance may have while another one waits for its


@dataclass
class Work:
    """A task, and what has become of it."""

    task: Task
    taken: Taken | None = None
    worker: str = ""
    ended: bool = False  # it has a result, or nobody wants it
    held: bool = False  # it has a place within its limit
    seen: bool = False  # a take has looked at it, and left it
    passed: Counter[str] = field(default_factory=Counter[str])  # turns that others have had since then

    @property
    def limit(self) -> TaskLimit | None:
        return self.task.limit


class LimitWorld:
    """See the module."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.store = MemoryStore("hub", Settings(partitions=1, slot_groups=1), self.clock)
        self.work: dict[bytes, Work] = {}
        self.begun_ms: dict[str, int] = {}  # limit -> when the last one of it began
        self._commit_id = b""
        self._numbers = 0

    async def begin(self) -> None:
        assert await self.store.acquire(0, "owner", b"token", b"", 1_000_000_000) is not None
        declared = [DeclaredLimit(QUEUE, name.split(":")[0], numbers.text) for name, numbers in LIMITS.items()]
        await self.store.open_queues([QUEUE], declared, True)

    async def commit(self, tasks: list[Task], dropped: list[tuple[bytes, bool]]) -> None:
        before, self._commit_id = self._commit_id, b"c%d" % self._numbers
        self._numbers += 1
        unqueued = [(QUEUE, key) for key, told in dropped if told]
        gone = [key for key, _ in dropped]
        commit = Commit(0, b"token", before, self._commit_id, tasks=tasks, dropped=gone, unqueued=unqueued)
        assert await self.store.commit([commit], self.store.generation) == [CommitVerdict.APPLIED]

    # -- what happens ----------------------------------------------------------------------------------------------------

    async def schedule(self) -> None:
        """An instance has some tasks."""
        instance = f"i{self.chance.randint(0, 4)}"
        tasks: list[Task] = []
        for _ in range(self.chance.choice([1, 1, 2, 6])):
            self._numbers += 1
            name = self.chance.choice([*LIMITS, "one", "free"])
            priority = self.chance.choice([0, 0, 0, 5])
            limit = None if name == "free" else TaskLimit(name, "9:0:0", instance, priority)
            tasks.append(Task(b"%s|x|%d" % (instance.encode(), self._numbers), QUEUE, True, b"", limit))
        self.work.update((task.task_id, Work(task)) for task in tasks)
        await self.commit(tasks, [])

    async def take(self, worker: str, count: int | None = None) -> None:
        count = count or self.chance.choice([1, 2, 5, 50])
        taken = await self.store.take_tasks([QUEUE], worker, count, 0)
        for one in taken:
            self._taken(one, worker)
        if not taken:  # all was looked at
            for work in self.work.values():
                work.seen = work.seen or not (work.ended or work.taken)

    def _taken(self, one: Taken, worker: str) -> None:
        work = self.work[one.task_id]
        assert not work.ended, "what nobody wants is not given to anybody"
        limit = work.limit
        assert one.limit == (limit.limit if limit is not None else "")
        work.taken, work.worker = one, worker
        if limit is None:
            return
        work.held = True
        now_ms = self.clock.now_ms()
        if LIMITS[limit.limit].interval_us:
            before = self.begun_ms.get(limit.limit)
            assert before is None or now_ms - before >= INTERVAL_MS, "invariant: no more begin in a time than may"
            self.begun_ms[limit.limit] = now_ms
        for other in self.work.values():
            if other.seen and not other.ended and other.taken is None and other.limit is not None:
                if other.limit.limit != limit.limit:
                    continue
                assert other.limit.priority <= limit.priority, "invariant: what has priority goes first"
                if (
                    other.limit.priority == limit.priority
                    and other.limit.instance != limit.instance
                    and one.deliveries == 1
                ):
                    other.passed[limit.instance] += work.seen
        work.seen = False

    def check(self) -> None:
        """What must hold whenever one looks."""
        held = Counter(work.limit.limit for work in self.work.values() if work.held and work.limit is not None)
        for name, count in held.items():
            most = LIMITS[name].most
            assert not most or count <= most, f"invariant: {count} of {name} run, and {most} may"
        firsts: dict[tuple[str, int, str], Work] = {}
        for work in self.work.values():
            if work.limit is not None and work.seen and not work.ended and work.taken is None:
                firsts.setdefault((work.limit.limit, work.limit.priority, work.limit.instance), work)
        for first in firsts.values():
            assert max(first.passed.values(), default=0) <= PASSES_MAX, "invariant: instances take turns"
        found = ill_formed(self.store.snapshot())
        assert found is None or "does not know it" in found, found  # which is so of what was called off

    async def complete(self, worker: str) -> None:
        held = self._held(worker)
        for work in self.chance.sample(held, min(len(held), self.chance.randint(1, 3))):
            await self._complete(work)

    async def _complete(self, work: Work) -> None:
        assert work.taken is not None
        done = await self.store.complete_task(0, work.task.task_id, b"result", work.taken)
        assert done is not work.ended
        work.ended, work.held, work.worker = True, False, ""
        for other in self.work.values():
            if other.limit is not None and work.limit is not None and other.limit.instance == work.limit.instance:
                other.passed.clear()  # its own instance has had a turn: it waits anew

    async def call_off(self) -> None:
        """Nobody wants some tasks any more. Workers of before do not say which wait behind limits."""
        open_work = [work for work in self.work.values() if not work.ended]
        chosen = self.chance.sample(open_work, min(len(open_work), self.chance.randint(1, 3)))
        await self.commit([], [(work.task.task_id, self.chance.random() < 0.7) for work in chosen])
        for work in chosen:
            work.ended = True  # one that was taken holds its place until its worker hears of it

    async def keep(self, worker: str) -> None:
        held = self._held(worker)
        taken = [work.taken for work in held if work.taken is not None]
        for key in (await self.store.keep_tasks(worker, taken)).lost:
            assert self.work[key].ended
            self.work[key].held, self.work[key].worker = False, ""

    async def give_back(self, worker: str) -> None:
        held = self._held(worker)
        await self.store.give_back_tasks(worker, [work.taken for work in held if work.taken is not None])
        for work in held:
            work.held, work.taken, work.worker, work.seen = False, None, "", False

    async def die(self, worker: str) -> None:
        """What it has taken holds its place until others have taken it over."""
        for work in self._held(worker):
            work.worker = "dead"

    async def retake(self, worker: str, idle_ms: int = KEEP_MS) -> None:
        for one in await self.store.retake_tasks([QUEUE], worker, idle_ms, 100):
            work = self.work[one.task_id]
            assert work.taken is not None
            work.taken, work.worker = one, worker
        there = self.store.snapshot().queues[QUEUE].taken
        for work in self.work.values():  # those that nobody wants are let go of on the way
            if work.ended and work.held and work.taken is not None and stream_order(work.taken.entry) not in there:
                work.held, work.worker = False, ""

    def _held(self, worker: str) -> list[Work]:
        return [work for work in self.work.values() if work.worker == worker and work.taken is not None]

    async def step(self) -> None:
        worker = self.chance.choice(WORKERS)
        what = self.chance.choices(
            ("schedule", "take", "complete", "keep", "call_off", "give_back", "die", "retake", "time"),
            (8, 14, 10, 3, 2, 1, 1, 2, 8),
        )[0]
        if what == "time":
            self.clock.advance_to(self.clock.now_ms() + self.chance.choice([1, 20, 70, 500]))
        elif what in ("schedule", "call_off"):
            await getattr(self, what)()
        else:
            await getattr(self, what)(worker)
        self.check()

    async def end(self) -> None:
        """Nothing goes wrong any more: everything is done in time, in the order of turns."""
        for _ in range(3 * len(self.work) + 50):
            if all(work.ended for work in self.work.values()):
                break
            await self.retake("w", 0)
            await self.take("w", 50)
            for work in self._held("w"):
                if not work.ended:
                    await self._complete(work)
            self.check()
            self.clock.advance_to(self.clock.now_ms() + INTERVAL_MS)
        left = [work.task.limit for work in self.work.values() if not work.ended]
        assert not left, f"invariant: no place is lost, nobody waits for ever: {left[:3]}"
        for _ in range(60):  # what nobody wants, and nobody was told of, goes when its turn comes
            await self.take("w", 50)
            self.clock.advance_to(self.clock.now_ms() + INTERVAL_MS)
        assert all(not view.waiting for view in await self.store.limits([QUEUE], 100)), "invariant: nothing is left"


async def run(seed: int, steps: int) -> None:
    """One world."""
    world = LimitWorld(seed)
    await world.begin()
    for _ in range(steps):
        await world.step()
    await world.end()
