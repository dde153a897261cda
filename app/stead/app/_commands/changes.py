"""`stead changes`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator
from typing import Any, cast

from stead.app._app import App
from stead.app._console.faults import CommandFault
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line
from stead.app._console.words import shorten
from stead.app._hub.client import Client
from stead.entities import Change
from stead.entities.aggregates import summarized

from .views import local_time


def changes_command(
    request: Request, entity: str, after: str | None, limit: int | None, group: str | None, start: str | None
) -> int:
    async def work(_: App, client: Client) -> int:
        screen, count = console(), 0
        changes = cast("AsyncGenerator[Change[Any]]", client.changes(entity, after=after, group=group, start=start))
        async with contextlib.aclosing(changes):
            async for change in changes:
                state = summarized(change.state)
                if request.as_json:
                    line = {
                        "entity_id": str(change.entity_id),
                        "name": change.entity_id.name,
                        "key": change.entity_id.key,
                    }
                    print_json_line(line | {"state": state, "time": change.time.isoformat(), "cursor": change.cursor})
                else:
                    what = "deleted" if change.state is None else shorten(state)
                    screen.out(f"{local_time(change.time)}  {change.entity_id.key}  {what}", highlight=False)
                sys.stdout.flush()
                if group is not None:
                    await change.done()
                count += 1
                if count == limit:
                    break
        return 0

    return request.run(work)


def forget_command(request: Request, entity: str, group: str) -> int:
    async def work(_: App, client: Client) -> int:
        if not await client.delete_changes_group(entity, group):
            raise CommandFault(f"there is no group {group!r} that reads changes of {entity}")
        if request.as_json:
            print_json_line({"forgotten": group})
        else:
            console().out(f"the position of {group} is forgotten", highlight=False)
        return 0

    return request.run(work)
