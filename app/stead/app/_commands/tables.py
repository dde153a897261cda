"""`stead sql` and `export`."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

from stead.app._app import App
from stead.app._console.progress import progress_bar
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, print_note, table
from stead.app._console.words import json_data, number_of
from stead.app._hub.client import Client
from stead.app._tables.libraries import arrow


def sql_command(request: Request, query: str, limit: int) -> int:
    async def work(_: App, client: Client) -> int:
        with progress_bar("entities read", await _entities(client)) as progress:
            answer = await client.sql(query, progress=progress)
        names: list[str] = answer.schema.names
        if request.as_json:
            for batch in answer.to_batches():
                for row in batch.to_pylist():
                    print_json_line(_shown(row))
            return 0
        rows = table(*names, numbers=tuple(_numbers(answer)))
        for row in zip(
            *(column.to_pylist() for column in answer.slice(0, min(limit, answer.num_rows)).columns), strict=True
        ):
            rows.add_row(*map(_cell, row))
        console().print(rows)
        count: int = answer.num_rows
        cut = f"; the first {limit:,} are shown, --limit shows more" if count > limit else ""
        print_note(f"{number_of(count, 'row')}{cut}")
        return 0

    return request.run(work)


def export_command(request: Request, entity: str, path: str) -> int:
    async def work(_: App, client: Client) -> int:
        with progress_bar("entities read", await _entities(client)) as progress:
            count = await client.export(entity, path, progress=progress)
        if request.as_json:
            print_json_line({"file": path, "entities": count})
        else:
            print_note(f"{number_of(count, 'entity', 'entities')} in {path}")
        return 0

    return request.run(work)


async def _entities(client: Client) -> int:
    """How many entities the hub has: at most so many are of one kind."""
    if not sys.stderr.isatty():
        return 0  # nobody sees it
    return sum(partition.entities for partition in await client.store.info())


def _numbers(answer: Any) -> list[str]:
    """The columns of numbers."""
    types = arrow().types
    return [
        field.name
        for field in answer.schema
        if types.is_integer(field.type) or types.is_floating(field.type) or types.is_decimal(field.type)
    ]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """An integer of SQL's sums is a decimal in Arrow."""
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _cell(value: Any) -> str:
    data = json_data(_plain(value))
    return "" if data is None else data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
