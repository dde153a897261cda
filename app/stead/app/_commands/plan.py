"""`stead plan`: how much memory a hub will take, from what was measured of this version on Valkey 9 (`tests/app/commands/test_plan.py`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stead.app._console.faults import CommandFault
from stead.app._console.screen import console, print_json_line, print_note, table

# Bytes in the server. What is small enough lies in its entry; what is larger is an allocation of its own.
SMALL_STATE = 56
SMALL_ENTITY, ENTITY, KEY_BYTE, STATE_BYTE = 120, 170, 2.1, 1.02
INSTANCE, ACTIVITY, PAYLOADS_AN_ACTIVITY = 420, 45, 2
TIMER = 210
MESSAGE = 110
INDEX, INDEX_TEXT = 76, 92

# Bytes in a worker process.
WORKER, ACTIVATED = 75_000_000, 720

HEADROOM = 1.5  # a rewriting of the append-only file, buffers of clients, pages that were freed in between
FILE = 2.5  # the append-only file, before it is rewritten at twice its size

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_NUMBER = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:e\d{1,2})?)\s*([kmg]?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """What a hub is to hold. Bytes are those of packed values: a little less than their JSON."""

    entities: int = 0
    state_bytes: int = 60
    key_bytes: int = 12
    indexes: int = 0
    instances: int = 0
    activities: int = 5
    payload_bytes: int = 40
    timers: int = 0
    waiting: int = 0
    message_bytes: int = 60
    workers: int = 2
    active: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """So many things of so many bytes."""

    what: str
    count: int
    each: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.count * self.each


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load takes."""

    server: list[Row]
    worker: list[Row]

    @property
    def server_bytes(self) -> int:
        """Of the data."""
        return sum(row.total for row in self.server)

    @property
    def maxmemory_bytes(self) -> int:
        """What the server is to be given."""
        return round(self.server_bytes * HEADROOM)

    @property
    def file_bytes(self) -> int:
        """Of the append-only file, at the most."""
        return round(self.server_bytes * FILE)

    @property
    def worker_bytes(self) -> int:
        """Of each worker process."""
        return sum(row.total for row in self.worker)


def plan(load: Load) -> Plan:
    """What a load takes, in the server and in each worker process."""
    keys = load.key_bytes * KEY_BYTE
    if load.state_bytes <= SMALL_STATE:
        entity = SMALL_ENTITY + keys + load.state_bytes
    else:
        entity = ENTITY + keys + load.state_bytes * STATE_BYTE
    instance = INSTANCE + load.activities * (ACTIVITY + PAYLOADS_AN_ACTIVITY * load.payload_bytes)
    server = [
        Row("entities", load.entities, round(entity)),
        Row("entries of indexes", load.entities * load.indexes, INDEX),
        Row("instances, finished ones included", load.instances, round(instance)),
        Row("timers and scheduled signals", load.timers, TIMER + load.message_bytes),
        Row("messages that wait", load.waiting, MESSAGE + load.message_bytes),
    ]
    used = load.entities if load.active is None else min(load.active, load.entities)
    share = -(-used // load.workers)
    worker = [Row("the process", 1, WORKER), Row("entities in use", share, ACTIVATED + 2 * load.state_bytes)]
    return Plan([row for row in server if row.count], [row for row in worker if row.count])


def parse_number(text: str, option: str) -> int:
    """A whole number as people write one: 1e6, 250k, 1_000_000. Raises `CommandFault`."""
    found = _NUMBER.fullmatch(text.strip())
    value = -1.0 if found is None else float(found[1].replace("_", "")) * _UNITS[found[2].lower()]
    if not 0 <= value <= 1e15 or value != int(value):
        raise CommandFault(f"{option}: {text!r} is not a whole number such as 1e6, 250k or 1000000", usage=True)
    return int(value)


def run_plan(options: Iterable[tuple[str, str | None]], *, as_json: bool) -> int:
    """Show it; gives the exit status. `options`: by their names as they are typed, those that were given."""
    given = {name: parse_number(text, f"--{name}") for name, text in options if text is not None}
    if given.get("workers") == 0:
        raise CommandFault("--workers: one is the least", usage=True)
    load = Load(**{name.replace("-", "_"): value for name, value in given.items()})
    if not (load.entities or load.instances or load.timers or load.waiting):
        raise CommandFault(
            "say what the hub is to hold: --entities 1e6 --state-bytes 200, --instances 1e5, …", usage=True
        )
    found = plan(load)
    if as_json:
        print_json_line(
            {
                "server_bytes": found.server_bytes,
                "maxmemory_bytes": found.maxmemory_bytes,
                "append_only_file_bytes": found.file_bytes,
                "worker_bytes": found.worker_bytes,
                "workers": load.workers,
                "server": [_row(row) for row in found.server],
                "worker": [_row(row) for row in found.worker],
            }
        )
        return 0
    for title, rows, total in (
        ("In the server", found.server, found.server_bytes),
        (f"In each of {load.workers} worker processes", found.worker, found.worker_bytes),
    ):
        shown = table(
            "", "how many", "bytes each", "together", numbers=("how many", "bytes each", "together"), title=title
        )
        for row in rows:
            shown.add_row(row.what, f"{row.count:,}", f"{row.each:,}", amount(row.total))
        shown.add_row("together", "", "", amount(total))
        console().print(shown)
        console().print()
    console().print(
        f"maxmemory {amount(found.maxmemory_bytes)}, and up to {amount(found.file_bytes)} on disk for the append-only file"
    )
    print_note("measured on Valkey 9, within a quarter; `stead info` shows what a hub takes")
    return 0


def amount(size: int) -> str:
    """Bytes as people read them."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1_000:
            return f"{value:.3g} {unit}" if unit != "B" else f"{size} B"
        value /= 1_000
    return f"{value:,.3g} TB"


def _row(row: Row) -> dict[str, object]:
    return {"what": row.what, "count": row.count, "bytes_each": row.each, "bytes": row.total}
