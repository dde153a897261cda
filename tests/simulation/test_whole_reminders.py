"""Reminders of whole workers in virtual time: whatever befalls those, each runs once for each time that it is due, and none
that was cancelled, replaced or dropped runs at all. And whether it would be found if one of their rules were broken."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from simulation import whole
from simulation.whole import WholeWorld
from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, Registry
from stead.entities._message.envelope import Firing
from stead.entities._message.reminders import Reminder, reminder_timer_id
from stead.entities._partition.activation import Activation
from stead.entities._partition.effects import Effects
from stead.entities._turns import reminding
from stead.transport import ManualClock
from support.fresh_seeds import fresh_seeds

KEYS = 4
NAMES = ("one", "two", "three")
EVERY_S = (1, 7, 60)
clocks: list[ManualClock] = []


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong is logged, as it should."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Bells(Entity):
    """Knows which of its reminders stand, and writes down whatever rings otherwise."""

    standing: dict[str, tuple[int, int, int | None]] = {}  # name: which setting of it, first due ms, every ms
    last: dict[str, int] = {}  # name: the time after the one for which it rang last, ms
    settings: int = 0
    done: list[int] = []  # settings that have rung once, and were to
    wrong: list[str] = []

    def put(self, name: str, wait_ms: int, every_s: int | None, how: str) -> None:
        self.settings += 1
        now_ms = clocks[-1].now_ms()
        after, every = timedelta(milliseconds=wait_ms), None if every_s is None else timedelta(seconds=every_s)
        reminder = self.context.reminder(name, after=after, every=every)
        ring = {"ring": Bells.ring, "slowly": Bells.ring_slowly, "fail": Bells.fail}[how]
        reminder.signal(ring, name, self.settings)
        self.standing[name] = (self.settings, now_ms + wait_ms, None if every_s is None else every_s * 1_000)
        self.last.pop(name, None)

    def drop(self, name: str) -> None:
        there = self.context.cancel_reminder(name)
        if there != (self.standing.pop(name, None) is not None):
            self.wrong.append(f"{name} was there: {there}")

    def drop_all(self) -> None:
        """As `delete` does it, but for what is written down."""
        before = self.model_copy(deep=True)
        self.context.delete_state()
        self.settings, self.done, self.wrong = before.settings, before.done, before.wrong

    def ring(self, name: str, setting: int) -> None:
        self.rang(name, setting, clocks[-1].now_ms())

    def rang(self, name: str, setting: int, now_ms: int) -> None:
        stands = self.standing.get(name)
        if stands is None or stands[0] != setting:
            self.wrong.append(f"{name} {setting} rang, and is not there")
            return
        _, due_ms, every_ms = stands
        late_ms = now_ms - due_ms
        if late_ms < 0:
            self.wrong.append(f"{name} {setting} rang too early")
        if every_ms is None:
            del self.standing[name]
            self.done.append(setting)
            return
        # Not by when it rang: one that rang late may be behind the time of the next, which rings then all the same.
        following = self.context.reminders.get(name)
        following_ms = -1 if following is None else round(following.timestamp() * 1000)
        if following_ms <= self.last.get(name, 0):
            self.wrong.append(f"{name} {setting} rang twice for one time")
        self.last[name] = following_ms
        if (following_ms - due_ms) % every_ms:
            self.wrong.append(f"{name} {setting} has lost its rhythm")

    async def ring_slowly(self, name: str, setting: int) -> None:
        began_ms = clocks[-1].now_ms()
        await clocks[-1].sleep(0.3)
        self.rang(name, setting, began_ms)

    def fail(self, name: str, setting: int) -> None:
        stands = self.standing.get(name)
        if stands is not None and stands[2] is None:
            self.ring(name, setting)  # once is once
        else:
            raise ValueError("no")


class Belfry(WholeWorld):
    """Some entities with bells."""

    def __init__(self, seed: int) -> None:
        registry = Registry()
        registry.add(ClassEntityType(Bells))
        super().__init__(seed, registry)
        clocks[:] = [self.clock]
        self.client = EntityClient(self.store, self.registry, self.settings)
        self.stopped = False

    async def close(self) -> None:
        await self.client.aclose()

    async def step(self) -> None:
        """One thing, and a while in which it has its effects."""
        chance = self.chance
        actions = (self.one, self.one, self.one, self.one, self.start, self.stop, self.die, self.lose, self.restart)
        await self.let(chance.choice(actions)())
        await self.pass_some_time()

    async def one(self) -> None:
        chance = self.chance
        key, name = f"key-{chance.randrange(KEYS)}", chance.choice(NAMES)
        match chance.randrange(8):
            case 0 | 1:
                await self.client.signal_entity(Bells.drop, key, name)
            case 2:
                await self.client.signal_entity(Bells.drop_all, key)
            case _:
                wait_ms, every_s = chance.choice([1, 500, 5_000]), chance.choice([None, *EVERY_S])
                how = chance.choice(["ring", "ring", "slowly", "fail"])
                await self.client.signal_entity(Bells.put, key, name, wait_ms, every_s, how)

    async def missing(self) -> str:
        """In the end every one that repeats rings on, and then all are dropped: nothing is left of them."""
        bells = {entity_id.key: one async for entity_id, one in self.client.list_entities(Bells)}
        for key, one in bells.items():
            assert not one.wrong, f"{key}: {one.wrong}"
            assert len(one.done) == len(set(one.done)), f"{key}: {one.done}"
            status = await self.client.describe_entity(EntityId(Bells, key))
            assert status is not None
            overdue = [
                name for name, due in status.reminders.items() if due.timestamp() * 1000 < self.clock.now_ms() - 500
            ]
            if overdue:
                return f"{key}: {overdue} do not go on"
            if set(status.reminders) != set(one.standing):
                return f"{key}: {set(status.reminders)} are there, and {set(one.standing)} are to be"
        late = [one for bell in bells.values() for one in bell.standing.values() if one[2] is None]
        if late:
            return f"{late} have not rung"
        if not self.stopped:
            self.stopped = True
            for number in range(KEYS):
                await self.client.signal_entity(Bells.drop_all, f"key-{number}")
        timers = sum(info.timers for info in await self.store.info())
        return "" if self.store.is_idle() and timers == 0 else f"{timers} timers are left"


@pytest.mark.invariant(1)
@pytest.mark.hazard(99)
@pytest.mark.hazard(100)
@pytest.mark.hazard(102)
async def test_every_reminder_runs_when_it_is_due_and_only_then() -> None:
    for seed in chain(range(4), fresh_seeds(2)):
        await Belfry(seed).live()


def any_generation(self: reminding.Reminders, firing: Firing) -> Reminder | None:
    """A reminder of the name is there: another one, perhaps."""
    return self.get(firing.reminder)


def ends_with_a_failure(self: reminding.Reminders, activation: Activation, firing: Firing, effects: Effects) -> None:
    """As if setting it anew were part of the operation."""


_keep = reminding.Reminders.keep


def sets_no_timer(
    self: reminding.Reminders, activation: Activation, changes: Mapping[str, Reminder | None], effects: Effects
) -> None:
    """The record says that it goes on, and nothing will fire."""
    _keep(self, activation, changes, effects)
    for name in changes.keys() & self.keys():
        effects.cancel_timer(reminder_timer_id(activation.target, name))


def from_now_on(self: Reminder, now_ms: int, generation: bytes) -> Reminder | None:
    """Its rhythm begins anew with every run."""
    if self.rhythm is None:
        return None
    every_ms: Any = getattr(self.rhythm, "every_ms", 0)
    return Reminder(generation, now_ms + every_ms, self.rhythm, self.envelope)


MUTATIONS: list[tuple[object, str, Any]] = [
    (reminding.Reminders, "standing", any_generation),
    (reminding.Reminders, "go_on", ends_with_a_failure),
    (reminding.Reminders, "keep", sets_no_timer),
    (Reminder, "after_firing", from_now_on),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation[2].__name__)
async def test_a_mutation_is_found(mutation: tuple[object, str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*mutation)
    monkeypatch.setattr(whole, "QUIET_MS", 120_000)  # twice the longest rhythm: what does not go on is found sooner
    for seed in range(60):
        try:
            await Belfry(seed).live()
        except AssertionError:
            return
    raise AssertionError("nobody noticed")
