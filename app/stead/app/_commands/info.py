"""`stead info`: the hub on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, cast

from stead.app._app import App
from stead.app._console.faults import one_line
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, table
from stead.app._console.words import number_of
from stead.app._hub.client import Client
from stead.app._hub.info import HubInfo, Share, gather_info
from stead.entities.extending import is_drained
from stead.transport import WorkerView, parse_url

if TYPE_CHECKING:
    from rich.console import Console

_BLOCKED_MAX = 20  # blocked entities to show
_PARKS_MAX = 10
_LIMITS_MAX = 20
_NAME_LENGTH_MIN = 9  # the random part of a name, which no other has


def info_command(request: Request, *, every_partition: bool) -> int:
    async def work(app: App, client: Client) -> int:
        url = parse_url(request.url).public
        found = await gather_info(client.store, url)
        if request.as_json:
            print_json_line({"url": url, **found.as_data()})
            return 0
        print_info(console(), found, url, request.app, every_partition=every_partition)
        return 0

    return request.run(work)


def print_info(screen: Console, found: HubInfo, url: str, app: str, *, every_partition: bool) -> None:
    """Everything for people: what is there first, what is wrong with it last."""
    _print_head(screen, found, url)
    _print_workers(screen, found)
    _print_kinds(screen, found)
    _print_shares(screen, found)
    if every_partition:
        _print_partitions(screen, found)
    _print_troubles(screen, found, app)


def _print_head(screen: Console, found: HubInfo, url: str) -> None:
    from rich.table import Table
    from rich.text import Text

    layout, facts = found.layout, found.facts
    made = datetime.fromtimestamp(layout.created_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    head = Table(box=None, show_header=False, pad_edge=False)
    head.add_column(style="bold")
    head.add_column(overflow="fold")
    head.add_row(
        "hub", f"{layout.name}, {layout.partitions} partitions in {layout.slot_groups} slot groups, made {made}"
    )
    memory = f", {facts.used_memory_bytes / 1_048_576:,.1f} MiB in use" if facts.used_memory_bytes else ""
    cluster = ", cluster" if facts.cluster else ""
    replicas = f", {number_of(facts.replicas, 'replica')}" if facts.replicas else ""
    head.add_row("server", f"version {facts.version} at {url}{cluster}{replicas}{memory}")
    head.add_row("promise", Text(found.promise, style="green" if facts.durable == "always" else "yellow"))
    screen.print(head)


def _print_workers(screen: Console, found: HubInfo) -> None:
    numbers = ("process", "partitions", "last beat")
    queues = {worker.worker: _queues(worker) for worker in found.workers}
    serving = ("queues",) if any(queues.values()) else ()
    rows = table("worker", *numbers, *serving, numbers=numbers, title="\nWorkers")
    longest = max((len(worker.worker) for worker in found.workers), default=0)
    rows.columns[0].no_wrap = longest <= screen.width * 2 // 3  # it is copied into commands and searches
    for worker in found.workers:
        rows.add_row(
            worker.worker,
            str(worker.info.get("pid", "")),
            f"{worker.info.get('partitions', '')}{', drained' if is_drained(worker.info) else ''}",
            f"{max(found.now_ms - worker.beat_ms, 0) / 1000:.1f} s ago",
            *([queues[worker.worker]] if serving else []),
        )
    if found.workers:
        screen.print(rows)


def _queues(worker: WorkerView) -> str:
    """The queues from which a worker takes activities; "" for the default one alone, or none."""
    queues = _texts(worker.info.get("queues"))
    return ", ".join(sorted(queue or "(default)" for queue in queues)) if any(queues) else ""


def _texts(value: object) -> list[str]:
    """What others have published, to be shown: whatever shape another version gives it."""
    return [str(text or "") for text in cast("list[object]", value)] if isinstance(value, list) else []


def _print_kinds(screen: Console, found: HubInfo) -> None:
    entities = found.published("")
    rows = table("entity", "form", "operations", title="\nEntities that workers have published")
    for canonical, kind in entities.items():
        operations = ", ".join(_texts(kind.get("operations"))) or "(any)"
        shards = found.shards.get(canonical)
        form = str(kind.get("form", "")) + (f", {number_of(shards, 'shard')}" if shards else "")
        rows.add_row(str(kind.get("name", canonical)), form, operations)
    if entities:
        screen.print(rows)
    rows = table("entity", "field", "type", "index", title="\nIndexes")
    for index in found.indexes:
        built = (
            "ready" if index.ready == index.partitions else f"ready in {index.ready} of {index.partitions} partitions"
        )
        rows.add_row(str(entities.get(index.entity, {}).get("name", index.entity)), index.field, index.type, built)
    if found.indexes:
        screen.print(rows)
    numbers = ("readers", "partitions", "commits behind", "lost")
    rows = table("entity", "group", *numbers, numbers=numbers, title="\nGroups that read changes")
    for group in found.changes_groups:
        name = str(entities.get(group.entity, {}).get("name", group.entity))
        counts = (group.readers, group.partitions, group.behind, group.lost)
        rows.add_row(name, group.group, *(f"{count:,}" for count in counts))
    if found.changes_groups:
        screen.print(rows)
    orchestrations = found.published("orchestration")
    rows = table("orchestration", "versions", title="\nOrchestrations")
    for canonical, kind in orchestrations.items():
        versions = ", ".join(version or "(none)" for version in _texts(kind.get("versions")))
        rows.add_row(str(kind.get("name", canonical)), versions)
    if orchestrations:
        screen.print(rows)


def _print_shares(screen: Console, found: HubInfo) -> None:
    names = ("held", "waiting", "parked", "timers", "entities", "instances", "tasks", "dead")
    rows = table("owner", *names, numbers=names, title="\nPartitions")
    room = _room_for_names(screen, names, [_numbers(share) for share in (*found.shares, found.total)])
    for share in found.shares:
        rows.add_row(shortened(share.owner or "(nobody)", room), *_numbers(share))
    if len(found.shares) > 1:
        rows.add_section()
        rows.add_row("total", *_numbers(found.total))
    screen.print(rows)


def _room_for_names(screen: Console, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How long a name may be so that it stays on one line, beside columns of numbers."""
    widths = [max(map(len, column)) + 2 for column in zip(titles, *rows, strict=True)]
    return max(_NAME_LENGTH_MIN, screen.width - sum(widths) - 2)


def shortened(name: str, length: int) -> str:
    """A worker's name, cut at its beginning: the end tells workers apart. The workers' own list has it whole."""
    return name if len(name) <= length else f"…{name[1 - length :]}"


def _numbers(share: Share) -> list[str]:
    counts = (
        share.partitions,
        share.backlog,
        share.parked,
        share.timers,
        share.entities,
        share.instances,
        share.tasks,
        share.dead_letters,
    )
    return [f"{count:,}" for count in counts]


def _print_partitions(screen: Console, found: HubInfo) -> None:
    names = ("#", "epoch", "waiting", "parked", "timers", "entities", "instances", "tasks", "dead")
    rows = table("#", "owner", *names[1:], numbers=names)
    quarantine = found.quarantine
    most = f"{max((partition.lease.epoch for partition in found.partitions), default=0):,}"
    room = _room_for_names(screen, names, [["1000", most, *_numbers(found.total)[1:]]])
    for partition in found.partitions:
        rows.add_row(
            str(partition.lease.partition),
            shortened(
                "(quarantined)" if partition.lease.partition in quarantine else found.owner_of(partition) or "(nobody)",
                room,
            ),
            *(
                f"{number:,}"
                for number in (
                    partition.lease.epoch,
                    partition.backlog,
                    partition.parked,
                    partition.timers,
                    partition.entities,
                    partition.instances,
                    partition.tasks,
                    partition.dead,
                )
            ),
        )
    screen.print(rows)


def _print_troubles(screen: Console, found: HubInfo, app: str) -> None:
    """What somebody should look at, each with what to do."""
    blocked = found.blocked
    if blocked:
        rows = table("blocked", "why its messages wait", title="\nBlocked")
        for target, why in list(blocked.items())[:_BLOCKED_MAX]:
            rows.add_row(target, one_line(why))
        screen.print(rows)
        if len(blocked) > _BLOCKED_MAX:
            screen.print(f"and {len(blocked) - _BLOCKED_MAX:,} more; --json shows all", style="yellow")
    if parks := found.parks:
        rows = table("entity or instance", "parked", numbers=("parked",), title="\nMost parked messages")
        for target, count in islice(parks.items(), _PARKS_MAX):
            rows.add_row(target, f"{count:,}")
        screen.print(rows)
    _print_limits(screen, found)
    for partition, why in sorted(found.quarantine.items()):
        screen.print(f"partition {partition} is quarantined: {one_line(why)}", style="red", markup=False)
    for rows_of, count in sorted(found.left_out.items()):
        screen.print(f"{count:,} of the {rows_of} cannot be read and are left out; the log names them", style="red")
    total = found.total
    if not found.workers:
        waiting = f"; {number_of(total.backlog, 'message waits', 'messages wait')}" if total.backlog else ""
        screen.print(f"no worker is running{waiting}; start one: stead worker {app}", style="yellow")
    if found.unserved:
        names = ", ".join(found.unserved)
        screen.print(f"messages wait for what no running worker knows: {names}", style="yellow")
    queues = found.unserved_queues
    if found.workers and queues and total.tasks:
        names = ", ".join(queue or '"" (the default one)' for queue in queues)
        screen.print(
            f"no running worker takes activities from the queue {names}; start one with --queues", style="yellow"
        )
    if total.dead_letters:
        screen.print(
            f"{number_of(total.dead_letters, 'dead letter')}; see them: stead dead-letters {app}", style="yellow"
        )
    if found.trimmed:
        trimmed = number_of(found.trimmed, "older dead letter was", "older dead letters were")
        screen.print(f"{trimmed} dropped (STEAD_DEAD_LETTERS_MAX)", style="red")


def _print_limits(screen: Console, found: HubInfo) -> None:
    """Behind which limits activities wait, and for what."""
    waiting = [limit for limit in found.limits if limit.waiting]
    names = ("running", "waiting")
    rows = table("activity", "key", *names, "for", numbers=names, title="\nActivities that wait behind a limit")
    for limit in waiting[:_LIMITS_MAX]:
        due_s = None if limit.due_ms is None else max(limit.due_ms - found.now_ms, 0) / 1000
        what = "one that runs" if due_s is None else f"its rate, {due_s:.1f} s"
        key = "" if limit.key is None else limit.key
        rows.add_row(limit.activity, key, f"{limit.running:,}", f"{limit.waiting:,}", what)
    if waiting:
        screen.print(rows)
    if len(waiting) > _LIMITS_MAX:
        screen.print(f"and {len(waiting) - _LIMITS_MAX:,} more; --json shows more", style="yellow")
