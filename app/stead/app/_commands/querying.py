"""`stead query`."""

from __future__ import annotations

from stead.app._app import App
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, print_note, table
from stead.app._console.words import json_data, shorten
from stead.app._hub.client import Client
from stead.entities.aggregates import summarized
from stead.entities.extending import query_in_words


def query_command(request: Request, entity: str, where: str, order: str | None, limit: int, *, count: bool) -> int:
    """Show what matches, in its order; or only how many."""

    async def work(app: App, client: Client) -> int:
        asked = query_in_words(client.query(entity), where, order)
        if count:
            counted = await asked.count()
            if request.as_json:
                print_json_line({"count": counted})
            else:
                print_note(f"{counted:,} match")
            return 0
        rows = table("key", "state")
        shown = 0
        async for entity_id, stored in asked.limit(limit):
            state = summarized(stored)
            shown += 1
            if request.as_json:
                print_json_line({"entity": entity_id.name, "key": entity_id.key, "state": json_data(state)})
            else:
                rows.add_row(entity_id.key or '""', shorten(state))
        if not request.as_json:
            if shown:
                console().print(rows)
            total = await asked.count() if shown == limit else shown
            print_note(f"{shown:,} of {total:,} that match" if total > shown else f"{shown:,} match")
        return 0

    return request.run(work)
