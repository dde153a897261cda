"""Long runs of the world from one integer: `python tests/simulation/driver.py --seed 7 --steps 2000`.

The seed decides everything that happens over memory, so a failure is repeated by its seed. Over a server the choices are
the same, but not the time that passes between them.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.surroundings import MemorySurroundings
from simulation.world import PARTITIONS, WORKERS, Surroundings, World

# How often each step comes up. Those that break things are rare enough for something to get done.
WEIGHTS = {
    "compose": 20,
    "burst": 3,
    "enqueue": 20,
    "give_up": 1,
    "arrive_late": 1,
    "restart_source": 1,
    "acquire": 2,
    "release": 2,
    "crash": 1,
    "read": 10,
    "load": 10,
    "hear": 15,
    "take_turns": 15,
    "build": 8,
    "send": 10,
    "answer": 10,
    "commit": 8,
    "commit_late": 2,
    "commit_and_lose": 2,
    "park": 6,
    "refill": 6,
    "heed": 10,
    "fire": 4,
    "tick": 6,
    "open_gate": 6,
    "finish": 6,
    "evict": 5,
    "forget_and_go_on": 5,
    "work": 6,
    "gather": 2,
    "turns_everywhere": 4,
    "hand_around": 5,
    "pass_time": 4,
    "restart_server": 1,
    "fill_memory": 1,
    "read_state": 2,
    "check": 2,
}


class Driver:
    """Takes one random step after the other."""

    def __init__(self, world: World, seed: int, *, rough: bool = True) -> None:
        self._world = world
        self._random = random.Random(seed)
        weights = dict(WEIGHTS)
        if not rough:
            weights["restart_server"] = 0
        # Each seed has its own mood: some things happen often in it, others never.
        moods = [
            self._random.choice((0.0, 0.3, 1.0, 1.0, 3.0) if weight < 10 else (0.5, 1.0)) for weight in weights.values()
        ]
        self._names = list(weights)
        self._weights = [weight * (mood or 0.05) for weight, mood in zip(weights.values(), moods, strict=True)]
        self._count = self._random.randrange

    async def step(self) -> None:
        [name] = self._random.choices(self._names, self._weights)
        action = self._choose(name)
        if name == "check":
            await action()
        else:
            await self._world.step(action)

    def _holder(self) -> tuple[int, int]:
        """A worker and a partition that it holds, most of the time."""
        held = [(w, p) for w, worker in enumerate(self._world.workers) for p in sorted(worker.partitions)]
        if held and self._random.random() < 0.9:
            return self._random.choice(held)
        return self._count(WORKERS), self._count(PARTITIONS)

    def _choose(self, name: str) -> Callable[[], Awaitable[None]]:
        world, count = self._world, self._count
        worker, partition = self._holder()
        some, flag = count(100), self._random.random() < 0.3
        arguments: dict[str, tuple[object, ...]] = {
            "compose": (count(3), count(10), count(18)),
            "burst": (count(3), some),
            "enqueue": (count(3), partition, flag),
            "give_up": (count(3), partition),
            "arrive_late": (some,),
            "restart_source": (),
            "acquire": (count(WORKERS), partition),
            "release": (worker, partition, not flag),
            "crash": (worker,),
            "read": (worker, partition, 1 + count(6)),
            "load": (worker, partition),
            "hear": (worker,),
            "take_turns": (worker, partition, flag),
            "build": (worker, flag),
            "send": (worker, flag),
            "answer": (worker,),
            "commit": (worker, flag),
            "commit_late": (worker, some),
            "commit_and_lose": (worker, partition, some % 2 == 0, flag),
            "park": (worker, partition, flag),
            "refill": (worker, partition, 1 + count(4)),
            "heed": (worker,),
            "fire": (worker, partition, 1 + count(3)),
            "tick": (worker,),
            "open_gate": (some, not flag),
            "finish": (worker, some),
            "evict": (worker, partition, max(0, count(5) - 2)),
            "forget_and_go_on": (worker, partition, flag),
            "work": (worker, partition),
            "gather": (worker,),
            "turns_everywhere": (worker, 1 + count(3)),
            "hand_around": (worker, some, count(4)),
            "pass_time": (count(800),),
            "restart_server": (),
            "fill_memory": (flag,),
            "read_state": (some,),
            "check": (),
        }
        method = getattr(world, name)
        return lambda: method(*arguments[name])


async def run(
    surroundings: Surroundings, seed: int, steps: int, *, rough: bool = True, local_hops: bool | None = None
) -> World:
    """One world from its beginning to its end. A failure names the seed and the step."""
    world = World(surroundings, local_hops=seed % 4 != 0 if local_hops is None else local_hops)
    driver = Driver(world, seed, rough=rough)
    number = -1
    try:
        await world.begin()
        while (number := number + 1) < steps:
            await driver.step()
        await world.check()
        await world.heal()
    except Exception as error:
        error.add_note(f"simulation seed {seed}, step {number} of {steps}")
        raise
    finally:
        await world.end()
    return world


def main() -> None:
    """Run worlds in memory, one after the other, from a seed on."""
    logging.disable(logging.WARNING)  # thousands of operations fail as they should
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=0, help="go on with the next seeds for so long")
    given = parser.parse_args()
    ends = time.monotonic() + given.seconds
    seed = given.seed
    while True:
        try:
            world = asyncio.run(run(MemorySurroundings(), seed, given.steps))
        except BaseException:
            print(f"failed: python tests/simulation/driver.py --seed {seed} --steps {given.steps}")
            raise
        model = world.model
        print(
            f"seed {seed}: {len(model.accepted)} accepted, {len(model.applied)} applied, {len(model.dead)} dead letters"
        )
        if time.monotonic() >= ends:
            return
        seed += 1


if __name__ == "__main__":
    main()
