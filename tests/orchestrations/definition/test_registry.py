"""What an app knows: names without regard to case, versions, and what its workers publish."""

from __future__ import annotations

from typing import Any

import pytest

from stead.app import App, Settings
from stead.entities import InvalidDefinition
from stead.orchestrations import (
    Orchestration,
    OrchestrationContext,
    OrchestrationRegistry,
    make_activity,
    make_orchestration,
)


async def approval(context: OrchestrationContext) -> None: ...


async def other(context: OrchestrationContext) -> None: ...


async def charge(amount: int) -> None: ...


def registry_of(*versions: str | None, **settings: Any) -> OrchestrationRegistry:
    registry = OrchestrationRegistry(Settings(**settings))
    for version in versions:
        registry.add_orchestration(make_orchestration(approval, "Approval", version=version))
    return registry


def version_of(found: Orchestration[Any, Any] | None) -> str | None:
    assert found is not None
    return found.version


def test_names_are_found_without_regard_to_case() -> None:
    registry = registry_of(None)
    registry.add_activity(make_activity(charge, "Charge"))
    assert registry.activity("cHARGE") is registry.activities()[0]
    assert registry.orchestration("APPROVAL") is registry.find("approval")
    assert registry.knows("aPproval")
    assert registry.activity("nosuch") is None
    assert registry.orchestration("nosuch") is registry.find("nosuch") is None
    assert not registry.knows("nosuch")


@pytest.mark.parametrize("name", ["charge", "CHARGE"])
def test_two_activities_of_one_name_are_refused(name: str) -> None:
    registry = OrchestrationRegistry()
    registry.add_activity(make_activity(charge, "charge"))
    with pytest.raises(InvalidDefinition, match="registered already"):
        registry.add_activity(make_activity(charge, name))


@pytest.mark.parametrize(("first", "second"), [(None, None), ("1.0", "1"), ("Blue", "blue")])
def test_two_orchestrations_of_one_name_and_version_are_refused(first: str | None, second: str | None) -> None:
    registry = registry_of(first)
    with pytest.raises(InvalidDefinition, match="registered already"):
        registry.add_orchestration(make_orchestration(other, "approval", version=second))


def test_an_activity_and_an_orchestration_may_share_a_name() -> None:
    registry = registry_of(None)
    registry.add_activity(make_activity(charge, "approval"))
    assert registry.activity("approval") is not None


def test_an_instance_runs_on_the_code_of_its_version() -> None:
    registry = registry_of("1.0", "2.0", None)
    assert version_of(registry.orchestration("approval", "2.0")) == "2.0"
    assert version_of(registry.orchestration("approval", None)) is None
    assert version_of(registry.orchestration("approval", "3.0")) is None
    assert registry_of("1.0", version_match="strict").orchestration("approval", "0.9") is None


def test_a_caller_who_names_a_version_means_that_one() -> None:
    registry = registry_of("1.0", "2.0")
    assert version_of(registry.find("approval", "1")) == "1.0"
    assert registry.find("approval", "3.0") is None
    assert version_of(registry_of(None, default_version="2.0").find("approval", "2.0")) is None


def test_a_caller_who_names_none_means_the_default_then_the_one_without_then_the_newest() -> None:
    assert version_of(registry_of("1.0", "2.0", None, default_version="1.0").find("approval")) == "1.0"
    assert version_of(registry_of("1.0", "2.0", None).find("approval")) is None
    assert version_of(registry_of("1.10", "1.9").find("approval")) == "1.10"
    assert version_of(registry_of("1.10", "1.9", default_version="3.0").find("approval")) == "1.10"


def test_what_workers_publish() -> None:
    registry = registry_of(None, "2.0-RC")
    registry.add_activity(make_activity(charge, "Charge", queue="bank"))
    assert registry.published() == {
        "activity/charge": {"name": "Charge", "queue": "bank"},
        "orchestration/approval": {
            "name": "Approval",
            "versions": ["", "2.0-RC"],
            "arguments": {"input": [], "events": {}},
        },
        "orchestration/approval@2.0-rc": {"name": "Approval", "version": "2.0-RC"},
    }
    assert registry.activity_names() == ["Charge"]
    assert registry.orchestration_names() == ["Approval"]
    assert [orchestration.version for orchestration in registry.orchestrations()] == [None, "2.0-RC"]


def test_the_decorators_register() -> None:
    app = App("registered", settings=Settings(default_version="2.0"))

    @app.activity
    async def step() -> None: ...

    @app.orchestration(version="1.0")
    async def job(context: OrchestrationContext) -> None: ...

    assert app.orchestrations.activity("step") is step
    assert app.orchestrations.find("job") is job
    with pytest.raises(InvalidDefinition):
        app.orchestration(name="JOB", version="1")(approval)
