"""What an orchestrator has others call, reads of a module or changes in an object differs in a replay as much as what it calls."""

# ruff: noqa: B010

from __future__ import annotations

import collections
import functools
import itertools
import platform
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from stead.orchestrations import OrchestrationContext
from stead.orchestrations._definition.determinism import find_nondeterminism


@dataclass
class Config:
    limit: int = 1
    seen: list[str] = field(default_factory=list[str])
    inner: Config | None = None
    names = ["shared"]

    @property
    def copy(self) -> list[str]:
        return list(self.seen)


CONFIG = Config(inner=Config())


def found_in(function: Callable[..., Any]) -> list[str]:
    return [finding.what for finding in find_nondeterminism(function)]


async def has_others_call(context: OrchestrationContext, names: list[str]) -> Any:
    return [
        sorted(names, key=hash),
        max(names, key=id),
        list(map(hash, names)),
        list(itertools.starmap(random.randint, [(1, 2)])),
        collections.defaultdict(uuid.uuid4),
        next(iter(time.time, 0.0)),
        collections.defaultdict(datetime.now),
    ]


async def reads_what_modules_hold(context: OrchestrationContext) -> Any:
    return [time.timezone, time.tzname[0], sys.argv[1:], platform.node(), threading.get_ident()]


async def means_an_instant_of_here(context: OrchestrationContext, text: str) -> Any:
    return [datetime(2026, 1, 1).timestamp(), datetime.strptime(text, "%Y").timestamp()]


async def changes_objects(context: OrchestrationContext) -> None:
    CONFIG.limit = 2
    CONFIG.inner.limit += 1  # type: ignore[union-attr]
    CONFIG.seen.append("x")
    Config.names.append("x")
    setattr(CONFIG, "limit", 3)
    delattr(CONFIG, "limit")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            has_others_call,
            [
                *("hash() is", "id() is", "hash() is", "random.randint() is", "uuid.uuid4() is"),
                *("time.time() reads", "datetime.now() reads"),
            ],
        ),
        (
            reads_what_modules_hold,
            [
                "platform.node()",
                "sys.argv reads",
                "threading.get_ident()",
                "time.timezone depends",
                "time.tzname depends",
            ],
        ),
        (means_an_instant_of_here, ["timestamp() depends"]),
        (
            changes_objects,
            [
                *("'CONFIG.limit' is a global", "'CONFIG.inner.limit' is a global", "'CONFIG.seen' is a global"),
                *("'Config.names' is a global", "'CONFIG' is a global", "'CONFIG' is a global"),
            ],
        ),
    ],
)
def test_it_is_found(function: Callable[..., Any], expected: list[str]) -> None:
    found = found_in(function)
    assert len(found) == len(expected), found
    assert all(what.startswith(begins) for what, begins in zip(found, expected, strict=True)), found


async def does_what_it_may(context: OrchestrationContext, names: list[str], config: Config) -> Any:
    config.limit = 3
    config.seen.append("x")
    own = Config()
    own.inner = config
    setattr(own, "limit", 2)
    CONFIG.copy.append("a list of its own")

    def add(other: Config) -> None:
        other.limit += CONFIG.limit

    add(own)
    times = [datetime(2026, 1, 1, tzinfo=UTC).timestamp(), datetime(2026, 1, 1, 0, 0, 0, 0, UTC).timestamp()]
    told = [datetime.strptime("2026+0100", "%Y%z").timestamp(), context.now.timestamp(), time.struct_time, sys.maxsize]
    given: list[Any] = [
        sorted(names, key=len),
        list(map(str.lower, names)),
        functools.reduce(max, names),
        collections.defaultdict(list),
    ]
    return [times, told, given]


def test_what_differs_nowhere_is_fine() -> None:
    assert found_in(does_what_it_may) == []
