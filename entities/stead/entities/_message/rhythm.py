"""What comes again: every so often, or by a rule of cron. Everything by the time that is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from stead.transport import InvalidInput

from .cron import check_cron, next_due_ms
from .times import delay_in_ms

EVERY_MS_MIN = 1_000


@dataclass(frozen=True, slots=True)
class Every:
    """At an anchor, and then again and again after so long."""

    every_ms: int
    anchor_ms: int

    def next_after(self, after_ms: int) -> int | None:
        """The first due time after an instant."""
        if after_ms < self.anchor_ms:
            return self.anchor_ms
        return self.anchor_ms + ((after_ms - self.anchor_ms) // self.every_ms + 1) * self.every_ms

    def as_data(self) -> list[object]:
        """For the store."""
        return ["every", self.every_ms, self.anchor_ms]


@dataclass(frozen=True, slots=True)
class Cron:
    """By a rule of cron, in the hours of a time zone."""

    expression: str
    timezone: str

    def next_after(self, after_ms: int) -> int | None:
        """The first due time after an instant; None if there is none any more."""
        return next_due_ms(self.expression, self.timezone, after_ms)

    def as_data(self) -> list[object]:
        """For the store."""
        return ["cron", self.expression, self.timezone]


@dataclass(frozen=True, slots=True)
class Again:
    """So long after the last time, whenever that was."""

    every_ms: int

    def next_after(self, after_ms: int) -> int | None:
        """So long after an instant."""
        return after_ms + self.every_ms

    def as_data(self) -> list[object]:
        """For the store."""
        return ["again", self.every_ms]


Rhythm: TypeAlias = Every | Cron | Again


def checked_every(every: timedelta) -> int:
    """An interval in milliseconds. Raises `InvalidInput` for one that is shorter than a second."""
    every_ms = delay_in_ms(every)
    if every_ms < EVERY_MS_MIN:
        raise InvalidInput("every", f"{every} is too often: a second is the least")
    return every_ms


def checked_cron(expression: str, timezone: str) -> Cron:
    """A rule. Raises `InvalidInput` for one that is none, or that is never due."""
    check_cron(expression, timezone)
    return Cron(" ".join(expression.split()), timezone)


def rhythm_of(data: Sequence[Any] | None) -> Rhythm | None:
    """A rhythm as it was stored. Raises `InvalidInput` for what is none."""
    match data:
        case None:
            return None
        case ["every", int() as every_ms, int() as anchor_ms] if every_ms > 0:
            return Every(every_ms, anchor_ms)
        case ["again", int() as every_ms] if every_ms > 0:
            return Again(every_ms)
        case ["cron", str() as expression, str() as timezone]:
            return Cron(expression, timezone)
        case _:
            raise InvalidInput("rhythm", "it is not one that this version of stead knows")
