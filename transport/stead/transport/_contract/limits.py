"""Limits of activities that hold over a whole hub: how many of them run at once, or begin within a time.

A *limit* is an activity's, or that of one key of it ("charge" of shop "oslo"). What is over it waits in its queue, behind that
limit. Nothing is counted: what runs is what workers have taken, so whatever ends that ends its place within the limit too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

PRIORITY_MAX = 1_000
"""From minus that to that. What is higher goes first."""

KEY_LENGTH_MAX = 200
"""Of a limit's key, in characters: a longer one is shortened to its beginning and a hash."""

_KEY = ":"
_BURST_US = 50_000
_NUMBERS = re.compile(r"(\d{1,15}):(\d{1,15}):(\d{1,15})")


class LimitNumbers(NamedTuple):
    """How much an activity's limits allow."""

    most: int = 0  # at once; 0: any number
    interval_us: int = 0  # from one to the next; 0: none
    tolerance_us: int = 0  # by which one may begin sooner, if those before it were late

    @classmethod
    def of(cls, most: int, count: int = 0, period_us: int = 0) -> LimitNumbers:
        """At most so many at once, and `count` within each period, evenly spread. What is more often than 20 times a second may
        come in small bursts, since a worker asks for many at once; so it is spread a little wider, and the count still holds."""
        if not count:
            return cls(most)
        tolerance_us = _BURST_US if period_us // count < _BURST_US else 0
        return cls(most, -(-(period_us + tolerance_us) // count), tolerance_us)

    @property
    def text(self) -> str:
        """As it is stored."""
        return f"{self.most}:{self.interval_us}:{self.tolerance_us}"

    @classmethod
    def read(cls, text: str) -> LimitNumbers:
        """Numbers as they are stored. Whatever else is there allows one at a time."""
        found = _NUMBERS.fullmatch(text)
        return cls(*map(int, found.groups())) if found is not None else cls(1)


class TaskLimit(NamedTuple):
    """Behind which limit a shared task waits."""

    limit: str
    numbers: str  # `LimitNumbers.text`, as whoever schedules it knows them
    instance: str  # whose turn it takes
    priority: int = 0

    @property
    def rank(self) -> str:
        """The priority as it is stored: what is higher comes first."""
        return f"{PRIORITY_MAX - self.priority:04d}"

    @property
    def fields(self) -> list[str]:
        """The fields of an entry that has it, on a server."""
        return ["l", self.limit, "q", self.numbers, "i", self.instance, "r", self.rank]


class DeclaredLimit(NamedTuple):
    """What the code of a worker says of an activity's limits."""

    queue: str
    activity: str  # its canonical name
    numbers: str  # `LimitNumbers.text`


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit at which activities run or wait."""

    queue: str
    activity: str
    key: str | None
    running: int
    waiting: int
    due_ms: int | None  # when the next one may begin, where the rate is what it waits for


def limit_of(activity: str, key: str | None) -> str:
    """The name of a limit: of an activity, or of one key of it."""
    return activity if key is None else f"{activity}{_KEY}{key}"


def activity_and_key(limit: str) -> tuple[str, str | None]:
    """The activity that a limit is of, and its key."""
    activity, separator, key = limit.partition(_KEY)
    return activity, key if separator else None
