"""What a worker ran last: a few rows, so that somebody who looks at an entity sees what it did and how long that took.

    runs      the last runs of all its entities: operations of a name that ran right one after the other are one row
    apart     the same of those that were timed by themselves, since they took long or failed: brief ones cannot push them out
    watched   of each entity that somebody looks at, every operation by itself, from then on

Who is not looked at costs a row for each run, and no look at anything. How it looks in a heartbeat:

    [[target, since_ms, [[operation, count, ended_ms, seconds, failure], …]], …]      the oldest first; failure: "" or its type
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

Run: TypeAlias = tuple[str, str, int, float, float]
"""A target, its operation, how often that ran in a row, when the last of them had ended, and how long they took: seconds."""

RUNS_KEPT = 1_000
APART_KEPT = 1_000
WATCHED_MAX = 8
TOLD_MAX = 60
"""Rows in one heartbeat, of all that are watched."""
_LENGTH_MAX = 200  # of a target that can be watched, and of the names that are told


class RecentRun(NamedTuple):
    """A run, and what came of it: it ran so many times in a row."""

    target: str
    operation: str
    times: int
    ended_s: float
    seconds: float
    failure: str = ""  # the type of the error that it ended with


class RecentRuns:
    """See the module."""

    __slots__ = ("apart", "runs", "watched")

    def __init__(self) -> None:
        # Appended to by whoever runs them: a call would cost as much again.
        self.runs: deque[Run] = deque(maxlen=RUNS_KEPT)
        self.apart: deque[RecentRun] = deque(maxlen=APART_KEPT)
        self.watched: dict[str, Watch] = {}

    def note_apart(self, run: RecentRun) -> None:
        """It was timed by itself."""
        self.apart.append(run)
        watch = self.watched.get(run.target)
        if watch is not None:
            watch.runs.append(run)

    def watch(self, wanted: Iterable[str], now_s: float) -> None:
        """These are looked at, and no others any more. Who was not before begins with what is remembered."""
        targets = [target for target in wanted if len(target) <= _LENGTH_MAX][:WATCHED_MAX]
        self.watched = {
            target: self.watched.get(target) or Watch(now_s, self._remembered(target)) for target in targets
        }

    def _remembered(self, target: str) -> Iterable[RecentRun]:
        brief = [RecentRun(*run) for run in self.runs if run[0] == target]
        return sorted([*brief, *(run for run in self.apart if run.target == target)], key=lambda run: run.ended_s)

    def told(self, now_ms: int, now_s: float) -> list[list[object]]:
        """What a heartbeat says of those that are watched."""
        room = TOLD_MAX // max(1, len(self.watched))

        def moment(at_s: float) -> int:
            return now_ms - round((now_s - at_s) * 1000)

        return [
            [
                target,
                moment(watch.since_s),
                [
                    [
                        run.operation[:_LENGTH_MAX],
                        run.times,
                        moment(run.ended_s),
                        round(run.seconds, 6),
                        run.failure[:_LENGTH_MAX],
                    ]
                    for run in list(watch.runs)[-room:]
                ],
            ]
            for target, watch in self.watched.items()
        ]


class Watch:
    """One that is looked at, and since when."""

    __slots__ = ("runs", "since_s")

    def __init__(self, since_s: float, before: Iterable[RecentRun]) -> None:
        self.since_s = since_s
        self.runs: deque[RecentRun] = deque(before, maxlen=TOLD_MAX)


class ToldRun(NamedTuple):
    """A row of a heartbeat."""

    operation: str
    times: int
    ended_ms: int
    seconds: float
    failure: str


def told_of(info: Mapping[str, Any], target: str) -> tuple[int, list[ToldRun]] | None:
    """Since when a worker's heartbeat tells everything of a target, and its rows; None if it says nothing of it that this version can
    read."""
    now: object = info.get("now")
    for told in _lists(now.get("recent") if isinstance(now, dict) else None):  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        match told:
            case [str() as name, int() as since_ms, rows] if name == target:
                return since_ms, [run for row in _lists(rows) if (run := _run_of(row)) is not None]
            case _:
                pass
    return None


def _run_of(row: list[object]) -> ToldRun | None:
    match row:
        case [
            str() as operation,
            int() as count,
            int() as ended_ms,
            (int() | float()) as seconds,
            str() as failure,
        ] if count > 0 and count is not True:
            return ToldRun(operation, count, ended_ms, seconds, failure)
        case _:
            return None


def _lists(value: object) -> list[list[object]]:
    return [each for each in value if isinstance(each, list)] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
