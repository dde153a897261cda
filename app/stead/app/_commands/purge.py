"""`stead purge`: delete finished instances, one or all that match."""

from __future__ import annotations

import asyncio
import sys

from stead.app._app import App
from stead.app._console.faults import CommandFault
from stead.app._console.request import Request
from stead.app._console.screen import print_json_line, print_note
from stead.app._hub.client import Client
from stead.orchestrations.histories import finished_statuses

from .views import Selection, wrong_usage


def purge_command(request: Request, instance_id: str, selection: Selection, *, recursive: bool) -> int:
    async def work(_: App, client: Client) -> int:
        if not selection.is_empty:
            raise CommandFault("give an INSTANCE, or say which ones (--status, --from, …), not both", usage=True)
        if not await client.purge(instance_id, recursive=recursive):
            raise CommandFault(
                f"there is no instance {instance_id}; `stead instances {request.app}` lists those that there are"
            )
        _report(request, 1)
        return 0

    return request.run(work)


def purge_many_command(request: Request, selection: Selection, *, recursive: bool, yes: bool) -> int:
    async def work(_: App, client: Client) -> int:
        options = selection.options()
        with wrong_usage():
            options["statuses"] = finished_statuses(options["statuses"])
            count = sum([1 async for _ in client.list_instances(**options)])
        if count and not yes:
            await _ask(count)
        deleted = await _purge(client, options, count, recursive=recursive, quiet=request.as_json) if count else 0
        _report(request, deleted)
        return 0

    return request.run(work)


async def _ask(count: int) -> None:
    which = f"{count:,} finished instance{'' if count == 1 else 's'}"
    if not sys.stdin.isatty():
        raise CommandFault(f"this deletes {which} for ever; say --yes if you mean it", usage=True)
    sys.stderr.write(f"delete {which} for ever? [y/N] ")
    sys.stderr.flush()
    answer = await asyncio.to_thread(sys.stdin.readline)
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandFault("nothing was deleted")


async def _purge(client: Client, options: dict[str, object], count: int, *, recursive: bool, quiet: bool) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("purging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=quiet or not screen.is_terminal) as progress:
        bar = progress.add_task("purging", total=count)
        return await client.purge_instances(
            **options,  # type: ignore[arg-type]
            recursive=recursive,
            progress=lambda deleted: progress.update(bar, completed=deleted),
        )


def _report(request: Request, count: int) -> None:
    if request.as_json:
        print_json_line({"purged": count})
    else:
        print_note(f"{count:,} purged")
