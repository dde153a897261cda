"""Activities that take too long, and heartbeats: over retries, time-outs of all of it, crashes and replays."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import InvalidInput
from stead.orchestrations import (
    ActivityFailed,
    HttpResponse,
    OrchestrationContext,
    RetryPolicy,
    RuntimeStatus,
    activity_context,
)
from support.guards import HANGS_S

MakeHub = Callable[[App], TestHub]

app = App("time-outs")

AGAIN = RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=10))
seen: list[Any] = []
release = threading.Event()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    seen.clear()
    release.clear()


@app.activity(retry=AGAIN)
async def goes_on(parts: int) -> int:
    """Does one part an attempt, and goes on from where the one before has come to."""
    context = activity_context()
    done = context.heartbeat_details or 0
    seen.append((context.attempt, done))
    context.heartbeat(done + 1)
    if done + 1 < parts:
        raise RuntimeError("one part is enough")
    return int(done + 1)


@app.activity(retry=RetryPolicy(max_attempts=100, first_interval=timedelta(minutes=1)))
async def never_works() -> None:
    raise ValueError("no")


@app.activity
async def unstorable() -> str:
    try:
        activity_context().heartbeat(object())
    except InvalidInput:
        return "refused"
    return "kept"


@app.orchestration
async def parts(context: OrchestrationContext, count: int) -> int:
    return await context.call_activity(goes_on, count)


@app.orchestration
async def limited(context: OrchestrationContext, minutes: float) -> str:
    form = never_works.with_options(total_timeout=timedelta(minutes=minutes))
    try:
        await context.call_activity(form)
    except ActivityFailed as error:
        return f"{error.error_type} at {(context.now - seen_at[0]).total_seconds()}: {error.message}"
    return "worked"


@app.orchestration
async def refuses(context: OrchestrationContext) -> str:
    return await context.call_activity(unstorable)


@app.orchestration
async def fails_in_all(context: OrchestrationContext) -> None:
    await context.call_activity(never_works.with_options(total_timeout=timedelta(minutes=3)))


seen_at: list[Any] = []


async def test_an_attempt_reads_what_the_one_before_has_said(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(parts, 3)
        status = await hub.client.wait_for_completion(instance_id, 3600)
        assert status.result() == 3
        assert sorted(set(seen)) == [(1, 0), (2, 1), (3, 2)]


async def test_what_cannot_be_stored_is_refused(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        assert (await hub.client.wait_for_completion(await hub.client.start_new(refuses))).result() == "refused"


async def test_all_of_it_takes_no_longer_than_it_may(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        seen_at[:] = [hub.now]
        instance_id = await hub.client.start_new(limited, 2.5)
        status = await hub.client.wait_for_completion(instance_id, 3600)
        said = status.result()
        assert said.startswith("TimeoutError at 150.0")
        assert "all of it may take 150 s" in said
        await hub.advance(timedelta(hours=3))
        names = [type(event).__name__ for event in await hub.client.read_history(instance_id)]
        assert names.count("TaskScheduled") == 3  # at 0, 1 and 2 minutes


async def test_one_that_failed_by_it_gets_all_of_its_time_again(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(fails_in_all)
        assert (await hub.client.wait_for_completion(instance_id, 3600)).runtime_status is RuntimeStatus.FAILED
        hub.fake_activity(never_works).returns(None)
        await hub.advance(timedelta(hours=1))
        await hub.client.rewind(instance_id)
        assert (await hub.client.wait_for_completion(instance_id, 3600)).runtime_status is RuntimeStatus.COMPLETED


def test_time_outs_that_are_none_are_refused_at_the_definition() -> None:
    for wrong in (timedelta(0), timedelta(seconds=-1), 5):
        for name in ("timeout", "heartbeat_timeout", "total_timeout"):
            options: dict[str, Any] = {name: wrong}
            with pytest.raises(InvalidInput, match=name):
                app.activity(**options)(goes_on.function)
            with pytest.raises(InvalidInput, match=name):
                goes_on.with_options(**options)


async def test_an_attempt_that_takes_too_long_is_ended_and_tried_again() -> None:
    """In real time: what an activity waits for is not the hub's clock, which goes on while it is told to."""
    slow = App("slow")
    ended: list[str] = []

    @slow.activity(
        timeout=timedelta(seconds=60), retry=RetryPolicy(max_attempts=2, first_interval=timedelta(seconds=1))
    )
    async def hangs() -> str:
        if activity_context().attempt == 2:
            return "quick"
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return "never"

    @slow.activity(heartbeat_timeout=timedelta(seconds=10))
    def silent() -> None:
        activity_context().heartbeat("half")
        release.wait(HANGS_S)

    @slow.orchestration
    async def both(context: OrchestrationContext) -> list[str]:
        first = await context.call_activity(hangs)
        try:
            await context.call_activity(silent)
        except ActivityFailed as error:
            return [first, error.error_type, error.message]
        return [first]

    async with TestHub(slow) as hub:
        instance_id = await hub.client.start_new(both)
        for _ in range(200):
            status = await hub.client.get_status(instance_id, show_history=True)
            assert status is not None
            if status.is_finished:
                break
            waits = [wait for wait in status.waiting_for or () if wait.name == "silent"]
            if waits and waits[0].details is not None:
                assert waits[0].details == "half"
                seen.append("shown")
            clock = hub._driver.clock
            clock.advance_to(clock.now_ms() + 1_000)
            await asyncio.sleep(0.01)
        release.set()
        result = (await hub.client.wait_for_completion(instance_id)).result()
        assert result[:2] == ["quick", "TimeoutError"]
        assert "no heartbeat for 10 s" in result[2]
        assert ended == ["cancelled"]
        assert "shown" in seen


async def test_requests_are_faked_like_activities() -> None:
    web = App("web")

    @web.orchestration
    async def fetches(context: OrchestrationContext, url: str) -> str:
        response = await context.call_http("get", url, headers={"X-A": "b"})
        return f"{response.status} {response.headers['etag']} {response.json()['at']}"

    def answer(method: str, url: str, *rest: Any) -> HttpResponse:
        return HttpResponse(200, {"ETag": method}, json.dumps({"at": url}))

    async with TestHub(web) as hub:
        hub.fake_activity("call_http").calls(answer)
        hub.fail_activity("call_http", ConnectionError("once"))
        failed = await hub.client.wait_for_completion(await hub.client.start_new(fetches, "http://nowhere.test/"))
        assert failed.failure is not None and failed.failure.is_caused_by("ConnectionError")
        done = await hub.client.wait_for_completion(await hub.client.start_new(fetches, "http://nowhere.test/x"))
        assert done.result() == "200 GET http://nowhere.test/x"
        assert [call.args[:2] for call in hub.calls("call_http")][-1] == ("GET", "http://nowhere.test/x")
        with pytest.raises(InvalidInput, match="HttpResponse"):
            hub.fake_activity("call_http").returns({"status": 200})
