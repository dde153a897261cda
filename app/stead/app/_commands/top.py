"""`stead top`: a hub, live, on one screen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stead.app._app import App
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, table
from stead.app._console.words import json_data, number_of, time_taken
from stead.app._hub.client import Client
from stead.app._hub.info import HubInfo, gather_info
from stead.entities.extending import HubMeasures, Measured, MeasuresReader, Meter
from stead.gateway import metrics_data, worker_now
from stead.orchestrations import RuntimeStatus
from stead.transport import parse_url

if TYPE_CHECKING:
    from rich.console import RenderableType

EVERY_S = 2.0
COUNTED_MAX = 100_000
"""Instances whose statuses are counted: to count them looks at them all."""
_REST = 20  # times as long as a count took is rested before the next
_LONGEST_MAX = 3
_UNDERWAY = (RuntimeStatus.RUNNING, RuntimeStatus.PENDING, RuntimeStatus.SUSPENDED)
_LONG_S = 1.0  # what has run for so long is shown by itself
SORTS = {"r": "rate", "t": "time", "f": "failed", "n": "name"}
_HELP = "q quit   sort: r rate, t time, f failed, n name"
_MINUTES = 2  # of which percentiles are: the one that has begun, which may be a second old, and the one before


@dataclass(frozen=True, slots=True)
class Screenful:
    """The hub at one moment."""

    measures: HubMeasures
    info: HubInfo
    statuses: Mapping[RuntimeStatus, int] | None = None
    """How many instances are in each status; None if there are too many to count them again and again."""


class _Statuses:
    """Counts instances by their statuses now and then: to look at them all costs the store more than what a look takes else."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._found: Mapping[RuntimeStatus, int] | None = None
        self._until = 0.0  # by the monotonic clock: so long the last count is shown

    async def get(self, total: int) -> Mapping[RuntimeStatus, int] | None:
        """Those of so many, counted less than some seconds ago, or than some times as long as it took."""
        if total > COUNTED_MAX:
            return None
        clock = self._client.store.clock
        began = clock.monotonic()
        if self._found is None or began >= self._until:
            self._found = await self._client.count_statuses()
            took = clock.monotonic() - began
            self._until = clock.monotonic() + max(EVERY_S, _REST * took)
        return self._found


@dataclass(frozen=True, slots=True)
class WorkRow:
    """A kind of work with what came of it between two looks."""

    what: str
    rate: float
    failed: float
    p50: float | None
    p99: float | None


def top_command(request: Request, *, once: bool, sort: str) -> int:
    async def work(app: App, client: Client) -> int:
        reader = MeasuresReader(client.store)
        url = parse_url(request.url).public
        statuses = _Statuses(client)

        async def look() -> Screenful:
            measures, info = await reader.read(_MINUTES), await gather_info(client.store, url)
            return Screenful(measures, info, await statuses.get(info.total.instances))

        if request.as_json:
            found = await look()
            print_json_line(json_data(metrics_data(found.measures, found.info.workers, found.info.partitions)))
        elif once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            screen = console()
            found = await look()
            for part in render(found, None, sort, screen.width, 1_000):
                screen.print(part)
        else:
            await _live(look, sort)
        return 0

    return request.run(work)


async def _live(look: Callable[[], Any], sort: str) -> None:
    from rich.console import Group
    from rich.live import Live

    screen = console()
    keys: asyncio.Queue[str] = asyncio.Queue()
    before: Screenful | None = None
    found: Screenful = await look()
    with _keyboard(keys), Live(console=screen, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Group(*render(found, before, sort, screen.width, screen.height)), refresh=True)
            try:
                async with asyncio.timeout(EVERY_S):
                    key = await keys.get()
            except TimeoutError:
                before, found = found, await look()
                continue
            if key in ("q", "\x03", "\x1b"):
                return
            sort = SORTS.get(key, sort)


@contextmanager
def _keyboard(keys: asyncio.Queue[str]) -> Generator[None]:
    """Single keys, without return, for as long as the block takes."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        for key in os.read(descriptor, 64).decode("utf-8", "ignore"):
            keys.put_nowait(key)

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def render(look: Screenful, before: Screenful | None, sort: str, width: int, height: int) -> list[RenderableType]:
    """The screen, so wide and so high. Rates are those since the look before; without one, of the last two minutes."""
    from rich.text import Text

    info, total = look.info, look.info.total
    head = (
        f"{info.layout.name}  {number_of(len(info.workers), 'worker')}  {number_of(total.entities, 'entity', 'entities')}  "
        f"{number_of(total.instances, 'instance')}{_running(look)}  {number_of(total.timers, 'timer')}"
    )
    oldest = [p.oldest_ms for p in info.partitions if p.oldest_ms is not None]
    age = f", the oldest for {time_taken(max(0.0, (info.now_ms - min(oldest)) / 1000))}" if oldest else ""
    waiting = f"waiting {total.backlog:,}{age}; parked {total.parked:,}; activities open {total.tasks:,}"
    dead = f"; dead letters {total.dead_letters:,}" if total.dead_letters else ""
    parts: list[RenderableType] = [
        Text(head[:width], style="bold"),
        Text((waiting + dead)[:width], style="yellow" if total.dead_letters else ""),
        Text(_lateness(look)[:width]),
        Text(_strip(info, width)),
    ]
    longest = _longest(info)
    room = max(3, (height - 12 - (len(longest) + 2 if longest else 0)) // 2)
    parts += [
        _operations(look, before, sort, room),
        _workers(info, max(2, room // 2)),
        _hottest(look, max(2, room // 2)),
    ]
    if longest:
        parts.append(_runs(longest, width))
    if height < 1_000:
        parts.append(Text(f"{_HELP}   (now: {sort})"[:width], style="dim"))
    return parts


def _lateness(look: Screenful) -> str:
    recent = look.measures.recent.meters
    said: list[str] = []
    for family, name in (
        ("timer_lateness", "timers late by"),
        ("commit", "commits within"),
        ("loop_lag", "loops late by"),
    ):
        p99 = recent[Measured(family)].quantile(0.99) if Measured(family) in recent else None
        said.append(f"{name} {'-' if p99 is None else time_taken(p99)}")
    return "p99: " + "  ".join(said)  # within the width of 80 columns


def _strip(info: HubInfo, width: int) -> str:
    """Each partition is a character: how many digits the number of its waiting messages has, "." if nothing waits; "x" stands still, "?"
    has no owner."""
    marks: list[str] = []
    for place in info.partitions:
        if place.lease.partition in info.quarantine:
            marks.append("x")
        elif not info.owner_of(place):
            marks.append("?")
        else:
            marks.append(str(min(9, len(str(place.backlog)))) if place.backlog else ".")
    line = "".join(marks)
    room = width - len("partitions []")
    return f"partitions [{line if len(line) <= room else line[: room - 1] + '…'}]"


def rows_of(look: Screenful, before: Screenful | None) -> list[WorkRow]:
    """What ran, with its rates since the look before; without one, over the minutes that were read."""
    meters = look.measures.recent.meters
    if before is None:
        grown: Mapping[Measured, Meter] = meters
        minutes = look.measures.minutes
        began_ms = max(minutes[0][0] if minutes else look.measures.now_ms, look.measures.total.since_ms)
    else:
        earlier = before.measures.total.meters
        grown = {key: meter.since(earlier.get(key)) for key, meter in look.measures.total.meters.items()}
        began_ms = before.measures.now_ms
    seconds = max(0.001 if before is not None else 1.0, (look.measures.now_ms - began_ms) / 1000)
    rows: list[WorkRow] = []
    for key in look.measures.total.meters:
        if key.family in ("operation", "activity", "turn"):
            new = grown.get(key, Meter())
            spread = meters.get(key, Meter())
            what = f"{key.name}.{key.detail}" if key.family == "operation" else f"{key.name} ({_WORDS[key.family]})"
            rows.append(
                WorkRow(what, new.count / seconds, new.failed / seconds, spread.quantile(0.5), spread.quantile(0.99))
            )
    return rows


_WORDS = {"activity": "activity", "turn": "orchestration"}
_ORDERS: dict[str, Callable[[WorkRow], Any]] = {
    "rate": lambda row: (-row.rate, row.what),
    "time": lambda row: (-(row.p99 or 0.0), row.what),
    "failed": lambda row: (-row.failed, -row.rate, row.what),
    "name": lambda row: row.what,
}


def _operations(look: Screenful, before: Screenful | None, sort: str, room: int) -> RenderableType:
    columns = ("per second", "failed", "p50", "p99")
    rows = table("operation", *columns, numbers=columns)
    for row in sorted(rows_of(look, before), key=_ORDERS[sort])[:room]:
        times = ("" if value is None else time_taken(value) for value in (row.p50, row.p99))
        rows.add_row(row.what, f"{row.rate:,.1f}", f"{row.failed:,.1f}" if row.failed else "", *times)
    return rows


def _workers(info: HubInfo, room: int) -> RenderableType:
    columns = ("held", "memory", "loaded", "running", "lag")
    rows = table("worker", *columns, numbers=columns)
    for view in info.workers[:room]:
        now = worker_now(view)
        partitions = now["partitions"]
        rows.add_row(
            view.worker[-28:],
            "" if partitions is None else str(partitions),
            f"{(now['memory_bytes'] or 0) / 1_048_576:,.0f} MiB",
            f"{now['activations'] or 0:,}",
            f"{(now['operations'] or 0) + (now['activities'] or 0):,}",
            time_taken(now["loop_lag_s"] or 0.0),
        )
    return rows


def _hottest(look: Screenful, room: int) -> RenderableType:
    rows = table("hottest, last two minutes", "messages", numbers=("messages",))
    for hot in look.measures.recent.hot[:room]:
        target = _target(hot.target)
        rows.add_row(_cut(target, 60), f"{hot.messages:,}")
    return rows


def _running(look: Screenful) -> str:
    """How many instances are not at their end, by their statuses."""
    said = [f"{count:,} {status.value}" for status in _UNDERWAY if (count := (look.statuses or {}).get(status, 0))]
    return f" ({', '.join(said)})" if said else ""


def _longest(info: HubInfo) -> list[dict[str, Any]]:
    """What has run for longest, of those that have run for long."""
    found = [one for view in info.workers for one in worker_now(view)["longest"] if one["seconds"] >= _LONG_S]
    return sorted(found, key=lambda one: -one["seconds"])[:_LONGEST_MAX]


def _runs(longest: Sequence[Mapping[str, Any]], width: int) -> RenderableType:
    rows = table("runs for long", "of", "for", numbers=("for",))
    for one in longest:
        rows.add_row(_cut(one["operation"], width // 3), _cut(one["target"], width // 3), time_taken(one["seconds"]))
    return rows


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _target(target: str) -> str:
    """Stead's own kinds are in brackets, as their operations are."""
    kind, _, key = target[2:].partition("@")
    return f"({kind})@{key}" if target.startswith("@!") else target
