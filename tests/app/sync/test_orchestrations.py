"""Orchestrations without `await`: the same results and errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

import pytest

from stead.app import App, Settings, SyncClient
from stead.entities import CallTimeout, InvalidInput, PayloadTooLarge
from stead.orchestrations import (
    InstanceExists,
    InstanceFinished,
    InstanceId,
    InstanceRunning,
    OrchestrationContext,
    OrchestrationStatus,
    RuntimeStatus,
    UnknownInstance,
    UnknownOrchestration,
)
from support.guards import HANGS_S
from support.user_folder import WorkerThread, eventually

app = App("sync-orchestrations", settings=Settings(partitions=4, slot_groups=2))


@app.activity
def double(number: int) -> int:
    return 2 * number


@app.orchestration
async def counts(context: OrchestrationContext) -> None:
    context.share([0])
    await context.wait_for_external_event("never")


@counts.query
def total(state: list[int]) -> int:
    return state[0]


@counts.update
def add(context: OrchestrationContext, state: list[int], number: int) -> int:
    state[0] += number
    return state[0]


@app.orchestration
async def doubled(context: OrchestrationContext, number: int) -> int:
    if number < 0:
        raise ValueError("below zero")
    return await context.call_activity(double, number)


@app.orchestration
async def waits(context: OrchestrationContext) -> str:
    return await context.wait_for_external_event("go", str)


@app.orchestration
async def adds(context: OrchestrationContext, count: int) -> list[int]:
    return [await context.wait_for_external_event("add", int) for _ in range(count)]


@pytest.fixture
def client(server_url: str) -> Iterator[SyncClient]:
    """A client, with a worker beside it."""
    thread = WorkerThread(app, server_url)
    with app.connect_sync(server_url) as opened:
        yield opened
    thread.end()


def test_it_starts_waits_and_looks(client: SyncClient) -> None:
    instance_id = client.start_new(doubled, 21, tags={"a": "b"})
    assert_type(instance_id, InstanceId[int])
    status = client.wait_for_completion(instance_id)
    assert_type(status, OrchestrationStatus[int])
    assert (status.output, status.input, status.tags) == (42, 21, {"a": "b"})
    seen = client.get_status(instance_id, show_history=True)
    assert_type(seen, OrchestrationStatus[int] | None)
    assert seen is not None and seen.history is not None
    assert len(seen.history) == len(client.read_history(instance_id))
    assert client.get_status("nosuch") is None
    again = client.restart(instance_id)
    assert client.wait_for_completion(again, timeout=HANGS_S).output == 42


def test_it_asks_one_to_end(client: SyncClient) -> None:
    instance_id = client.start_new(waits)
    client.cancel(instance_id, "enough")
    status = client.wait_for_completion(instance_id)
    assert (status.runtime_status, status.output) == (RuntimeStatus.CANCELED, "enough")


def test_it_asks_and_tells(client: SyncClient) -> None:
    instance_id = client.start_new(counts)
    assert client.update(add, instance_id, 2) == 2
    assert client.ask(total, instance_id) == 2
    with pytest.raises(UnknownInstance):
        client.ask(total, "nobody")


def test_it_manages(client: SyncClient) -> None:
    instance_id = client.start_new(waits)
    client.suspend(instance_id, "lunch")
    eventually(lambda: status_of(client, instance_id) is RuntimeStatus.SUSPENDED)
    client.resume(instance_id)
    for waiting, seconds in ((client, 0.05), (client.with_timeout(0.05), 30), (client.with_timeout(0.05), None)):
        with pytest.raises(CallTimeout, match=r"waiting for instance .* within 0\.05 s; it is not finished"):
            waiting.wait_for_completion(instance_id, seconds)
    client.raise_event(instance_id, "go", "gone")
    assert client.wait_for_completion(instance_id).output == "gone"
    other = client.start_new("waits", instance_id="other")
    client.terminate(other, "enough", recursive=False)
    assert client.wait_for_completion(other).output == "enough"
    failed = client.start_new(doubled, -1)
    assert client.wait_for_completion(failed).runtime_status is RuntimeStatus.FAILED
    client.rewind(failed)


def test_errors_are_raised_at_the_call(client: SyncClient) -> None:
    wrong: Any = "nosuch"
    with pytest.raises(UnknownOrchestration):
        client.start_new(wrong)
    with pytest.raises(UnknownInstance):
        client.raise_event("nosuch", "go")
    client.start_new(waits, instance_id="same")
    with pytest.raises(InstanceExists):
        client.start_new(waits, instance_id="same")
    with pytest.raises(InstanceRunning):
        client.purge("same")
    client.terminate("same")
    client.wait_for_completion("same")
    with pytest.raises(InstanceFinished):
        client.raise_event("same", "go")


def test_what_no_worker_answers_ends_and_says_so(server_url: str) -> None:
    hasty = App("sync-orchestrations", settings=Settings(partitions=4, slot_groups=2, call_timeout_ms=60))
    thread = WorkerThread(app, server_url)
    with hasty.connect_sync(server_url) as client:
        failed = client.start_new("doubled", -1)
        client.wait_for_completion(failed)
        thread.end()
        for calling, name in ((client, "calling 'rewind' of"), (client.with_timeout(0.05), "rewinding")):
            with pytest.raises(
                CallTimeout, match=rf"{name} {failed}: no answer .* check before you repeat it: no worker"
            ):
                calling.rewind(failed)
        for calling, name in ((client, "calling 'purge' of"), (client.with_timeout(0.05), "purging")):
            with pytest.raises(
                CallTimeout, match=rf"{name} {failed}: no answer .* check before you repeat it: no worker"
            ):
                calling.purge(failed)


def test_it_lists_and_purges(client: SyncClient) -> None:
    for number in range(3):
        client.wait_for_completion(client.start_new(doubled, number, instance_id=f"d{number}"))
    client.start_new(waits, instance_id="w")
    eventually(lambda: len(list(client.list_instances(statuses=["Completed", "Running"]))) == 4)
    assert [status.output for status in client.list_instances(prefix="d")] == [0, 2, 4]
    assert [status.input for status in client.list_instances(name=doubled, show_input=True)] == [0, 1, 2]
    assert client.count_instances() == {
        ("doubled", RuntimeStatus.COMPLETED): 3,
        ("waits", RuntimeStatus.RUNNING): 1,
    }
    assert client.purge("d0") is True
    told: list[int] = []
    assert client.purge_instances(progress=told.append) == 2
    assert told[-1] == 2
    assert [status.instance_id for status in client.list_instances()] == ["w"]


def test_it_lists_what_no_worker_has_taken_up(server_url: str) -> None:
    with app.connect_sync(server_url) as client:
        client.start_new(doubled, 1, instance_id="b")
        client.start_new(waits, instance_id="a")
        listed = list(client.list_instances(statuses=["Pending"], show_input=True))
        assert listed == [client.get_status("a"), client.get_status("b")]
        assert client.count_instances(name=doubled) == {("doubled", RuntimeStatus.PENDING): 1}
        assert client.purge_instances() == 0


def status_of(client: SyncClient, instance_id: str) -> RuntimeStatus | None:
    status = client.get_status(instance_id)
    return None if status is None else status.runtime_status


def test_a_producer_raises_events_in_order(client: SyncClient) -> None:
    ids = [client.start_new(adds, 700) for _ in range(3)]
    page = [0]
    with client.producer() as producer:
        for number in range(700):
            for instance_id in ids:
                producer.raise_event(instance_id, "add", number)
            producer.raise_event("nobody", "page", page)
            page[0] += 1
        producer.flush()
        for wrong, error in (("", InvalidInput), ("x" * app.settings.payload_bytes_max, PayloadTooLarge)):
            with pytest.raises(error):
                producer.raise_event("nobody" if wrong else wrong, "add", wrong)
    for instance_id in ids:
        assert client.wait_for_completion(instance_id).output == list(range(700))


def test_a_sources_events_are_accepted_once(client: SyncClient) -> None:
    instance_id = client.start_new(adds, 30)
    for first in (0, 5, 10):
        with client.producer(source="log") as producer:
            for number in range(first, first + 20):
                producer.raise_event_once(number, instance_id, "add", number)
    assert client.wait_for_completion(instance_id).output == list(range(30))
