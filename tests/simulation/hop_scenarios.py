"""What would go wrong with messages that are handed over in memory, case by case: each as short as it can be, with the real
partitions and the steps of a hub in memory, and with everything that is not said to happen left out.

Each scenario ends with what everybody can see: in which order an entity was told things, what is stored, and that nothing
happened twice. The scenarios are in the files next to this one; `test_hop_scenarios.py` runs them all, and breaks the rule of each to see that it is seen.

Partitions are called by what they are in a case: a sender, a receiver, one in between (`S`, `R`, `Q`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import TypeVar

from support.hop_bench import HopBench, send

S, R, Q = 0, 1, 2

Scenario = Callable[[], None]
T = TypeVar("T", bound=Scenario)

HAZARDS: dict[Scenario, list[int]] = {}


def scenario(*hazards: int) -> Callable[[T], T]:
    """One of them, and the hazards that it is about."""

    def add(one: T) -> T:
        HAZARDS[one] = list(hazards)
        return one

    return add


def scenarios_in(*modules: ModuleType) -> dict[str, Scenario]:
    """Those that are written in a module, by name."""
    found = (one for module in modules for one in vars(module).values())
    return {one.__name__: one for one in found if isinstance(one, FunctionType) and one in HAZARDS}


def bench_of(partitions: int = 3, /, **settings: int) -> HopBench:
    """A worker that holds all partitions, with an entity of each in memory, and everything read."""
    bench = HopBench(partitions, **settings)
    bench.hold(*range(partitions))
    bench.ready(*(bench.target(number) for number in range(partitions)))
    bench.kind.seen.clear()
    return bench


def sender_and_receiver(**settings: int) -> tuple[HopBench, str, str]:
    """Such a worker, and whom most cases are about."""
    bench = bench_of(**settings)
    return bench, bench.target(S), bench.target(R)


def busy_in(bench: HopBench, partition: int) -> str:
    """A target of a partition of which an operation runs, so that nothing can be handed over to it."""
    target = bench.target(partition, "busy")
    bench.ready(target)
    bench.put(target, "waits", operation="wait")
    bench.read()
    bench.turn(partition)
    return target


def locked_in(bench: HopBench, partition: int) -> str:
    """A target of a partition that has just been locked, which is not written yet."""
    target = bench.target(partition, "locked")
    bench.put(target, "locks", operation="lock")
    bench.read()
    bench.turns()
    return target


def store_one(bench: HopBench, sender: str, receiver: str, tag: str) -> None:
    """Something is sent that is not handed over, since the receiver is not in memory; then it is."""
    partition = bench.held[R]
    partition.evict(-1)
    assert receiver not in partition.activations
    bench.put(sender, "stores", send(receiver, tag))
    bench.read()
    bench.turn(S)
    come(bench, receiver)


def come(bench: HopBench, target: str) -> None:
    """One of R's that was not in memory is, without having done anything."""
    bench.put(target, "comes", operation="ignore")
    bench.read()
    bench.turn(R)


def hand_over_one(bench: HopBench, sender: str, receiver: str, tag: str) -> None:
    """Something is sent, handed over and taken; nothing of it is written."""
    bench.put(sender, "a", send(receiver, tag))
    bench.read()
    bench.turns()


def end_one(bench: HopBench, target: str) -> None:
    """The operation that runs there ends."""
    partition = next(p for p in bench.held.values() if target in p.activations)
    partition.finish(partition.activations[target], None, None)
