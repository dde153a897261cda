"""Durable Objects: entities in JavaScript, in the open runtime of the platform that made them known (workerd, from npm)."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.calls import WARM_UP_CALLS
from benchmarks.measures import Sample
from benchmarks.raw import WrongResult

from . import workloads
from .environments import Recipe, node_program
from .over_http import asked, latency, post_json, rate, total
from .peer import Peer
from .services import Service, free_port, scratch, service
from .workloads import CALLERS, ENTITIES

PROGRAM = Path(__file__).parent / "programs" / "durable_objects.mjs"

CONFIG = """
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "disk", disk = (path = "{disk}", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [(name = "durable_objects.mjs", esModule = embed "durable_objects.mjs")],
  compatibilityDate = "2026-04-01",
  durableObjectNamespaces = [(className = "Counter", uniqueKey = "counters", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "COUNTERS", durableObjectNamespace = "Counter")],
);
"""


@contextmanager
def running(environment: Path) -> Generator[tuple[int, Service]]:
    """The runtime, with its objects on the disk; its port comes first."""
    port = free_port()
    with scratch() as folder:
        disk = folder / "disk"
        disk.mkdir()
        shutil.copy(PROGRAM, folder)
        (folder / "config.capnp").write_text(CONFIG.format(disk=disk, port=port))
        binary = node_program(environment, "workerd")
        with service([binary, "serve", "config.capnp"], folder, "workerd") as runtime:
            runtime.wait_for(port)
            yield port, runtime


def _calls(environment: Path, count: int, callers: int, keys: int) -> Sample:
    with running(environment) as (port, runtime):
        requests = [post_json(f"/{key}", 1) for key in range(keys)]
        reads = [post_json(f"/{key}", 0) for key in range(keys)]
        total(
            port, reads
        )  # the first call to an object makes its database, which takes 20 ms and would hide all others
        calls, cpu = asked(port, requests, count, callers, runtime)
        found = total(port, reads)
        if found != count + WARM_UP_CALLS:
            raise WrongResult(f"Durable Objects: the counters add up to {found}, not {count + WARM_UP_CALLS}")
        return latency(calls, cpu) if callers == 1 else rate(calls, cpu)


NO_ORCHESTRATIONS = "the runtime has no orchestrations"

DURABLE_OBJECTS = Peer(
    name="durable-objects",
    title="Durable Objects (workerd)",
    durability="SQLite storage on the local disk, one database an object; no answer leaves before an fsync",
    recipe=Recipe(npm=("workerd@1.20261117.1",)),
    measures={
        workloads.CALL_ALONE.name: lambda environment, count: _calls(environment, count, 1, 1),
        workloads.CALLS.name: lambda environment, count: _calls(environment, count, CALLERS, ENTITIES),
    },
    notes={
        **dict.fromkeys(
            (
                row.name
                for row in (
                    *(workloads.HELLO_ALONE, workloads.HELLO, workloads.INLINE_ALONE, workloads.INLINE),
                    *(workloads.LOCAL_ALONE, workloads.LOCAL),
                )
            ),
            NO_ORCHESTRATIONS,
        ),
        workloads.TRANSFERS.name: "nothing spans two objects",
        workloads.SIGNALS.name: "there are calls only",
    },
    share={workloads.CALLS.name: 0.3},
)
