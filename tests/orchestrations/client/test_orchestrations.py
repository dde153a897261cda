"""The client of orchestrations over both stores: starts, status, waiting, events, management, lists, purging."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import pytest

from stead.entities import CallTimeout, InvalidInput, PayloadTooLarge
from stead.orchestrations._client.many import OrchestrationClient
from stead.orchestrations._definition.input import InstanceId
from stead.orchestrations._history.errors import (
    InstanceExists,
    InstanceFinished,
    InstanceRunning,
    UnknownInstance,
    UnknownOrchestration,
)
from stead.orchestrations._history.record import RuntimeStatus
from stead.orchestrations._history.status import OrchestrationStatus
from stead.transport import Settings, Store
from support.approvals import (
    Expense,
    approval,
    client_of,
    eventually,
    messages,
    tidying,
    unregistered,
)
from support.guards import HANGS_S
from support.scripted_instances import ScriptedInstances, scripted_instances

pytestmark = pytest.mark.anyio


@pytest.fixture
async def worker(store: Store) -> AsyncGenerator[ScriptedInstances, None]:
    async with scripted_instances(store) as running:
        yield running


@pytest.fixture
async def client(store: Store, settings: Settings) -> AsyncGenerator[OrchestrationClient, None]:
    async with client_of(store, settings) as opened:
        yield opened


# -- starting ------------------------------------------------------------------------------------------------------------


async def test_a_start_is_in_the_store_when_it_returns(store: Store, client: OrchestrationClient) -> None:
    instance_id = await client.start_new(approval, Expense(amount=12), tags={"region": "north"})
    assert_type(instance_id, InstanceId[Expense])
    assert uuid.UUID(instance_id).version == 4
    (message,) = await messages(store)
    assert (message.target, message.operation, message.args[:3]) == (
        instance_id,
        "start",
        ["approval", None, {"amount": 12}],
    )
    assert message.args[4:] == [None, {"kind": "money", "region": "north"}, None, 0]
    status = await client.get_status(instance_id)
    assert status is not None
    assert_type(status, OrchestrationStatus[Expense])
    assert (status.name, status.runtime_status, status.input) == ("approval", RuntimeStatus.PENDING, {"amount": 12})
    assert status.tags == {"kind": "money", "region": "north"}
    hidden = await client.get_status(instance_id, show_history=True, show_input=False)
    assert hidden is not None
    assert (hidden.input, hidden.history) == (None, [])


async def test_what_a_start_carries(store: Store, client: OrchestrationClient) -> None:
    at = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert await client.start_new(tidying, instance_id="a", at=at, reuse="always") == "a"
    await client.start_new("TIDYING", 7, instance_id="b", version="2.0")
    await client.start_new(tidying.with_options(instance_id="c", version="1.2"), input=5)
    await client.start_new("somebody else's", [1, b"x"], instance_id="d")
    found = {message.target: message.args for message in await messages(store)}
    assert [found["a"][place] for place in (0, 1, 2, 4, 7)] == ["tidying", "1.1", None, int(at.timestamp() * 1000), 2]
    assert found["b"][:3] == ["TIDYING", "2.0", 7]
    assert found["c"][:3] == ["tidying", "1.2", 5]
    assert found["d"][:3] == ["somebody else's", None, [1, b"x"]]


async def test_what_is_wrong_is_said_before_anything_is_sent(
    store: Store, settings: Settings, client: OrchestrationClient
) -> None:
    wrong: Any = "many"
    for start, error in [
        (client.start_new(approval, wrong), InvalidInput),
        (client.start_new("approval"), InvalidInput),
        (client.start_new("tidying", wrong), InvalidInput),
        (client.start_new(unregistered), UnknownOrchestration),
        (client.start_new(wrong.__len__), InvalidInput),
        (client.start_new(""), InvalidInput),
        (client.start_new(tidying, instance_id="@x"), InvalidInput),
        (client.start_new(tidying, instance_id="a/b"), InvalidInput),
        (client.start_new(tidying, at=datetime(2040, 1, 1)), InvalidInput),
        (client.start_new(tidying, version="?"), InvalidInput),
        (client.start_new(tidying, tags={"": "x"}), InvalidInput),
        (client.start_new(tidying, reuse=wrong), InvalidInput),
        (client.start_new("other", object()), InvalidInput),
        (client.start_new("other", "x" * settings.payload_bytes_max), PayloadTooLarge),
    ]:
        with pytest.raises(error):
            await start
    assert await messages(store) == []


async def test_names_are_looked_up_among_those_that_workers_published(store: Store, settings: Settings) -> None:
    await store.publish({"station": {"name": "Station"}, "orchestration/export": {"name": "Export"}}, 60_000)
    async with client_of(store, settings) as client:
        await client.start_new("EXPORT", 1)
        with pytest.raises(UnknownOrchestration, match=r"import.*known: Export$"):
            await client.start_new("import", 1)
        await client.start_new("approval", {"amount": 1})


async def test_of_twenty_starts_at_once_one_wins(store: Store, settings: Settings) -> None:
    async with client_of(store, settings) as one, client_of(store, settings) as other:
        starts = [
            client.start_new(tidying, number, instance_id="same") for number in range(10) for client in (one, other)
        ]
        results = await asyncio.gather(*starts, return_exceptions=True)
    assert sum(isinstance(result, InstanceExists) for result in results) == 19
    assert len(await messages(store)) == 1


@pytest.mark.usefixtures("worker")
async def test_reuse(client: OrchestrationClient) -> None:
    await client.start_new(tidying, 1, instance_id="a")
    await eventually(client, "a", RuntimeStatus.RUNNING)
    with pytest.raises(InstanceExists):
        await client.start_new(tidying, 2, instance_id="a")
    await client.raise_event("a", "finish", 1)
    assert (await client.wait_for_completion("a")).output == 1
    with pytest.raises(InstanceExists):
        await client.start_new(tidying, 2, instance_id="a", reuse="never")
    await client.start_new(tidying, 2, instance_id="a")
    status = await client.get_status("a")
    assert status is not None
    assert not status.is_finished, "the old end is not that of the new one"
    await client.raise_event("a", "finish", 3)
    assert (await client.wait_for_completion("a")).output == 3


# -- waiting -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("worker")
async def test_waiting_gives_the_typed_output(client: OrchestrationClient) -> None:
    instance_id = await client.start_new(approval, Expense(amount=12))
    waiting = asyncio.ensure_future(client.wait_for_completion(instance_id))
    await eventually(client, instance_id, RuntimeStatus.RUNNING)
    assert not waiting.done()
    await client.raise_event(instance_id, "finish", Expense(amount=13))
    status = await waiting
    assert_type(status, OrchestrationStatus[Expense])
    assert (status.output, status.input) == (Expense(amount=13), {"amount": 12})
    assert status.runtime_status is RuntimeStatus.COMPLETED
    assert (await client.wait_for_completion(instance_id)).output == Expense(amount=13)  # at once


@pytest.mark.usefixtures("worker")
async def test_an_output_of_another_type(client: OrchestrationClient) -> None:
    instance_id = await client.start_new(approval, Expense(amount=12))
    await client.raise_event(instance_id, "finish", "what it was before the code changed")
    with pytest.raises(InvalidInput, match="approval"):
        await client.wait_for_completion(instance_id)
    assert (await client.wait_for_completion(str(instance_id))).output == "what it was before the code changed"
    assert [status.output async for status in client.list_instances()] == ["what it was before the code changed"]


async def test_waiting_ends(client: OrchestrationClient, worker: ScriptedInstances) -> None:
    with pytest.raises(UnknownInstance):
        await client.wait_for_completion("nosuch")
    await client.start_new(tidying, instance_id="a")
    with pytest.raises(CallTimeout, match="instance a"):
        await client.wait_for_completion("a", timeout=0.05)
    waiting = asyncio.ensure_future(client.wait_for_completion("a"))
    await asyncio.sleep(0.05)
    await client.terminate("a", "enough")
    assert (await waiting).output == "enough"
    assert not client._calls._pending


async def test_waiting_without_a_worker(client: OrchestrationClient, store: Store) -> None:
    await client.start_new(tidying, instance_id="a")
    waiting = asyncio.ensure_future(client.wait_for_completion("a"))
    await asyncio.sleep(0.05)
    async with scripted_instances(store):
        await client.raise_event("a", "finish", 1)
        assert (await waiting).output == 1


async def test_an_answer_that_got_lost_does_not_hang(
    client: OrchestrationClient, worker: ScriptedInstances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stead.orchestrations._client.client.WAIT_LOOK_S_FIRST", 0.05)
    worker.silent = True
    await client.start_new(tidying, instance_id="a")
    waiting = asyncio.ensure_future(client.wait_for_completion("a"))
    await asyncio.sleep(0.02)
    await client.raise_event("a", "finish", 1)
    assert (await waiting).output == 1


async def test_a_thousand_starts_and_waits_share_requests(
    client: OrchestrationClient, worker: ScriptedInstances
) -> None:
    ids = await asyncio.gather(*(client.start_new(tidying, number) for number in range(300)))
    waits = [asyncio.ensure_future(client.wait_for_completion(instance_id)) for instance_id in ids]
    await asyncio.gather(*(client.raise_event(one, "finish", place) for place, one in enumerate(ids)))
    assert [(await wait).output for wait in waits] == list(range(300))


# -- managing ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("worker")
async def test_a_missing_instance_is_said_to_be_missing(client: OrchestrationClient) -> None:
    for step in (
        client.raise_event("a", "go"),
        client.terminate("a"),
        client.suspend("a"),
        client.resume("a"),
        client.rewind("a"),
        client.restart("a"),
        client.read_history("a"),
    ):
        with pytest.raises(UnknownInstance):
            await step
    assert await client.get_status("a") is None
    assert await client.purge("a") is False


async def test_a_finished_instance_takes_no_events(client: OrchestrationClient, worker: ScriptedInstances) -> None:
    await client.start_new(tidying, instance_id="a")
    with pytest.raises(InstanceRunning):
        await client.rewind("a")
    with pytest.raises(InstanceRunning):
        await client.purge("a")
    await client.raise_event("a", "finish", 1)
    await client.wait_for_completion("a")
    with pytest.raises(InstanceFinished):
        await client.raise_event("a", "go")
    with pytest.raises(InstanceFinished):
        await client.rewind("a")
    count = len(worker.messages)
    await client.terminate("a", "x")
    await client.suspend("a")
    await client.resume("a")
    assert len(worker.messages) == count
    await client.start_new(tidying, instance_id="b")
    await client.raise_event("b", "fail")
    status = await client.wait_for_completion("b")
    assert status.failure is not None
    assert (status.failure.message, status.output) == ("no way", None)
    await client.rewind("b", "again")
    assert list(worker.messages[-1].args) == ["again"]


@pytest.mark.usefixtures("worker")
async def test_messages_to_one_instance_keep_their_order(client: OrchestrationClient) -> None:
    await client.start_new(tidying, instance_id="a")
    await asyncio.gather(*(client.raise_event("a", "number", number) for number in range(50)))
    await client.raise_event("a", "finish", 1)
    await client.wait_for_completion("a")
    status = await client.get_status("a", show_history=True)
    assert status is not None and status.history is not None
    assert [event.event_type for event in status.history] == [
        "ExecutionStarted",
        *["EventRaised"] * 50,
        "ExecutionCompleted",
    ]
    assert [event.fields["input"] for event in status.history[1:-1]] == list(range(50))


@pytest.mark.usefixtures("worker")
async def test_a_long_history_is_read_in_pages(client: OrchestrationClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stead.orchestrations._client.queries.HISTORY_PAGE_LENGTH", 7)
    await client.start_new(tidying, instance_id="a")
    for count in (6, 1, 13):
        await asyncio.gather(*(client.raise_event("a", "number", number) for number in range(count)))
        async with asyncio.timeout(HANGS_S):
            while len(await client.read_history("a")) % 7 not in (0, 1):
                await asyncio.sleep(0.005)
    await client.raise_event("a", "finish", 1)
    await client.wait_for_completion("a")
    assert len(await client.read_history("a")) == 1 + 20 + 1


async def test_wrong_words_are_refused(client: OrchestrationClient) -> None:
    await client.start_new(tidying, instance_id="a")
    wrong: Any = None
    for step in (
        client.raise_event("a", ""),
        client.raise_event("a", "x" * 300),
        client.raise_event("a", wrong),
        client.raise_event("@a@b", "go"),
        client.terminate("a", "x" * 5_000),
        client.suspend("a", wrong),
        client.purge_instances(statuses=["Done"]),
        client.purge_instances(statuses=["Running"]),
        client.count_instances(statuses="nope"),
        client.count_instances(created_from=datetime(2030, 1, 1)),
        client.count_instances(name=wrong or 5),
    ):
        with pytest.raises(InvalidInput):
            await step


@pytest.mark.usefixtures("worker")
async def test_restart(client: OrchestrationClient) -> None:
    await client.start_new(approval, Expense(amount=5), instance_id="a")
    with pytest.raises(InstanceExists):
        await client.restart("a", new_instance_id=False)
    other = await client.restart("a")
    assert other != "a"
    status = await client.get_status(other)
    assert status is not None
    assert (status.name, status.input, status.tags) == ("approval", {"amount": 5}, {"kind": "money"})
    await client.raise_event("a", "finish", {"amount": 1})
    await client.wait_for_completion("a")
    assert await client.restart("a", new_instance_id=False) == "a"


# -- lists and purging ---------------------------------------------------------------------------------------------------


async def three(client: OrchestrationClient) -> None:
    await client.start_new(tidying, 1, instance_id="job-1", tags={"region": "north", "size": "s"})
    await client.start_new(tidying, 2, instance_id="job-2", tags={"region": "south"})
    await client.start_new(approval, Expense(amount=3), instance_id="other")
    await client.raise_event("job-1", "finish", 1)
    await client.raise_event("job-2", "fail")
    await client.wait_for_completion("job-1")
    await client.wait_for_completion("job-2")
    await eventually(client, "other", RuntimeStatus.RUNNING)


@pytest.mark.usefixtures("worker")
async def test_instances_are_listed_by_what_is_asked_for(client: OrchestrationClient, store: Store) -> None:
    await three(client)
    now = datetime.fromtimestamp(store.clock.now_ms() / 1000, UTC)

    async def ids(**options: Any) -> list[str]:
        return [status.instance_id async for status in client.list_instances(**options)]

    assert await ids() == ["job-1", "job-2", "other"]
    assert await ids(prefix="job") == ["job-1", "job-2"]
    assert await ids(statuses=[RuntimeStatus.COMPLETED, "failed"]) == ["job-1", "job-2"]
    assert await ids(statuses="Running") == ["other"]
    assert await ids(statuses=[]) == []
    assert await ids(name="TIDYING") == await ids(name=tidying) == ["job-1", "job-2"]
    assert await ids(tags={"region": "north"}) == ["job-1"]
    assert await ids(tags={"region": "north", "size": "xl"}) == []
    assert await ids(created_from=now + timedelta(minutes=1)) == []
    assert await ids(created_from=now - timedelta(minutes=1), created_to=now) == ["job-1", "job-2", "other"]
    assert [status.input async for status in client.list_instances()] == [None] * 3
    assert [status.input async for status in client.list_instances(show_input=True)] == [1, 2, {"amount": 3}]
    assert await client.count_instances() == {
        ("tidying", RuntimeStatus.COMPLETED): 1,
        ("tidying", RuntimeStatus.FAILED): 1,
        ("approval", RuntimeStatus.RUNNING): 1,
    }
    assert await client.count_instances(prefix="o", name="approval") == {("approval", RuntimeStatus.RUNNING): 1}


@pytest.mark.usefixtures("worker")
async def test_purging(client: OrchestrationClient) -> None:
    await three(client)
    told: list[int] = []
    assert await client.purge("job-1") is True
    assert await client.purge("job-1") is False
    assert await client.get_status("job-1") is None
    assert await client.purge_instances(name="approval") == 0
    assert await client.purge_instances(statuses=["Completed"]) == 0
    assert await client.purge_instances(progress=told.append) == 1
    assert told == [1]
    assert [status.instance_id async for status in client.list_instances()] == ["other"]
