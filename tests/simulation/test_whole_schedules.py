"""Schedules of whole workers in virtual time: whatever befalls those, each occurrence is run once, or counted as one that was not;
runs are no more at once than their policy allows. And whether it would be found if one of their rules were broken."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import Any

import pytest

from simulation import whole
from simulation.whole import WholeWorld
from stead.app import App, Client
from stead.entities import Entity, Worker
from stead.entities._message.record import decode_record
from stead.orchestrations import OrchestrationContext, Orchestrations, OrchestrationStatus
from stead.orchestrations._schedules import schedule as schedules
from stead.orchestrations._schedules.occurrences import RunPlan, jitter_of, next_occurrence
from stead.orchestrations._schedules.schedule import SCHEDULES, Schedule
from stead.orchestrations._schedules.spec import Overlap
from stead.transport import partition_of
from support.fresh_seeds import fresh_seeds

NAMES_MAX = 4
OVERLAPS: tuple[Overlap, ...] = ("skip", "buffer_one", "allow", "terminate")

app = App("scheduled")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong is logged, as it should."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@app.entity
class Ticks(Entity):
    """Counts what it is sent."""

    count: int = 0

    def tick(self) -> None:
        self.count += 1


@app.orchestration
async def work(context: OrchestrationContext, seconds: int) -> int:
    await asyncio.sleep(seconds)
    return seconds


class Clockwork(WholeWorld):
    """Some schedules: by name, whether they start instances, and how often somebody has triggered them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, app.registry)
        self.client = Client(self.store, app.registry, self.settings, app.orchestrations)
        self.made: list[str] = []
        self.triggers: Counter[str] = Counter()
        self.paused = self.done = False
        self.look_ms = 0

    def worker(self) -> Worker:
        orchestrations = Orchestrations(app.orchestrations, self.settings, entities=app.registry)
        return Worker(self.store, app.registry, self.settings, None, [orchestrations])

    async def close(self) -> None:
        await self.client.aclose()

    async def pass_time(self) -> None:
        await super().pass_time()
        self.clock.advance_to(self.clock.now_ms() + 400)  # runs last longer than what other worlds wait for

    async def step(self) -> None:
        """One thing, and a while in which it has its effects."""
        befalls = (self.start, self.start, self.stop, self.die, self.lose, self.restart, self.stand_still)
        await self.let(self.chance.choice((*befalls, *[self.one] * 6))())
        await self.pass_some_time()

    async def stand_still(self) -> None:
        """Nobody is there for a while."""
        while self.workers:
            await self.stop()
        self.clock.advance_to(self.clock.now_ms() + self.chance.choice([7_000, 30_000, 200_000]))

    async def one(self) -> None:
        """What a client does. It is answered, so there has to be somebody."""
        chance = self.chance
        if not self.workers:
            await self.start()
        name = chance.choice(self.made) if self.made else ""
        if not name or (len(self.made) < NAMES_MAX and chance.random() < 0.5):
            await self.make(f"s{len(self.made)}")
            return
        match chance.randrange(4):
            case 0:
                await self.client.schedules.pause(name)
            case 1:
                self.triggers[name] += 1
                await self.client.schedules.trigger(name)
            case _:
                await self.client.schedules.resume(name)

    async def make(self, name: str) -> None:
        chance = self.chance
        every, jitter, catch_up = (
            timedelta(seconds=chance.choice(seconds)) for seconds in ([5, 13, 60], [0, 0, 1, 45], [0, 10, 1_000])
        )
        self.made.append(name)
        if chance.random() < 0.25:
            ticking = self.client.schedules.create(name, every=every, jitter=jitter, catch_up=catch_up)
            await ticking.signal_entity(Ticks.tick, name)
        else:
            overlap = chance.choice(OVERLAPS)
            making = self.client.schedules.create(name, every=every, jitter=jitter, catch_up=catch_up, overlap=overlap)
            await making.start_new(work, chance.choice([0, 8, 40]))

    async def missing(self) -> str:
        """In the end all go on; then all are paused, and what they have run is looked at. That takes longer than time passes."""
        if not self.done and self.clock.now_ms() < self.look_ms:
            return "nobody has looked"
        self.look_ms = self.clock.now_ms() + 2_000
        runs = {name: await self.runs_of(name) for name in self.made}
        running = [run.instance_id for several in runs.values() for run in several if not run.is_finished]
        if not self.paused:
            for name in self.made:
                late = self.late(await self.state_of(name), running)
                if late:
                    return f"{name}: {late}"
            self.paused = True
            for name in self.made:
                await self.let(self.client.schedules.pause(name))
            return "what has run was read before all were paused"
        timers = sum(info.timers for info in await self.store.info())
        if running or timers or not self.store.is_idle():
            return f"{running} run, {timers} timers are left, or messages"
        for name in self.made:
            await self.look_at(name, await self.state_of(name), runs[name])
        self.done = True
        return ""

    def late(self, state: Schedule, running: list[str]) -> str:
        """Why a schedule does not go on, if it does not."""
        assert state.spec is not None and state.next_ms is not None
        if state.paused:
            return ""
        if state.next_ms + state.spec.jitter_ms < self.clock.now_ms() - 3_000:
            return f"what is due at {state.next_ms} does not run"
        if state.waiting is not None and not state.running.keys() & set(running):
            return "a run waits for nothing"
        return ""

    async def runs_of(self, name: str) -> list[OrchestrationStatus[Any]]:
        return [run async for run in self.client.list_instances(prefix=f"{name}:")]

    async def state_of(self, name: str) -> Schedule:
        """What is stored of a schedule."""
        target = SCHEDULES + name
        [record] = await self.store.read_records(partition_of(target, self.settings.partitions), [target])
        assert record is not None, f"{name} is gone"
        state = schedules.schedule_type().read(decode_record(record).packed_state or b"")
        assert isinstance(state, Schedule)
        return state

    async def look_at(self, name: str, state: Schedule, runs: list[OrchestrationStatus[Any]]) -> None:
        """Each occurrence is run or counted, none too early, and no two runs were there at once that may not."""
        spec = state.spec
        assert spec is not None and spec.every_ms is not None and state.next_ms is not None
        passed, rest = divmod(state.next_ms - state.created_ms, spec.every_ms)
        assert rest == 0, f"{name} has lost its rhythm"
        ticks = await self.client.read_entity(Ticks, name)
        ran = len(runs) + (0 if ticks is None else ticks.count)
        counted = ran + state.missed + state.skipped + (state.waiting is not None)
        assert passed - 1 + self.triggers[name] == counted, f"{name}: {state}"
        for run in runs:
            occurrence, _, triggered = run.instance_id.removeprefix(f"{name}:").partition("Z")
            began_ms = round(run.created_time.timestamp() * 1000)
            at_ms = round(datetime.fromisoformat(f"{occurrence}+00:00").timestamp() * 1000)
            if not triggered:
                assert (at_ms - state.created_ms) % spec.every_ms == 0, f"{run} is of no occurrence"
                assert began_ms >= at_ms + jitter_of(spec, name, at_ms), f"{run} is too early"
        if spec.overlap != "allow":
            in_order = sorted(runs, key=lambda run: (run.created_time, run.last_updated_time))
            for first, second in pairwise(in_order):
                assert first.last_updated_time <= second.created_time, f"{first} and {second} ran at once"


@pytest.mark.invariant(1)
@pytest.mark.hazard(105)
@pytest.mark.hazard(106)
@pytest.mark.hazard(107)
async def test_every_occurrence_is_run_once_or_counted() -> None:
    for seed in chain(range(3), fresh_seeds(2)):
        await Clockwork(seed).live()


_plan, _occur = Schedule._plan, Schedule._occur


def counts_nothing(self: Schedule) -> RunPlan:
    """What a standstill has made too late is forgotten."""
    return dataclasses.replace(_plan(self), missed=0)


def goes_on_from_now(self: Schedule) -> RunPlan:
    """The next occurrence is looked for after the time at which the last one ran."""
    plan = _plan(self)
    assert self.spec is not None
    return dataclasses.replace(plan, next_ms=next_occurrence(self.spec, self.created_ms, self._now_ms()))


def looks_at_nothing(self: Schedule, occurrence_ms: int, instance_id: str) -> bool:
    """Whatever runs, another run begins."""
    assert self.spec is not None
    if self.spec.signal is not None:
        return _occur(self, occurrence_ms, instance_id)
    self._start(occurrence_ms, instance_id)
    return True


def waits_for_good(self: Schedule) -> None:
    """Nobody hears that the run before is over."""


def is_not_reminded(self: Schedule) -> None:
    self.context.cancel_reminder("due")


def names_it_by_now(self: Schedule, occurrence_ms: int) -> str:
    """An instance is named by when it runs."""
    return schedules.instance_id_of(self._name, self._now_ms())


MUTATIONS: list[tuple[object, str, Any]] = [
    (Schedule, "_plan", counts_nothing),
    (Schedule, "_plan", goes_on_from_now),
    (Schedule, "_occur", looks_at_nothing),
    (Schedule, "_start_waiting", waits_for_good),
    (Schedule, "_wake", is_not_reminded),
    (Schedule, "_instance_id", names_it_by_now),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation[2].__name__)
async def test_a_mutation_is_found(mutation: tuple[object, str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutation)
    monkeypatch.setattr(whole, "QUIET_MS", 260_000)  # longer than anything lasts: what does not go on is found sooner
    for seed in range(60):
        try:
            await Clockwork(seed).live()
        except AssertionError:
            return
    raise AssertionError("nobody noticed")
