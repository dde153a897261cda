"""Arguments that come back as others than were given."""

from __future__ import annotations

import enum
import logging
import pathlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from scenarios.test_arguments import MakeHub, app, child, echo
from stead.app import App
from stead.app.testing import TestHub
from stead.entities import EntityId
from stead.orchestrations import OrchestrationContext, RuntimeStatus
from stead.orchestrations.histories import History, check_replay, history_text, import_history
from stead.transport import Settings


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Model(BaseModel):
    path: pathlib.Path = pathlib.Path("/tmp")
    tags: set[str] = {"a", "b", "c"}


@dataclass
class Point:
    x: float = 1
    more: set[str] = field(default_factory=lambda: {"p", "q"})


class Quarrelsome:
    """Its `__eq__` is the user's code: nothing of stead may call it."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("stead compares users' objects")

    __hash__ = None  # type: ignore[assignment]


class QuarrelsomeModel(BaseModel):
    n: int = 1

    def __eq__(self, other: object) -> bool:
        raise AssertionError("stead compares users' objects")

    __hash__ = None  # type: ignore[assignment]


@dataclass(eq=False)
class QuarrelsomePoint(Quarrelsome):
    n: int = 1


def odd_values() -> list[Any]:
    return [
        Colour.RED,
        Level.HIGH,
        pathlib.PurePosixPath("/a/b"),
        float("nan"),
        [float("nan"), {"x": float("inf")}],
        Model(),
        [Model(), {"deep": (Model(), Colour.RED)}],
        Point(),
        QuarrelsomeModel(),
        QuarrelsomePoint(),
        {"b", "a", "c"},
        frozenset({("x", 1), ("y", 2)}),
        {3: "int key", (1, 2): "tuple key"},
        (1, [2, (3,)]),
        Decimal("1.50"),
        Decimal("NaN"),
        datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 7, 1, 12, tzinfo=UTC),
        timedelta(days=-1, microseconds=5),
        2**80,
        b"bytes",
        bytearray(b"bytes"),
        1,
        1.0,
        True,
        -0.0,
    ]


@app.orchestration
async def odd(context: OrchestrationContext, given: Any = None) -> Any:
    values = odd_values()
    for value in values:
        await context.call_activity(echo, value)
        await context.call_activity("echo", {"in": value})
        await context.call_sub_orchestrator(child, value)
        await context.call_entity(EntityId("shelf", "odd"), "look", value)
        context.signal_entity(EntityId("shelf", "odd"), "look", at=value)
        context.send_event("nobody", "e", value)
        context.set_custom_status(value)
    await context.create_timer(timedelta(seconds=1))
    return values[:-8]


async def test_values_that_come_back_as_others_are_no_change(
    make_hub: MakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """Replayed, with a warning for whatever differs; and the finished history is replayed without a difference."""
    with caplog.at_level(logging.WARNING, "stead.orchestration"):
        async with make_hub(app) as hub:
            instance = await hub.client.start_new(odd, {"also": [float("nan")]})
            status = await hub.client.wait_for_completion(instance, 120)
            assert status.runtime_status is RuntimeStatus.COMPLETED, status.failure
            history = History(instance, await hub.client.read_history(instance))
        history = import_history(history_text(history))
        assert check_replay(history, app.orchestrations, app.registry, app.settings).error is None
    assert "another input" not in caplog.text


async def test_a_result_that_is_another_one_is_still_seen() -> None:
    results = [{"b": 1, "a": 2}]
    small = App("small", settings=Settings(determinism="off"))

    @small.orchestration
    async def gives(context: OrchestrationContext) -> Any:
        await context.create_timer(timedelta(seconds=1))
        return results[0]

    async with TestHub(small) as hub:
        instance = await hub.client.start_new(gives)
        await hub.client.wait_for_completion(instance)
        history = History(instance, await hub.client.read_history(instance))

    def error() -> str | None:
        return check_replay(history, small.orchestrations, small.registry, small.settings).error

    assert error() is None
    results[0] = {"a": 2, "b": 1}
    assert error() is None, "the same dictionary, in another order"
    results[0] = {"a": 2, "b": True}
    assert "True" in (error() or "")
