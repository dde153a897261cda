"""`stead query`: what matches, how many they are, or a signal to each."""

from __future__ import annotations

from collections.abc import Sequence

from stead.app._app import App
from stead.app._console.progress import progress_bar
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, print_note, table
from stead.app._console.words import json_data, number_of, parse_keywords, shorten
from stead.app._hub.client import Client
from stead.entities import EntityId
from stead.entities.aggregates import summarized
from stead.entities.extending import query_in_words

from .entities import read_arguments


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


def query_signal_command(
    request: Request,
    entity: str,
    where: str,
    operation: str,
    words: Sequence[str],
    pairs: Sequence[str],
    once: str | None,
) -> int:
    """Send an operation to all that match."""

    async def work(app: App, client: Client) -> int:
        args, kwargs = read_arguments(app, EntityId(entity, ""), operation, words, parse_keywords(pairs))
        with progress_bar("signals sent", None) as progress:
            asked = query_in_words(client.query(entity), where, None).with_options(progress=progress)
            if once is None:
                count = await asked.signal(operation, *args, **kwargs)
            else:
                count = await asked.signal_once(once, operation, *args, **kwargs)
        if request.as_json:
            print_json_line({"operation": operation, "accepted": count})
        else:
            print_note(f"accepted: {operation} for {number_of(count, 'entity', 'entities')}")
        return 0

    return request.run(work)
