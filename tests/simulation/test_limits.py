"""Limits of activities in seeded worlds: never exceeded, no place lost, instances in turns; and what breaks that is found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from simulation.limit_world import run
from simulation.noticing import breaks_an_invariant
from stead.transport import Taken, TaskLimit, stream_order
from stead.transport._memory import instances
from stead.transport._memory.limits import Limits
from stead.transport._memory.queues import Queue
from stead.transport._memory.state import HubState
from stead.transport._memory.streams import Order
from stead.transport._memory.taking import Taking

SEEDS = 25
STEPS = 120

pytestmark = pytest.mark.hazard(113)


@pytest.mark.parametrize("seed", range(12))
def test_limits_hold_whatever_happens(seed: int) -> None:
    asyncio.run(run(seed, STEPS))


_room, _set_aside, _retake, _give_back = (
    Limits.room,
    Limits.set_aside,
    instances.retake_tasks,
    instances.give_back_tasks,
)


def any_number_may(self: Limits, limit: str, own: str, now_us: int) -> tuple[bool, int | None]:
    """At once."""
    free, next_us = _room(self, limit, own, now_us)
    return (True, next_us) if not free and limit not in self.due_us else (free, next_us)


def no_rate(self: Limits, limit: str, own: str, now_us: int) -> tuple[bool, int | None]:
    free, next_us = _room(self, limit, own, now_us)
    return (True, None) if not free and limit in self.due_us else (free, next_us)


def leaves_nothing(self: Limits, order: Order) -> str | None:
    """A place that is never given back."""


def rings_no_bell(self: Queue, now_ms: int, limit: str) -> None:
    """Nobody is told that there is room."""


def gives_the_place_away(
    hub: HubState, queues: Sequence[str], worker: str, idle_ms: int, count: int, now_ms: int
) -> list[Taken]:
    """A task that is taken over goes on without its place."""
    taken = _retake(hub, queues, worker, idle_ms, count, now_ms)
    for task in taken:
        hub.queue(task.queue).leave_limit(now_ms, stream_order(task.entry))
    return taken


def keeps_its_place(
    hub: HubState, worker: str, taken: Sequence[Taken], behind: Mapping[bytes, TaskLimit], now_ms: int
) -> list[Taken]:
    """What is given back runs on, by what is written."""
    held = {task.queue: {name: set(of) for name, of in hub.queue(task.queue).limits.running.items()} for task in taken}
    given = _give_back(hub, worker, taken, behind, now_ms)
    for name, running in held.items():
        hub.queue(name).limits.running = running
    return given


def one_after_the_other(self: Limits, order: Order) -> None:
    """In the order in which they came, whose ever they are."""
    of = self.of_entry[order]
    self.of_entry[order] = of._replace(instance="")
    _set_aside(self, order)
    self.of_entry[order] = of


def newest_first(self: Limits, order: Order) -> None:
    """Whoever comes now is before those who wait."""
    _set_aside(self, order)
    limit, rank = self.behind[order]
    ranks = self.waiting[limit]
    ranks.remove(rank)
    rank = (rank[0], min((each[1] for each in ranks), default=0) - 1, order)
    ranks.insert(0, rank)
    ranks.sort()
    self.behind[order] = (limit, rank)


def all_alike(self: TaskLimit) -> str:
    """Whatever its priority."""
    return "1000"


def stays_out(self: Taking, name: str, queue: Queue, limit: str) -> None:
    """What waits is never looked at again."""


def looks_fine(hub: HubState) -> None:
    """Whatever is in it."""


MUTATIONS: list[tuple[object, str, object]] = [
    (Limits, "room", any_number_may),
    (Limits, "room", no_rate),
    (Limits, "leave", leaves_nothing),
    (Limits, "set_aside", one_after_the_other),
    (Limits, "set_aside", newest_first),
    (Queue, "ring", rings_no_bell),
    (Taking, "_admit", stays_out),
    (instances, "retake_tasks", gives_the_place_away),
    (instances, "give_back_tasks", keeps_its_place),
    (TaskLimit, "rank", property(all_alike)),
]


@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda mutation: f"{mutation[1]}-{getattr(mutation[2], '__name__', 'rank')}"
)
def test_a_mutation_is_found(mutation: tuple[object, str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutation)
    monkeypatch.setattr("simulation.limit_world.ill_formed", looks_fine)  # what they do is seen without looking inside

    assert any(breaks_an_invariant(run(seed, STEPS)) for seed in range(SEEDS))
