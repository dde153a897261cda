"""The invariants of the design, whatever happens in whatever order (invariants 1 to 9).

Clients, a source, three workers and a store: the real partitions, entities, chains and store, moved one step at a time.
See `world.py` for what can happen, `model.py` for what is checked, `driver.py` for long runs from one seed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from simulation.driver import run
from simulation.surroundings import MemorySurroundings, ServerSurroundings
from simulation.world import PARTITIONS, WORKERS, Surroundings, World
from support.fresh_seeds import fresh_seeds
from support.valkey_server import ValkeyServer


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of operations fail as they should."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


WHO = st.integers(0, 2)
WORKER = st.integers(0, WORKERS - 1)
PARTITION = st.integers(0, PARTITIONS - 1)
FLAG = st.booleans()
FEW = st.integers(1, 5)
SOME = st.integers(0, 17)


class Simulation(RuleBasedStateMachine):
    """Hypothesis chooses every step, and makes a failure as short as it can be."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = self.runner.run(self._open())

    async def _open(self) -> World:
        return World(await self.surroundings())

    async def surroundings(self) -> Surroundings:
        return MemorySurroundings()

    def step(self, action: Callable[[], Awaitable[None]]) -> None:
        async def one() -> None:
            await self.world.step(action)

        self.runner.run(one())

    @initialize()
    def begin(self) -> None:
        self.step(self.world.begin)

    # -- sending -------------------------------------------------------------------------------------------------------

    @rule(who=WHO, what=st.integers(0, 9), where=SOME, count=st.integers(1, 6))
    def compose(self, who: int, what: int, where: int, count: int) -> None:
        for _ in range(count):
            self.step(lambda: self.world.compose(who, what, where))
        self.step(lambda: self.world.enqueue(who, where % PARTITIONS, False))

    @rule(who=WHO, where=SOME)
    def burst(self, who: int, where: int) -> None:
        self.step(lambda: self.world.burst(who, where))

    @rule(who=WHO, partition=PARTITION, lose_answer=FLAG)
    def enqueue(self, who: int, partition: int, lose_answer: bool) -> None:
        self.step(lambda: self.world.enqueue(who, partition, lose_answer))

    @rule(who=WHO, partition=PARTITION)
    def give_up(self, who: int, partition: int) -> None:
        self.step(lambda: self.world.give_up(who, partition))

    @rule(index=SOME)
    def arrive_late(self, index: int) -> None:
        self.step(lambda: self.world.arrive_late(index))

    @rule()
    def restart_source(self) -> None:
        self.step(self.world.restart_source)

    # -- workers -------------------------------------------------------------------------------------------------------

    @rule(worker=WORKER, partition=PARTITION, count=st.integers(1, 3))
    def work(self, worker: int, partition: int, count: int) -> None:
        for _ in range(count):
            self.step(lambda: self.world.work(worker, partition))

    @rule(worker=WORKER, partition=PARTITION)
    def take_over(self, worker: int, partition: int) -> None:
        self.step(lambda: self.world.acquire(worker, partition))
        self.step(lambda: self.world.work(worker, partition))

    @rule(worker=WORKER, partition=PARTITION, patient=FLAG)
    def release(self, worker: int, partition: int, patient: bool) -> None:
        self.step(lambda: self.world.release(worker, partition, patient))

    @rule(worker=WORKER)
    def crash(self, worker: int) -> None:
        self.step(lambda: self.world.crash(worker))

    @rule(worker=WORKER, partition=PARTITION, count=FEW)
    def read(self, worker: int, partition: int, count: int) -> None:
        self.step(lambda: self.world.read(worker, partition, count))

    @rule(worker=WORKER, partition=PARTITION)
    def load(self, worker: int, partition: int) -> None:
        self.step(lambda: self.world.load(worker, partition))

    @rule(worker=WORKER)
    def hear(self, worker: int) -> None:
        self.step(lambda: self.world.hear(worker))

    @rule(worker=WORKER, partition=PARTITION, all_of_them=FLAG)
    def take_turns(self, worker: int, partition: int, all_of_them: bool) -> None:
        self.step(lambda: self.world.take_turns(worker, partition, all_of_them))

    @rule(worker=WORKER, linked=FLAG)
    def build(self, worker: int, linked: bool) -> None:
        self.step(lambda: self.world.build(worker, linked))

    @rule(worker=WORKER, lose_answer=FLAG)
    def send(self, worker: int, lose_answer: bool) -> None:
        self.step(lambda: self.world.send(worker, lose_answer))

    @rule(worker=WORKER)
    def answer(self, worker: int) -> None:
        self.step(lambda: self.world.answer(worker))

    @rule(worker=WORKER, partition=PARTITION, linked=FLAG, lose_answer=FLAG)
    def commit_and_lose(self, worker: int, partition: int, linked: bool, lose_answer: bool) -> None:
        self.step(lambda: self.world.commit_and_lose(worker, partition, linked, lose_answer))

    @rule(worker=WORKER, index=SOME)
    def commit_late(self, worker: int, index: int) -> None:
        self.step(lambda: self.world.commit_late(worker, index))

    @rule(worker=WORKER, partition=PARTITION, lose_answer=FLAG)
    def park(self, worker: int, partition: int, lose_answer: bool) -> None:
        self.step(lambda: self.world.park(worker, partition, lose_answer))

    @rule(worker=WORKER, partition=PARTITION, count=FEW)
    def refill(self, worker: int, partition: int, count: int) -> None:
        self.step(lambda: self.world.refill(worker, partition, count))

    @rule(worker=WORKER)
    def heed(self, worker: int) -> None:
        self.step(lambda: self.world.heed(worker))

    @rule(worker=WORKER, partition=PARTITION, limit=FEW)
    def fire(self, worker: int, partition: int, limit: int) -> None:
        self.step(lambda: self.world.fire(worker, partition, limit))
        self.step(lambda: self.world.tick(worker))

    @rule(index=SOME, succeed=FLAG)
    def open_gate(self, index: int, succeed: bool) -> None:
        self.step(lambda: self.world.open_gate(index, succeed))

    @rule(worker=WORKER, index=SOME)
    def finish(self, worker: int, index: int) -> None:
        self.step(lambda: self.world.finish(worker, index))

    @rule(worker=WORKER, partition=PARTITION, idle_rounds=st.integers(0, 3))
    def evict(self, worker: int, partition: int, idle_rounds: int) -> None:
        self.step(lambda: self.world.evict(worker, partition, idle_rounds))

    @rule(worker=WORKER, partition=PARTITION, built=FLAG)
    def forget_and_go_on(self, worker: int, partition: int, built: bool) -> None:
        self.step(lambda: self.world.forget_and_go_on(worker, partition, built))

    # -- the server ----------------------------------------------------------------------------------------------------

    @rule(milliseconds=st.integers(0, 1_500))
    def pass_time(self, milliseconds: int) -> None:
        self.step(lambda: self.world.pass_time(milliseconds))

    @rule()
    def restart_server(self) -> None:
        self.step(self.world.restart_server)

    @rule(full=FLAG)
    def fill_memory(self, full: bool) -> None:
        self.step(lambda: self.world.fill_memory(full))

    @rule(where=SOME)
    def read_state(self, where: int) -> None:
        self.step(lambda: self.world.read_state(where))

    @rule()
    def check(self) -> None:
        self.runner.run(self.world.check())

    def teardown(self) -> None:
        try:
            self.runner.run(self.world.check())
            self.runner.run(self.world.heal())
        finally:
            self.runner.run(self.world.end())
            self.runner.close()


def run_machine(*, max_examples: int, stateful_step_count: int) -> None:
    profile = settings(max_examples=max_examples, stateful_step_count=stateful_step_count)
    cast("Any", stateful).run_state_machine_as_test(Simulation, settings=profile)


def test_the_invariants_hold_in_memory() -> None:
    run_machine(max_examples=40, stateful_step_count=40)


@pytest.mark.invariant(3)
@pytest.mark.invariant(1)
def test_the_invariants_hold_in_random_worlds() -> None:
    """A failure names its seed."""
    for seed in fresh_seeds(2):
        asyncio.run(run(MemorySurroundings(), seed, 500))


@pytest.mark.slow
def test_the_invariants_hold_in_large_random_worlds() -> None:
    """Parks, backlogs and limits need some time to fill."""
    for seed in fresh_seeds(8):
        asyncio.run(run(MemorySurroundings(), seed, random.choice([600, 600, 600, 4_000])))


# -- a real server -------------------------------------------------------------------------------------------------------


async def run_on(server: ValkeyServer, seed: int, steps: int, *, rough: bool) -> None:
    surroundings = await ServerSurroundings.open(server)
    try:
        await run(surroundings, seed, steps, rough=rough)
    finally:
        await surroundings.fill_memory(False)
        await surroundings.store.close()


def test_the_invariants_hold_on_a_server(server: ValkeyServer) -> None:
    """The same steps over scripts: the server does not restart here, and is shared with other tests."""
    for seed in fresh_seeds(2):
        asyncio.run(run_on(server, seed, 300, rough=False))


@pytest.mark.slow
def test_the_invariants_hold_on_a_server_that_restarts(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    for seed in fresh_seeds(6):
        asyncio.run(run_on(server, seed, 400, rough=True))
        server.run("FLUSHALL")
