"""Every metric means what it says: what is made to happen is what Prometheus reads."""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stead.app import App
from stead.entities import Entity, EntityClient, EntityId, Worker
from stead.entities.extending import MeasuresReader, encode_message
from stead.gateway._v1.exposition import _FAMILIES, hub_exposition, worker_exposition
from stead.orchestrations import OrchestrationClient, OrchestrationContext, Orchestrations
from stead.transport import Batch, Commit, ManualClock, MemoryStore, ServerClock, Settings, Task, TaskLimit
from support.gateway_tools import Served
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=2, slot_groups=1, heartbeat_ms=50, drain_ms=100, replay_every_turn=True)
DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana" / "stead.json"

app = App("exposed", settings=SETTINGS)


@app.entity
class Counter(Entity):
    n: int = 0

    def add(self) -> None:
        self.n += 1

    def fail(self) -> None:
        raise ValueError("on purpose")

    def hold(self) -> None:
        time.sleep(0.45)

    async def wait(self) -> None:
        await asyncio.sleep(30)


@app.activity
async def double(number: int) -> int:
    if number < 0:
        raise ValueError("on purpose")
    return 2 * number


@app.activity(queue="nobody")
async def unserved(number: int) -> int:
    return number


@app.orchestration
async def doubling(context: OrchestrationContext, number: int) -> int:
    return await context.call_activity(double, number)


@app.orchestration
async def stuck(context: OrchestrationContext) -> int:
    return await context.call_activity(unserved, 1)


class Read:
    """An exposition, read as Prometheus does."""

    def __init__(self, text: bytes) -> None:
        self.values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self.labels: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(text.decode()):
            assert family.name.startswith("stead_")
            assert family.documentation
            for sample in family.samples:
                self.values[sample.name, frozenset(sample.labels.items())] = sample.value
                self.labels.setdefault(sample.name, set()).update(sample.labels)

    def __call__(self, name: str, **labels: str) -> float:
        return self.values[f"stead_{name}", frozenset(labels.items())]


async def read(store: MemoryStore) -> Read:
    found = await MeasuresReader(store).read()
    limits = await store.limits(["", "gpu"], 10)
    return Read(hub_exposition(found, await store.workers(), await store.info(), store.facts, limits))


async def until(store: MemoryStore, name: str, value: float, **labels: str) -> Read:
    async with asyncio.timeout(HANGS_S):
        while True:
            found = await read(store)
            if found.values.get((f"stead_{name}", frozenset(labels.items())), -1) >= value:
                return found
            await asyncio.sleep(0.02)


def worker_of(store: MemoryStore) -> Worker:
    extension = Orchestrations(app.orchestrations, SETTINGS, entities=app.registry, queues=[""])
    return Worker(store, app.registry, SETTINGS, "w", [extension])


async def test_what_workers_do() -> None:
    store = MemoryStore("exposed", SETTINGS, ServerClock())
    client = EntityClient(store, app.registry, SETTINGS)
    instances = OrchestrationClient(store, app.registry, SETTINGS, app.orchestrations)
    async with worker_of(store) as worker:
        for operation in ("add", "add", "fail", "hold", "wait"):
            await client.signal_entity(EntityId("Counter", operation), operation)
        await client.after(timedelta(milliseconds=100)).signal_entity(EntityId("Counter", "late"), "add")
        for number in (1, 2, -1):
            await instances.wait_for_completion(await instances.start_new(doubling, number))
        found = await until(store, "timer_lateness_seconds_count", 1)
        found = await until(store, "operation_seconds_count", 3, entity="Counter", operation="add")
        found = await until(store, "worker_operations_running", 1, worker=worker.name)
        found = await until(store, "loop_lag_seconds_sum", 0.2)
        own = Read(worker_exposition(worker.meters, (await store.workers())[0]))
    await instances.aclose()
    await client.aclose()
    of = {"entity": "Counter", "operation": "fail"}
    assert (found("operation_seconds_count", **of), found("operation_failures_total", **of)) == (1, 1)
    of["operation"] = "hold"
    assert (found("operation_seconds_count", **of), found("operation_failures_total", **of)) == (1, 0)
    assert found("operation_seconds_sum", **of) >= 0.45
    assert found("operation_seconds_bucket", **of, le="0.25") == 0
    assert found("operation_seconds_bucket", **of, le="+Inf") == 1
    assert (
        found("activity_seconds_count", activity="double"),
        found("activity_failures_total", activity="double"),
    ) == (3, 1)
    for status, count in (("Completed", 2), ("Failed", 1)):
        assert found("orchestration_seconds_count", orchestration="doubling", status=status) == count
    assert found("turn_seconds_count", orchestration="doubling") >= 6, (
        "a start and a result each; who waits sends one, too"
    )
    assert found("replayed_events_count", orchestration="doubling") >= 3
    assert found("replayed_events_sum", orchestration="doubling") >= 6
    assert found("commit_seconds_count") > 0  # some carry no message: what was found by itself, such as timers
    assert found("commit_messages_sum") > 0
    assert found("commit_messages_count") == found("commit_seconds_count")
    assert 0 <= found("timer_lateness_seconds_sum") < 30
    assert found("workers") == 1
    assert found("worker_partitions", worker=worker.name) == 2
    for gauge in ("worker_memory_bytes", "worker_activations", "worker_longest_running_seconds"):
        assert found(gauge, worker=worker.name) > 0
    assert found("worker_cpu_seconds_total", worker=worker.name) > 0
    assert own("worker_operation_seconds_count", **of) == 1
    assert not set(own.labels) & set(found.labels) - {name for name in own.labels if name.startswith("stead_worker")}


async def test_what_the_store_holds() -> None:
    clock = ManualClock()
    store = MemoryStore("exposed", SETTINGS, clock)
    found = await read(store)
    assert (found("workers"), found("partitions"), found("partitions_unowned")) == (0, 2, 2)
    await store.heartbeat("w", {}, 60_000)
    for partition in (0, 1):
        await store.acquire(partition, "w", b"t%d" % partition, b"", 60_000)
    found = await read(store)
    assert (found("workers"), found("partitions_unowned"), found("partitions_quarantined")) == (1, 0, 0)
    message = encode_message("@counter@x", "add", [], b"1" * 16)
    await store.enqueue([Batch(1, "s", 0, -1, 2, [message] * 3, 10, 60_000)])
    clock.advance_to(clock.now_ms() + 5_000)
    found = await read(store)
    assert (found("backlog_messages", partition="1"), found("backlog_messages", partition="0")) == (3, 0)
    assert found("oldest_message_age_seconds", partition="1") == 5
    assert found("oldest_message_age_seconds", partition="0") == 0
    entries = (await store.read_inboxes({1: b"0"}, 10, 0))[0][1]
    await store.park(1, b"t1", "@counter@x", [entries[0][0]])
    found = await read(store)
    assert (found("backlog_messages", partition="1"), found("parked_messages", partition="1")) == (2, 1)
    limit = TaskLimit("charge:oslo", "1:0:0", "i")
    tasks = [Task(b"%d" % number, "gpu", True, b"", limit) for number in range(3)]
    await store.commit([Commit(0, b"t0", b"", b"c", tasks=tasks)], store.generation)
    await store.take_tasks(["gpu"], "w", 9, 0)
    found = await read(store)
    assert (found("limit_running", activity="charge"), found("limit_waiting", activity="charge")) == (1, 2)
    store.tear(0)
    assert (await read(store))("partitions_quarantined") == 1


async def test_what_is_left_when_workers_have_gone() -> None:
    store = MemoryStore("exposed", SETTINGS, ServerClock())
    client = EntityClient(store, app.registry, SETTINGS)
    instances = OrchestrationClient(store, app.registry, SETTINGS, app.orchestrations)
    async with worker_of(store):
        await client.signal_entity(EntityId("Counter", "a"), "fail")
        await client.signal_entity(EntityId("Counter", "a"), "add")
        await client.after(timedelta(days=1)).signal_entity(EntityId("Counter", "a"), "add")
        await instances.start_new(stuck)
        await until(store, "timers", 1)
        await until(store, "activities_open", 1)
        await until(store, "operation_seconds_count", 1, entity="Counter", operation="add")
    await instances.aclose()
    await client.aclose()
    found = await read(store)
    assert (found("entities"), found("instances"), found("timers"), found("activities_open")) == (1, 1, 1, 1)
    assert found("dead_letters", partition="0") + found("dead_letters", partition="1") == 1
    assert (found("dead_letters_dropped_total"), found("blocked_targets")) == (0, 0)
    assert found("operation_failures_total", entity="Counter", operation="fail") == 1, "sums survive the worker"
    assert (found("workers"), found("server_memory_bytes")) == (0, 0)


# -- over HTTP, and for Grafana ----------------------------------------------------------------------------------------


def test_a_hub_is_read_over_http(served: Served) -> None:
    answer = served.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = Read(answer.content)
    assert found("workers") == 1
    assert served.http.get("/metrics?x=1").status_code == 400


def test_a_key_is_needed_where_there_are_keys_but_not_to_ask_how_it_is(guarded: Served) -> None:
    assert guarded.http.get("/metrics", headers={"x-functions-key": ""}).status_code == 401
    assert guarded.http.get("/metrics", headers={"x-functions-key": "read-key"}).status_code == 200
    for path in ("live", "ready"):
        answer = guarded.http.get(f"/health/{path}", headers={"x-functions-key": ""})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_every_query_of_the_dashboard_finds_its_metrics_and_labels(served: Served) -> None:
    text = served.http.get("/metrics").text
    labels = Read(text.encode()).labels  # of what has been measured; the others have those of their families
    for shown in _FAMILIES:
        for part, more in (("_bucket", {"le"}), ("_sum", set[str]()), ("_count", set[str]())):
            labels[f"stead_{shown.metric}{part}"] = {*shown.labels, *more}
        if shown.failures:
            labels[f"stead_{shown.failures}_total"] = set(shown.labels)
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    asked: list[str] = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(asked) >= 10
    for query in asked:
        named = re.findall(r"\bstead_\w+", query)
        assert named and set(named) <= labels.keys(), query
        by = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        assert all(by <= labels[name] for name in named), query
