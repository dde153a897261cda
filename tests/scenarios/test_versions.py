"""Code that changes under running instances: versions side by side, versions nobody serves, and changes that break."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.orchestrations import OrchestrationContext, RuntimeStatus


def make_app(*versions: str, **settings: Any) -> App:
    """An app that has these versions of one orchestration."""
    app = App("versions", settings=Settings(**settings))

    @app.activity
    async def step(version: str) -> str:
        return version

    def define(version: str) -> None:
        @app.orchestration(name="job", version=version)
        async def job(context: OrchestrationContext) -> list[str | None]:
            first = await context.call_activity(step, version)
            await context.wait_for_external_event("go")
            return [first, await context.call_activity(step, version), context.version]

    for version in versions:
        define(version)

    @app.orchestration
    async def parent(context: OrchestrationContext) -> Any:
        return await context.call_sub_orchestrator("job")

    return app


async def status_of(hub: TestHub, instance_id: str) -> RuntimeStatus:
    status = await hub.client.get_status(instance_id)
    assert status is not None
    return status.runtime_status


@pytest.mark.parametrize("replay", [False, True])
async def test_versions_run_side_by_side(replay: bool) -> None:
    app = make_app("1.0", "2.0", "1.10")
    async with TestHub(app, replay) as hub:
        ids = {version: await hub.client.start_new("job", version=version) for version in ("1.0", "2.0", "1.10")}
        await hub.run_until_idle()
        await hub.restart_worker()
        for version, instance_id in ids.items():
            await hub.client.raise_event(instance_id, "go", None)
            assert (await hub.client.wait_for_completion(instance_id)).output == [version] * 3


async def test_without_a_version_the_default_counts() -> None:
    app = make_app("1.0", "2.0", "1.10", default_version="1.10")
    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new("job")
        child_of = await hub.client.start_new("parent")
        await hub.run_until_idle()
        children = [s.instance_id async for s in hub.client.list_instances(name="job") if s.instance_id != instance_id]
        for one in (instance_id, *children):
            await hub.client.raise_event(one, "go", None)
        assert (await hub.client.wait_for_completion(instance_id)).output == ["1.10"] * 3
        assert (await hub.client.wait_for_completion(child_of)).output == ["1.10"] * 3


async def test_an_instance_whose_version_nobody_serves_waits() -> None:
    old, new = make_app("1.0", version_match="strict"), make_app("2.0", version_match="strict")
    both = make_app("1.0", "2.0", version_match="strict")
    async with TestHub(old) as hub:
        instance_id = await hub.client.start_new("job", version="1.0")
        await hub.run_until_idle()
        await hub.restart_worker(new)
        await hub.client.raise_event(instance_id, "go", None)
        await hub.advance(timedelta(hours=5))
        assert await status_of(hub, instance_id) == RuntimeStatus.RUNNING
        other = await hub.client.start_new("job", version="2.0")
        await hub.client.raise_event(other, "go", None)
        assert (await hub.client.wait_for_completion(other)).output == ["2.0"] * 3
        await hub.restart_worker(both)
        assert (await hub.client.wait_for_completion(instance_id)).output == ["1.0"] * 3


async def test_an_instance_that_waits_for_its_version_can_be_terminated() -> None:
    old, new = make_app("1.0", version_match="strict"), make_app("2.0", version_match="strict")
    async with TestHub(old) as hub:
        instance_id = await hub.client.start_new("job", version="1.0")
        await hub.run_until_idle()
        await hub.restart_worker(new)
        await hub.client.terminate(instance_id, "gone for good")
        status = await hub.client.wait_for_completion(instance_id)
        assert (status.runtime_status, status.output) == (RuntimeStatus.TERMINATED, "gone for good")


async def test_older_versions_run_on_newer_code_by_default() -> None:
    async with TestHub(make_app("1.0")) as hub:
        instance_id = await hub.client.start_new("job", version="1.0")
        await hub.run_until_idle()
        await hub.restart_worker(make_app("2.0"))
        await hub.client.raise_event(instance_id, "go", None)
        assert (await hub.client.wait_for_completion(instance_id)).output == ["1.0", "2.0", "1.0"]


async def test_newer_versions_do_not_run_on_older_code_by_default() -> None:
    async with TestHub(make_app("2.0")) as hub:
        instance_id = await hub.client.start_new("job", version="2.0")
        await hub.run_until_idle()
        await hub.restart_worker(make_app("1.0"))
        await hub.client.raise_event(instance_id, "go", None)
        await hub.advance(timedelta(hours=1))
        assert await status_of(hub, instance_id) == RuntimeStatus.RUNNING
        await hub.restart_worker(make_app("2.0"))
        assert (await hub.client.wait_for_completion(instance_id)).output == ["2.0"] * 3


# -- changes that break ------------------------------------------------------------------------------------------------


def make_changed(change: str) -> App:
    """The same orchestration, changed without a new version."""
    app = App("changed")

    @app.activity
    async def one(text: str) -> str:
        return text

    @app.activity
    async def two(text: str) -> str:
        return text

    @app.orchestration
    async def job(context: OrchestrationContext) -> str:
        if change == "swapped":
            await context.call_activity(two, "x")
        elif change == "gone":
            pass
        elif change == "kind":
            await context.create_timer(timedelta(seconds=1))
        elif change == "error":
            raise ZeroDivisionError("the new code is broken")
        elif change == "input":
            await context.call_activity(one, "y")
        else:
            await context.call_activity(one, "x")
        await context.wait_for_external_event("go")
        return "done"

    return app


@pytest.mark.parametrize(
    ("change", "words"),
    [("swapped", ["one", "two"]), ("gone", ["one"]), ("kind", ["one", "imer"])],
)
async def test_a_change_that_breaks_names_both_sides(change: str, words: list[str]) -> None:
    async with TestHub(make_changed("")) as hub:
        instance_id = await hub.client.start_new("job")
        await hub.run_until_idle()
        await hub.restart_worker(make_changed(change))
        await hub.client.raise_event(instance_id, "go", None)
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.FAILED
        assert status.failure is not None
        assert status.failure.error_type.endswith("NonDeterminismError")
        for word in words:
            assert word in status.failure.message


async def test_an_error_of_changed_code_stays_visible() -> None:
    # Durable Functions #583: the true cause has to be in the error.
    async with TestHub(make_changed("")) as hub:
        instance_id = await hub.client.start_new("job")
        await hub.run_until_idle()
        await hub.restart_worker(make_changed("error"))
        await hub.client.raise_event(instance_id, "go", None)
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.FAILED
        assert "the new code is broken" in str(status.failure) + str(status.failure and status.failure.cause)


async def test_a_changed_input_is_only_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with TestHub(make_changed("")) as hub:
        instance_id = await hub.client.start_new("job")
        await hub.run_until_idle()
        await hub.restart_worker(make_changed("input"))
        await hub.client.raise_event(instance_id, "go", None)
        assert (await hub.client.wait_for_completion(instance_id)).output == "done"
        assert any("stead.orchestration" in record.name for record in caplog.records)
