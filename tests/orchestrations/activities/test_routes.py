"""Where a task goes, by who could run it."""

from __future__ import annotations

from typing import Any

import pytest

from stead.orchestrations._activities.routes import ActivityRoutes, Serving
from stead.transport import WorkerView


def serving(names: str, *queues: str) -> Serving:
    return Serving(frozenset(names.split()), frozenset(queues))


@pytest.mark.parametrize(
    ("here", "others", "crowded", "place"),
    [
        (serving("a", ""), [], False, "own"),
        (serving("a", ""), [], True, "own"),
        (serving("a", ""), [serving("a", "")], False, "own"),
        (serving("a", ""), [serving("a", "")], True, "shared"),
        (serving("a", ""), [serving("b", "")], True, "own"),
        (serving("a", ""), [serving("a", "gpu")], True, "own"),
        (serving("a", "gpu"), [], False, "shared"),  # it waits for a worker that serves the queue
        (serving("b", ""), [serving("a", "")], False, "shared"),
        (serving("b", ""), [serving("a", "gpu")], False, "shared"),
        (serving("b", ""), [serving("c", "")], False, "unknown"),
        (serving("b", ""), [], False, "unknown"),
    ],
)
def test_places(here: Serving, others: list[Serving], crowded: bool, place: str) -> None:
    assert ActivityRoutes(here, others).place("a", "", crowded) == place


def test_heartbeats_say_what_a_worker_serves() -> None:
    kinds: dict[str, dict[str, str]] = {"station": {}, "activity/a": {}, "orchestration/b": {}}
    assert Serving.of({"kinds": kinds, "queues": ["", "gpu"]}) == serving("a", "", "gpu")
    assert Serving.of({"kinds": kinds}) == serving("a")
    assert Serving.of({}) == Serving(frozenset(), frozenset())


def test_a_worker_is_not_one_of_the_others() -> None:
    info: dict[str, Any] = {"kinds": {"activity/a": {}}, "queues": [""]}
    here = serving("a", "")
    assert not ActivityRoutes.seen_by("me", here, [WorkerView("me", 0, info)]).elsewhere("a", "")
    assert ActivityRoutes.seen_by("me", here, [WorkerView("you", 0, info)]).elsewhere("a", "")
