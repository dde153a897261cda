"""An app as the Durable Functions documentation has them, its worker, and a gateway over a real socket, beside the tests."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from stead.app import App
from stead.entities import Entity, EntityContext
from stead.gateway import HttpSettings
from stead.orchestrations import OrchestrationContext
from stead.transport import Settings
from support.gateway_tools import serve
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

BASE = "/runtime/webhooks/durabletask"
_numbers = itertools.count()


def make_app(name: str) -> App:
    """The app: its hub is fresh for each gateway."""
    app = App(name, settings=Settings(partitions=4, slot_groups=2))
    _define_entities(app)
    _define_doors(app)
    _define_orchestrations(app)
    return app


def _define_entities(app: App) -> None:
    @app.entity
    class Counter(Entity):
        value: int = 0

        def add(self, amount: int) -> None:
            self.value += amount

        def reset(self) -> None:
            self.value = 0

        def name(self, text: str) -> None:
            self.value = len(text)

    @app.entity_function("Device")
    def device(context: EntityContext) -> None:
        context.set_state({"operation": context.operation_name, "args": list(context.args)})


def _define_doors(app: App) -> None:
    """Something that fails until another instance has changed the world."""
    opened: set[str] = set()

    @app.activity
    async def enter(door: str) -> str:
        if door not in opened:
            raise ValueError(f"{door} is closed")
        return "open"

    @app.activity
    async def unlock(door: str) -> None:
        opened.add(door)

    @app.orchestration
    async def failing(context: OrchestrationContext, door: str) -> str:
        return await context.call_activity(enter, door)

    @app.orchestration
    async def opening(context: OrchestrationContext, door: str) -> None:
        await context.call_activity(unlock, door)


def _define_orchestrations(app: App) -> None:
    @app.activity(name="E1_SayHello")
    async def say_hello(city: str) -> str:
        return f"Hello {city}!"

    @app.orchestration(name="E1_HelloSequence")
    async def hello_sequence(context: OrchestrationContext) -> list[str]:
        return [await context.call_activity(say_hello, city) for city in ("Tokyo", "Seattle", "London")]

    @app.orchestration
    async def echo(context: OrchestrationContext, value: Any = "nothing") -> Any:
        context.set_custom_status({"nextActions": ["A", "B", "C"], "foo": 2})
        return value

    @app.orchestration
    async def approval(context: OrchestrationContext, order: Any = None) -> Any:
        return await context.wait_for_external_event("ApprovalReceived", Any)

    @app.orchestration
    async def parent(context: OrchestrationContext, value: Any) -> Any:
        return await context.call_sub_orchestrator(echo, value)


class Gateway:
    """A running gateway: `http` calls it."""

    def __init__(self, app: App, url: str, http: httpx.Client) -> None:
        self.app = app
        self.url = url
        self.http = http

    def start(self, name: str, value: Any = None, instance_id: str = "", **query: Any) -> str:
        """Start an orchestration; gives the instance's ID."""
        path = f"{BASE}/orchestrators/{name}/{instance_id}" if instance_id else f"{BASE}/orchestrators/{name}"
        answer = self.http.post(path, params=query, json=value)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def run(self, name: str, value: Any = None, instance_id: str = "") -> str:
        """Start an orchestration and wait for its end."""
        instance_id = self.start(name, value, instance_id)
        self.ended(instance_id)
        return instance_id

    def ended(self, instance_id: str) -> dict[str, Any]:
        """The status of an instance once it has ended."""
        return self.until(instance_id, ("Completed", "Failed", "Terminated", "Canceled"))

    def until(self, instance_id: str, statuses: Sequence[str]) -> dict[str, Any]:
        """The status of an instance once it is one of these."""
        deadline = time.monotonic() + HANGS_S
        while True:
            payload: dict[str, Any] = self.http.get(f"{BASE}/instances/{instance_id}").json()
            if payload["runtimeStatus"] in statuses:
                return payload
            assert time.monotonic() < deadline, payload
            time.sleep(0.01)

    def appears(self, instance_id: str) -> None:
        """Wait until an instance exists."""
        deadline = time.monotonic() + HANGS_S
        while self.http.get(f"{BASE}/instances/{instance_id}").status_code == 404:
            assert time.monotonic() < deadline, instance_id
            time.sleep(0.01)

    def state(self, path: str, expected: Any) -> None:
        """Wait until an entity has this state; None: until it has none."""
        deadline = time.monotonic() + HANGS_S
        while True:
            answer = self.http.get(f"{BASE}/entities/{path}")
            if (
                answer.status_code == (404 if expected is None else 200)
                and (answer.json() if answer.content else None) == expected
            ):
                return
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.01)


@contextmanager
def gateway(
    server: ValkeyServer,
    keys: Mapping[str, Sequence[str]] | None = None,
    settings: HttpSettings | None = None,
    *,
    worker: bool = True,
) -> Generator[Gateway]:
    """A gateway of a fresh hub, with a worker unless told otherwise."""
    app = make_app(f"df-tests-{next(_numbers)}")
    with serve(app, server.url, keys=keys, settings=settings, worker=worker) as served:
        yield Gateway(app, served.url, served.http)
