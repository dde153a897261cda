"""`stead changes`."""

from __future__ import annotations

import sys

from stead.app._app import App
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line
from stead.app._console.words import shorten
from stead.app._hub.client import Client
from stead.entities.aggregates import summarized

from .views import local_time


def changes_command(request: Request, entity: str, after: str | None, limit: int | None) -> int:
    async def work(_: App, client: Client) -> int:
        screen, count = console(), 0
        async for change in client.changes(entity, after=after):
            state = summarized(change.state)
            if request.as_json:
                line = {"entity_id": str(change.entity_id), "name": change.entity_id.name, "key": change.entity_id.key}
                print_json_line(line | {"state": state, "time": change.time.isoformat(), "cursor": change.cursor})
            else:
                what = "deleted" if change.state is None else shorten(state)
                screen.out(f"{local_time(change.time)}  {change.entity_id.key}  {what}", highlight=False)
            sys.stdout.flush()
            count += 1
            if count == limit:
                break
        return 0

    return request.run(work)
