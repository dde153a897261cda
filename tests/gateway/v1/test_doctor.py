"""What `doctor` finds is made to happen on a real hub, is found with the advice that helps, and is gone once that is followed.

What takes a process that dies, or code of two kinds, is in `tests/app/commands/test_watching.py`; what a note says of old letters in
`test_diagnosis.py`. Thresholds of minutes and days are lowered here, nothing else.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from redis import Redis

from stead.app import App, Settings
from stead.entities import Entity, EntityId
from stead.gateway._http import hub as hubs
from stead.gateway._v1 import diagnosis, doctor
from stead.orchestrations import OrchestrationContext
from stead.transport._redis.keys import KeyNames
from support.gateway_tools import Served, serve
from support.v1_gateway import eventually, fresh
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.slow
QUICK = Settings(partitions=2, slot_groups=1, heartbeat_ms=200, dead_letters_max=100)


def make_app(name: str = "examined", *, whole: bool = True) -> App:
    """An app; or the same without what its worker is to know nothing of."""
    app = App(name, settings=QUICK)

    @app.entity
    class Clerk(Entity):
        notes: int = 0

        def note(self) -> None:
            self.notes += 1

        def hold(self, seconds: float) -> None:
            time.sleep(seconds)

        def fail(self) -> None:
            raise ValueError("no")

        def remind(self) -> None:
            self.context.reminder("soon", after=timedelta(milliseconds=1)).signal(Clerk.note)

    @app.activity(queue="gpu")
    async def render() -> None: ...

    @app.orchestration
    async def renders(context: OrchestrationContext) -> None:
        await context.call_activity(render)

    @app.orchestration
    async def waits(context: OrchestrationContext) -> None:
        await context.wait_for_external_event("over")

    @app.orchestration
    async def holds(context: OrchestrationContext, key: str) -> None:
        async with context.lock_entities(EntityId("Clerk", key)):
            await context.wait_for_external_event("over")

    @app.orchestration(version="1.0")
    async def versioned(context: OrchestrationContext) -> None:
        """There are no others."""

    if whole:

        @app.entity
        class Stranger(Entity):
            def greet(self) -> None: ...

    return app


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is answered anew."""
    monkeypatch.setattr(doctor, "KEPT_S", 0.0)
    monkeypatch.setattr(hubs, "REST", 0)


@pytest.fixture(scope="module")
def examined(module_server: ValkeyServer) -> Iterator[Served]:
    """A gateway of the app, whose worker takes nothing from the queue `gpu`. Each test puts right what it has made, so that it
    does not matter in which order they run."""
    with served_by_others("examined", module_server) as served:
        yield served


@contextlib.contextmanager
def served_by_others(name: str, server: ValkeyServer) -> Generator[Served]:
    """A gateway of a hub whose worker knows no strangers."""
    with (
        serve(make_app(name, whole=False), server.url, queues=[""]) as working,
        serve(make_app(name), server.url, worker=False) as served,
    ):
        eventually(lambda: all(p["owner"] for p in working.http.get("/api/v1/hub").json()["partitions"]) or None)
        yield served


@pytest.fixture
def server(module_server: ValkeyServer) -> Any:
    """The server, past stead."""
    return cast("Any", Redis)(unix_socket_path=str(module_server.socket))


def findings(served: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.http.get("/api/v1/doctor").json()["findings"]
    return found


def found(served: Served, check: str, level: str = "problem") -> dict[str, Any]:
    """Once it is found."""
    return eventually(lambda: next((f for f in findings(served) if (f["check"], f["level"]) == (check, level)), None))


def gone(served: Served, check: str) -> None:
    """Until it is found no more."""
    eventually(lambda: check not in {f["check"] for f in findings(served)} or None)


def start(served: Served, name: str, given: object = None, **more: object) -> str:
    instance_id = f"{name}-{fresh()}"
    body = {"name": name, "instance_id": instance_id, "input": given, **more}
    assert served.http.post("/api/v1/instances", json=body).status_code == 202
    return instance_id


def tell(served: Served, instance_id: str, verb: str) -> None:
    assert served.http.post(f"/api/v1/instances/{instance_id}/{verb}", json=None).is_success


def test_no_worker(module_server: ValkeyServer) -> None:
    with serve(App("alone", settings=QUICK), module_server.url, worker=False) as served:
        served.http.post("/api/v1/signals", content='{"entity": "Any", "key": "x", "operation": "do"}')
        finding = found(served, "no_worker")
        assert finding["what"] == "no worker runs, and 1 message waits"
        assert finding["advice"].startswith("start one: stead worker ")


def test_all_is_well_with_a_worker(examined: Served) -> None:
    eventually(lambda: not [f for f in findings(examined) if f["level"] == "problem"] or None)


def test_partitions_without_an_owner_since_all_are_drained(examined: Served) -> None:
    (worker,) = examined.http.get("/api/v1/hub").json()["workers"]
    assert examined.http.post(f"/api/v1/workers/{worker['worker']}/drain").is_success
    finding = eventually(
        lambda: next((f for f in findings(examined) if f["what"].endswith("since all workers are drained")), None)
    )
    assert (finding["check"], finding["level"]) == ("unowned_partitions", "problem")
    assert f" {worker['worker']} --undo; or start another" in finding["advice"]
    assert examined.http.post(f"/api/v1/workers/{worker['worker']}/resume").is_success
    gone(examined, "unowned_partitions")


def test_a_queue_that_nobody_serves(examined: Served) -> None:
    instance_id = start(examined, "renders")
    finding = found(examined, "unserved_queues")
    assert finding["what"] == "no worker takes activities from gpu"
    assert finding["advice"].endswith("--queues gpu")
    assert finding["subjects"] == ["gpu"]
    tell(examined, instance_id, "terminate")


def test_what_waits_for_other_code(examined: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    instance_id = start(examined, "versioned", version="9.9")
    finding = eventually(lambda: next((f for f in findings(examined) if instance_id in f["subjects"]), None))
    assert (finding["check"], finding["level"]) == ("blocked", "problem")
    assert "deploy workers with code that fits" in finding["advice"]
    monkeypatch.setattr(doctor, "PENDING_S_MAX", -1.0)
    pending = found(examined, "pending_instances")
    assert instance_id in pending["subjects"]
    assert pending["advice"] == "start a worker with their orchestration's code and version"
    assert found(examined, "unserved_kinds")["subjects"] == ["orchestration/versioned@9.9"]
    tell(examined, instance_id, "terminate")
    gone(examined, "pending_instances")
    gone(examined, "unserved_kinds")
    eventually(lambda: not any(instance_id in f["subjects"] for f in findings(examined)) or None)


def test_an_instance_in_which_nothing_happens(examined: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    instance_id = start(examined, "waits")
    monkeypatch.setattr(doctor, "PENDING_S_MAX", -1.0)
    monkeypatch.setattr(doctor, "STILL_S_MAX", -1.0)
    finding = eventually(lambda: next((f for f in findings(examined) if instance_id in f["subjects"]), None))
    assert (finding["check"], finding["level"]) == ("still_instances", "note")
    assert finding["advice"].startswith("see what one waits for: stead status ")
    tell(examined, instance_id, "terminate")


def test_an_entity_that_is_locked_while_messages_wait_and_they_grow_old(
    examined: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"locked-{fresh()}"
    instance_id = start(examined, "holds", key)
    eventually(lambda: examined.http.get(f"/api/v1/entities/Clerk/{key}/doing").json()["locked_by"])
    examined.http.post(f"/api/v1/entities/Clerk/{key}/note", json={"args": []})
    monkeypatch.setattr(diagnosis, "WAITED_S_MAX", 0.0)
    finding = found(examined, "locked")
    assert finding["what"] == f"@clerk@{key} is locked by {instance_id}, and its messages wait"
    assert finding["advice"].endswith(f" {instance_id}")
    assert finding["subjects"] == [f"@clerk@{key}", instance_id]
    examined.http.post(f"/api/v1/instances/{instance_id}/events/over", json=None)
    gone(examined, "locked")


def test_messages_that_wait_for_long_loops_that_are_held_and_late_timers(
    examined: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "WAITED_S_MAX", 0.0)
    monkeypatch.setattr(diagnosis, "LAG_S_MAX", 0.1)
    monkeypatch.setattr(diagnosis, "LATE_S_MAX", 0.0)
    key = f"slow-{fresh()}"
    instance_id = start(examined, "holds", key)
    examined.http.post(f"/api/v1/entities/Clerk/{key}/remind?wait=true&timeout_ms=1000", json={"args": []})
    waiting = found(examined, "old_messages")
    assert waiting["what"].startswith("the oldest message has waited for ")
    assert waiting["advice"].startswith("start more workers")
    tell(examined, instance_id, "terminate")
    gone(examined, "old_messages")
    assert found(examined, "late_timers")["advice"] == "the workers, or the server, have too much to do"

    def held() -> dict[str, Any] | None:
        """Once often enough: of a hub that has worked well for minutes, one slow operation is not news."""
        examined.http.post(f"/api/v1/entities/Clerk/{key}/hold?wait=true", json={"args": [0.5]})
        return next((f for f in findings(examined) if (f["check"], f["level"]) == ("held_loops", "problem")), None)

    finding = eventually(held)
    assert finding["advice"].startswith("the workers' logs name them: make them `async def`")


def test_messages_that_die_and_too_many_of_them(examined: Served) -> None:
    def die(count: int) -> None:
        lines = '{"entity": "Clerk", "key": "x", "operation": "fail"}\n' * count
        assert examined.http.post("/api/v1/signals", content=lines).is_success

    die(1)
    finding = found(examined, "dead_letters")
    assert finding["what"].startswith("1 dead letter, the last one died ")
    assert finding["advice"].startswith("see them: stead dead-letters ")
    die(QUICK.dead_letters_max + 200)
    finding = found(examined, "dead_letters_dropped")
    assert finding["what"].endswith("dropped, since there were too many")
    assert finding["advice"].endswith("or raise STEAD_DEAD_LETTERS_MAX")
    eventually(lambda: examined.http.get("/api/v1/hub").json()["total"]["backlog"] == 0 or None)
    assert examined.http.post("/api/v1/dead-letters/drop", json={"all": True}).is_success
    gone(examined, "dead_letters")
    assert found(examined, "dead_letters_dropped", "note")["what"].endswith("too many")  # it is no news any more


def test_a_clock_that_is_wrong(examined: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    class Behind:
        @staticmethod
        def time() -> float:
            return time.time() - 10

    monkeypatch.setattr("stead.entities._worker.measuring.time", Behind)
    finding = found(examined, "clock_skew")
    assert " 10.0 s behind the server's" in finding["what"] or " 10." in finding["what"]
    assert finding["advice"].startswith("let NTP keep both")
    monkeypatch.undo()
    monkeypatch.setattr(doctor, "KEPT_S", 0.0)
    monkeypatch.setattr(hubs, "REST", 0)
    gone(examined, "clock_skew")


def test_a_server_that_forgets_loses_and_is_full(examined: Served, server: Any) -> None:
    before = {name: server.config_get(name)[name] for name in ("maxmemory-policy", "appendonly", "appendfsync")}
    try:
        server.config_set("maxmemory-policy", "allkeys-lru")
        assert found(examined, "eviction")["advice"] == "set maxmemory-policy noeviction"
        server.config_set("maxmemory-policy", "noeviction")
        gone(examined, "eviction")
        server.config_set("appendonly", "yes")
        server.config_set("appendfsync", "everysec")
        assert found(examined, "persistence", "note")["advice"].startswith("set appendfsync always if no")
        server.config_set("appendonly", "no")
        assert found(examined, "persistence")["advice"].startswith("set appendonly yes and appendfsync always")
        server.config_set("maxmemory", int(server.info("memory")["used_memory"] * 1.1))
        finding = found(examined, "memory")
        assert "of its memory; when it is full, nothing new is accepted" in finding["what"]
        assert finding["advice"].startswith("give it more (maxmemory)")
    finally:
        server.config_set("maxmemory", 0)
        for name, value in before.items():
            server.config_set(name, value)
    gone(examined, "memory")


def test_a_partition_that_stands_still(examined: Served, server: Any) -> None:
    told = examined.http.get("/api/v1/hub").json()["hub"]
    layout = hubs_layout(told)
    key = KeyNames(layout).partitions[1].timers.decode()
    server.set(key, "of another type")
    try:
        finding = found(examined, "quarantine")
        assert finding["what"].startswith("partition 1 stands still: ")
        assert key in finding["what"]
        assert finding["advice"] == "put right what the store holds; the partition goes on by itself then"
        assert finding["subjects"] == ["1"]
    finally:
        server.delete(key)
    gone(examined, "quarantine")


def test_what_no_worker_knows(module_server: ValkeyServer) -> None:
    with served_by_others("strange", module_server) as served:  # of its own: the message stays there
        served.http.post("/api/v1/signals", content='{"entity": "Stranger", "key": "x", "operation": "greet"}')
        finding = eventually(lambda: next((f for f in findings(served) if "stranger" in f["what"]), None))
    assert (finding["check"], finding["level"]) == ("unserved_kinds", "problem")
    assert finding["advice"] == "start a worker with the code that defines them"


def hubs_layout(told: dict[str, Any]) -> Any:
    from stead.transport import HubLayout

    return HubLayout(**{name: told[name] for name in HubLayout.__dataclass_fields__ if name in told})
