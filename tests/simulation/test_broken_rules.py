"""Worlds in which one rule of stead's own is broken: the checks after each step see it, whichever it is.

Each is broken as a slip in a change would break it: a step does all that it does, but for one thing.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from simulation.driver import run
from simulation.surroundings import MemorySurroundings
from simulation.test_whole_orchestrations import Instances
from stead.entities._partition.effects import Effects
from stead.entities._partition.partition import Partition
from stead.entities._partition.suspects import Suspects
from stead.orchestrations._execution.execution import Execution
from stead.orchestrations._execution.external_events import Mailbox
from stead.orchestrations._instance import kind
from stead.orchestrations._instance.turn import InstanceTurn
from stead.transport._memory.state import Timers

SEEDS = 60
STEPS = 600

Break = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def leaves(owner: type, method: str, name: str, of: Callable[[Any], Any] = lambda one: one) -> Break:
    """A step that leaves one thing as it was: an attribute of its object, or of what `of` gives for that."""
    real = getattr(owner, method)

    @functools.wraps(real)
    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        holder = of(self)
        before = copy.copy(getattr(holder, name))
        try:
            return real(self, *args, **kwargs)
        finally:
            setattr(holder, name, before)

    return lambda monkeypatch: monkeypatch.setattr(owner, method, broken)


def evict_what_flies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is seen to be in flight when memory is freed."""
    real = Partition.evict

    def evict(self: Any, idle_rounds: int) -> int:
        flying, self._flying_activations = self._flying_activations, frozenset()
        try:
            return real(self, idle_rounds)
        finally:
            self._flying_activations = flying

    monkeypatch.setattr(Partition, "evict", evict)


def name_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a turn has come to is not written into the record."""

    def settle(turn: InstanceTurn) -> None:
        """Nothing."""

    monkeypatch.setattr(kind, "settle_turn", settle)


BROKEN_PARTITIONS: dict[str, tuple[Break, str]] = {
    "what flies is evicted": (evict_what_flies, "a commit writes has been dropped"),
    "suspects are not counted": (leaves(Suspects, "heard", "_waiting"), "suspect messages are said to wait"),
    "suspects that are done with count": (leaves(Suspects, "done", "_waiting"), "suspect messages are said to wait"),
    "the marked one waits for ever": (leaves(Suspects, "done", "_marked_waits"), "on whose turn the last owner died"),
    "what runs is runnable": (leaves(Partition, "take_turns", "runnable"), "messages are said to be runnable"),
    "what was committed flies": (leaves(Partition, "committed", "_flying_activations"), "in flight without a commit"),
    "parked messages do not count": (leaves(Effects, "consume", "_unparked_length"), "messages from parks are not"),
}

BROKEN_INSTANCES: dict[str, tuple[Break, str]] = {
    "a timer that is called off keeps its place": (leaves(Timers, "cancel", "order"), "in which they are due"),
    "what was answered is open": (
        leaves(Execution, "_answer", "open", lambda execution: execution._commands),
        "its code waits for an answer",
    ),
    "who has an event waits": (leaves(Mailbox, "_forget", "waits"), "are said to wait for an event"),
    "a record is packed once": (
        leaves(InstanceTurn, "flush", "packed", lambda turn: turn.body),
        "the bytes that would be",
    ),
    "a record names no events": (name_no_events, "the events that its record names"),
}


async def seen(live: Callable[[int], Awaitable[object]]) -> str:
    """Live through worlds until what was broken is seen: what was said of it."""
    for seed in range(SEEDS):
        try:
            await live(seed)
        except AssertionError as error:
            return str(error)
    return f"{SEEDS} worlds, and nobody has seen it"


async def in_a_world(seed: int) -> None:
    await run(MemorySurroundings(), seed, STEPS)


async def in_a_whole_world(seed: int) -> None:
    await Instances(seed).live((10, 60))


@pytest.mark.parametrize("name", BROKEN_PARTITIONS)
async def test_a_partition_that_breaks_a_rule_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, words = BROKEN_PARTITIONS[name]
    broken(monkeypatch)
    assert words in await seen(in_a_world)


@pytest.mark.parametrize("name", BROKEN_INSTANCES)
async def test_an_instance_that_breaks_a_rule_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, words = BROKEN_INSTANCES[name]
    broken(monkeypatch)
    assert words in await seen(in_a_whole_world)
