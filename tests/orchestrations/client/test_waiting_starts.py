"""Instances whose start no worker has taken up yet: in lists, pages and counts they are Pending, as in their status."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.entities import InvalidInput, Registry
from stead.orchestrations import (
    InstanceRunning,
    OrchestrationClient,
    OrchestrationRegistry,
    OrchestrationStatus,
    RuntimeStatus,
)
from stead.orchestrations._client import queries
from stead.orchestrations._history.record import InstanceRecord, decode_instance_record
from stead.transport import Settings, Store
from support.scripted_instances import ScriptedInstances

pytestmark = pytest.mark.anyio

PENDING = RuntimeStatus.PENDING


@pytest.fixture
async def client(store: Store, settings: Settings) -> AsyncGenerator[OrchestrationClient, None]:
    hasty = settings.model_copy(update={"list_page_length": 3})
    async with OrchestrationClient(store, Registry(), hasty, OrchestrationRegistry(settings)) as opened:
        yield opened


@pytest.fixture
async def worker(store: Store) -> ScriptedInstances:
    """It holds the partitions, and takes a message when the test says so."""
    worker = ScriptedInstances(store)
    await worker.join()
    return worker


async def ids(client: OrchestrationClient, **options: Any) -> list[str]:
    return [status.instance_id async for status in client.list_instances(**options)]


async def pages(client: OrchestrationClient, length: int, **options: Any) -> list[OrchestrationStatus[Any]]:
    found: list[OrchestrationStatus[Any]] = []
    after: str | None = ""
    while after is not None:
        page = await client.page_instances(length=length, after=after, **options)
        assert len(page.items) <= length
        found += page.items
        after = page.after
    return found


async def counted(client: OrchestrationClient) -> dict[tuple[str, RuntimeStatus], int]:
    """How many there are; by status alone, and listed by status, they are as many."""
    found = await client.count_instances()
    by_status = await client.count_statuses()
    assert by_status == {
        status: sum(count for (_, each), count in found.items() if each is status)
        for status in {key[1] for key in found}
    }
    for status in RuntimeStatus:
        listed = [one async for one in client.list_instances(statuses=[status])]
        assert [one.runtime_status for one in listed] == [status] * by_status.get(status, 0)
    return found


async def test_what_is_not_meant_is_not_decoded(
    client: OrchestrationClient, worker: ScriptedInstances, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a large hub most are of another status than those that somebody looks for."""
    for number in range(5):
        await client.start_new("tidy", instance_id=f"job-{number}")
    await worker.take(10)
    decoded: list[bytes] = []

    def decode(data: bytes) -> InstanceRecord:
        decoded.append(data)
        return decode_instance_record(data)

    monkeypatch.setattr(queries, "decode_instance_record", decode)
    assert await ids(client, statuses=["Failed", "Pending"]) == []
    assert await client.count_statuses() == {RuntimeStatus.RUNNING: 5}
    assert decoded == []
    assert len(await ids(client, statuses=["Running"])) == len(decoded) == 5


async def test_they_are_listed_as_their_status_says(client: OrchestrationClient) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    await client.start_new("tidy", {"days": 3}, instance_id="b", version="2", tags={"region": "north"})
    await client.start_new("sort", [1], instance_id="a", at=at)
    await client.start_new("tidy", instance_id="ab")
    every = [await client.get_status(name) for name in ("a", "ab", "b")]
    assert [status and status.runtime_status for status in every] == [PENDING] * 3
    assert [status async for status in client.list_instances(show_input=True)] == every
    assert await pages(client, 2, show_input=True) == every
    without = [replace(status, input=None) for status in every if status is not None]
    assert [status async for status in client.list_instances()] == without
    assert await pages(client, 1) == without
    assert await counted(client) == {("tidy", PENDING): 2, ("sort", PENDING): 1}


async def test_they_are_chosen_by_what_is_asked_for(client: OrchestrationClient, store: Store) -> None:
    await client.start_new("tidy", instance_id="job-1", tags={"region": "north", "size": "s"})
    await client.start_new("Sort", instance_id="job-2")
    await client.start_new("tidy", instance_id="other")
    now = datetime.fromtimestamp(store.clock.now_ms() / 1000, UTC)
    every = ["job-1", "job-2", "other"]
    expected: list[tuple[dict[str, Any], list[str]]] = [
        ({"statuses": ["pending"]}, every),
        ({"statuses": ["Pending", "Failed"]}, every),
        ({"statuses": ["Running", "Completed"]}, []),
        ({"name": "TIDY"}, ["job-1", "other"]),
        ({"prefix": "job"}, ["job-1", "job-2"]),
        ({"tags": {"size": "s"}}, ["job-1"]),
        ({"tags": {"size": "m"}}, []),
        ({"created_from": now - timedelta(minutes=1), "created_to": now + timedelta(minutes=1)}, every),
        ({"created_from": now + timedelta(minutes=1)}, []),
        ({"created_to": now - timedelta(minutes=1)}, []),
    ]
    for options, names in expected:
        assert await ids(client, **options) == names, options
        assert [status.instance_id for status in await pages(client, 1, **options)] == names, options
        assert sum((await client.count_instances(**options)).values()) == len(names), options
    assert await ids(client, after="job-1") == ["job-2", "other"]


async def test_what_was_made_within_the_millisecond_of_a_time_was_made_then(client: OrchestrationClient) -> None:
    await client.start_new("tidy", instance_id="a")
    status = await client.get_status("a")
    assert status is not None
    made, within, one_ms = status.created_time, timedelta(microseconds=999), timedelta(milliseconds=1)
    assert await ids(client, created_from=made + within, created_to=made + within) == ["a"]
    assert await ids(client, created_from=made, created_to=made) == ["a"]
    assert await ids(client, created_from=made + one_ms) == []
    assert await ids(client, created_to=made - timedelta(microseconds=1)) == []


async def test_they_are_not_purged(client: OrchestrationClient, worker: ScriptedInstances) -> None:
    for name in ("done", "waiting"):
        await client.start_new("tidy", instance_id=name)
    assert await client.purge_instances() == 0
    with pytest.raises(InstanceRunning):
        await client.purge("waiting")
    with pytest.raises(InvalidInput, match="terminate them first"):
        await client.purge_instances(statuses=["Pending"])
    assert await ids(client) == ["done", "waiting"]
    await client.terminate("waiting")
    await worker.take(10)
    assert await counted(client) == {
        ("tidy", RuntimeStatus.RUNNING): 1,
        ("tidy", RuntimeStatus.TERMINATED): 1,
    }


async def test_a_finished_one_that_is_started_again_is_pending(
    client: OrchestrationClient, worker: ScriptedInstances
) -> None:
    await client.start_new("tidy", 1, instance_id="again")
    await client.raise_event("again", "finish", "done")
    await worker.take(10)
    assert await counted(client) == {("tidy", RuntimeStatus.COMPLETED): 1}
    await client.start_new("sort", 2, instance_id="again")
    assert await counted(client) == {("sort", PENDING): 1}
    assert [status async for status in client.list_instances(show_input=True)] == [await client.get_status("again")]
    assert await client.purge_instances() == 0
    await worker.take(10)
    assert await counted(client) == {("sort", RuntimeStatus.RUNNING): 1}


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_taken_up_between_two_pages_is_given_once(
    client: OrchestrationClient, worker: ScriptedInstances, seed: int
) -> None:
    draw = random.Random(seed)
    names = [f"i{number:02}" for number in range(24)]
    for name in draw.sample(names, len(names)):
        await client.start_new("tidy", name, instance_id=name, tags={"of": name})
    statuses = {PENDING, RuntimeStatus.RUNNING}
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await client.page_instances(
            statuses=statuses, length=draw.randrange(1, 5), after=after, show_input=draw.random() < 0.5
        )
        for status in page.items:
            record = worker.records.get(status.instance_id)
            assert status.runtime_status is (PENDING if record is None else RuntimeStatus.RUNNING)
            assert (status.tags, status.input) in [
                ({"of": status.instance_id}, value) for value in (status.instance_id, None)
            ]
        found += [status.instance_id for status in page.items]
        after = page.after
        await worker.take(draw.randrange(5))
    assert found == names
    listed: list[str] = []
    async for status in client.list_instances():
        listed.append(status.instance_id)
        await worker.take(draw.randrange(3))
    assert listed == names
