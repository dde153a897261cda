"""What a worker serves once orchestrations are added to it."""

from __future__ import annotations

from typing import Any

from stead.orchestrations._definition.activity import make_activity
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._extension import Orchestrations
from stead.transport import Settings


async def resize(url: str) -> str:
    return url


def Train(model: str) -> None: ...  # noqa: N802


async def http(method: str, url: str, *rest: Any) -> dict[str, Any]:
    return {"status": 200, "headers": {}, "body": f"{method} {url}"}


def registry() -> OrchestrationRegistry:
    made = OrchestrationRegistry(Settings())
    made.add_activity(make_activity(resize))
    made.add_activity(make_activity(Train, queue="gpu"))
    return made


def test_its_activities_and_the_built_in_one_are_published() -> None:
    names = Orchestrations(registry(), Settings()).names()
    assert {"activity/resize", "activity/train", "activity/stead.http"} <= set(names)
    assert names["activity/train"] == {"name": "Train", "queue": "gpu"}


def test_it_serves_the_default_queue_and_those_of_its_activities() -> None:
    extension = Orchestrations(registry(), Settings())
    assert extension.activities.here.queues == {"", "gpu"}
    assert extension.activities.here.names == {"resize", "train", "stead.http"}


def test_or_those_that_it_is_told_to() -> None:
    assert Orchestrations(registry(), Settings(), queues=["gpu"]).activities.here.queues == {"gpu"}
    assert Orchestrations(registry(), Settings(), queues=[]).activities.here.queues == frozenset()


def test_an_app_may_make_http_requests_in_its_own_way() -> None:
    made = registry()
    found = make_activity(http, name="stead.http")
    made.add_activity(found)
    extension = Orchestrations(made, Settings())
    assert extension.names()["activity/stead.http"] == {"name": "stead.http", "queue": ""}
    assert extension._find("Stead.HTTP") is found


def test_an_app_without_any_serves_nothing() -> None:
    extension = Orchestrations(OrchestrationRegistry(Settings()), Settings())
    assert extension.names() == {}
    assert extension.activities.here.queues == frozenset()
