"""Restate: a durable-execution server of its own (from npm), which calls handlers written with its Python SDK."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.calls import WARM_UP_CALLS
from benchmarks.http_client import post
from benchmarks.measures import Sample
from benchmarks.parts import Part
from benchmarks.raw import WrongResult

from . import workloads
from .environments import Recipe, node_program, python
from .orders import orders
from .over_http import asked, latency, post_json, rate, settle, total, value_of, watched
from .peer import Measure, Peer
from .services import Service, free_port, scratch, service
from .workloads import ACCOUNTS, CALLERS, ENTITIES, RUNNING, TRANSFERS_RUNNING

PROGRAMS = Path(__file__).parent / "programs"
HELLO = ["Hello Tokyo!", "Hello Seattle!", "Hello London!", "Hello Amsterdam!", "Hello Seoul!"]


@dataclass(frozen=True, slots=True)
class Running:
    """A server with a deployment."""

    port: int
    server: Service
    worker: Service


@contextmanager
def running(environment: Path) -> Generator[Running]:
    """The server with its defaults, and one process that has the handlers."""
    ingress, admin, node, handlers = (free_port() for _ in range(4))
    settings = {
        "RESTATE_INGRESS__BIND_PORT": str(ingress),
        "RESTATE_ADMIN__BIND_PORT": str(admin),
        "RESTATE_BIND_PORT": str(node),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_DISABLE_TELEMETRY": "true",
    }
    command: list[str | Path] = [node_program(environment, "restate-server"), "--no-logo"]
    app: list[str | Path] = [
        python(environment),
        "-m",
        "hypercorn",
        "--worker-class",
        "uvloop",
        "--bind",
        f"127.0.0.1:{handlers}",
    ]
    with (
        scratch() as folder,
        service([*command, "--base-dir", folder / "data"], folder, "restate", settings) as server,
        service([*app, "restate_app:app"], folder, "handlers", {"PYTHONPATH": str(PROGRAMS)}) as worker,
    ):
        for port, process in ((handlers, worker), (admin, server), (ingress, server)):
            process.wait_for(port)
        value_of(admin, post_json("/deployments", {"uri": f"http://127.0.0.1:{handlers}"}))
        yield Running(ingress, server, worker)


# -- calls -------------------------------------------------------------------------------------------------------------


def _add(key: object, amount: int) -> bytes:
    return post_json(f"/Counter/{key}/add", amount)


def _calls(environment: Path, count: int, callers: int, keys: int) -> Sample:
    with running(environment) as hub:
        requests = [_add(key, 1) for key in range(keys)]
        calls, cpu = asked(hub.port, requests, count, callers, hub.server, hub.worker)
        expect(total(hub.port, [_add(key, 0) for key in range(keys)]), count + WARM_UP_CALLS)
        return latency(calls, cpu) if callers == 1 else rate(calls, cpu)


def expect(found: object, expected: object) -> None:
    """Raise unless they are equal."""
    if found != expected:
        raise WrongResult(f"Restate: {found}, not {expected}")


def _signals(environment: Path, count: int) -> Sample:
    keys = range(ENTITIES)
    with running(environment) as hub:
        signals = [post_json(f"/Counter/{key}/add/send", 1) for key in keys]
        with Part(settle, hub.port, signals, [_add(key, 0) for key in keys], count) as client:
            # The reads at the end are counted as operations too.
            (seconds, found), cpu = watched(client, count + ENTITIES, hub.server, hub.worker)
        expect(found, count)
        return Sample((count + ENTITIES) / seconds, cpu=cpu)


# -- orchestrations ----------------------------------------------------------------------------------------------------


def _hello(name: str, callers: int) -> Measure:
    def measure(environment: Path, count: int) -> Sample:
        with running(environment) as hub:
            request = post(f"/Orchestrations/{name}")
            expect(value_of(hub.port, request), HELLO)
            calls, cpu = asked(hub.port, [request], count, callers, hub.server, hub.worker)
            return latency(calls, cpu) if callers == 1 else rate(calls, cpu)

    return measure


def _transfers(environment: Path, count: int) -> Sample:
    with running(environment) as hub:
        requests = [post_json("/Orchestrations/transfer", order) for order in orders(ACCOUNTS, count)]
        calls, cpu = asked(hub.port, requests, count, TRANSFERS_RUNNING, hub.server, hub.worker)
        expect(total(hub.port, [_add(f"account-{number}", 0) for number in range(ACCOUNTS)]), 0)
        return rate(calls, cpu)


RESTATE = Peer(
    name="restate",
    title="Restate",
    durability="the server's defaults: its log is written with fsync (rocksdb-disable-wal-fsync = false)",
    recipe=Recipe(
        pip=("restate-sdk==1.3.0", "hypercorn==0.18.0", "uvloop==0.22.1"), npm=("@restatedev/restate-server@1.7.12",)
    ),
    measures={
        workloads.CALL_ALONE.name: lambda environment, count: _calls(environment, count, 1, 1),
        workloads.CALLS.name: lambda environment, count: _calls(environment, count, CALLERS, ENTITIES),
        workloads.HELLO_ALONE.name: _hello("hello", 1),
        workloads.HELLO.name: _hello("hello", RUNNING),
        workloads.INLINE_ALONE.name: _hello("hello_inline", 1),
        workloads.INLINE.name: _hello("hello_inline", RUNNING),
        workloads.LOCAL_ALONE.name: _hello("hello_inline", 1),
        workloads.LOCAL.name: _hello("hello_inline", RUNNING),
        workloads.TRANSFERS.name: _transfers,
        workloads.SIGNALS.name: _signals,
    },
    notes={workloads.TRANSFERS.name: "without a lock across both accounts, which it does not have"},
    share={
        workloads.SIGNALS.name: 0.05,
        workloads.CALLS.name: 0.3,
        workloads.HELLO.name: 0.3,
        workloads.TRANSFERS.name: 0.5,
    },
)
