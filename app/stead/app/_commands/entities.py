"""`stead signal`, `call`, `state` and `entities`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from stead.app._app import App
from stead.app._console.faults import CommandFault
from stead.app._console.request import Request
from stead.app._console.screen import console, next_command, print_json_line, print_note, table
from stead.app._console.words import (
    json_data,
    number_of,
    parse_argument,
    parse_duration,
    parse_keywords,
    parse_local_instant,
    shorten,
)
from stead.app._hub.client import Client
from stead.entities import EntityId, EntityStatus, InvalidInput, UnknownEntity
from stead.entities.aggregates import summarized
from stead.transport import Settings, begin_task, end_task

from .views import LOCKED, local_time

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE_S = 3.0
"""How long a call waits before it is said that nobody is there to answer it."""

_COUNT_MAX = 100_000  # entities of one kind that `stead entities` counts before it says "or more"


def signal_command(
    request: Request,
    entity: str,
    key: str,
    operation: str,
    words: Sequence[str],
    pairs: Sequence[str],
    after: str | None,
    at: str | None,
) -> int:
    async def work(app: App, client: Client) -> int:
        if after is not None and at is not None:
            raise CommandFault("--after and --at: give one of them", usage=True)
        delay = None if after is None else parse_duration(after)
        due = None if at is None else parse_local_instant(at)
        entity_id = EntityId(entity, key)
        args, kwargs = read_arguments(app, entity_id, operation, words, parse_keywords(pairs))
        if delay is not None:
            await client.after(delay).signal_entity(entity_id, operation, *args, **kwargs)
        elif due is not None:
            await client.at(due).signal_entity(entity_id, operation, *args, **kwargs)
        else:
            await client.signal_entity(entity_id, operation, *args, **kwargs)
        if request.as_json:
            print_json_line({"entity_id": str(entity_id), "operation": operation, "accepted": True})
        else:
            when = f" in {after}" if after is not None else f" at {due.isoformat()}" if due is not None else ""
            print_note(f"accepted: {operation} for {entity_id}{when}")
        return 0

    return request.run(work)


def call_command(
    request: Request,
    entity: str,
    key: str,
    operation: str,
    words: Sequence[str],
    pairs: Sequence[str],
    timeout: str | None,
) -> int:
    async def work(app: App, client: Client) -> int:
        entity_id = EntityId(entity, key)
        args, kwargs = read_arguments(app, entity_id, operation, words, parse_keywords(pairs))
        waiting = begin_task(_note_nobody_works(request, app, client), name="stead call waiting")
        try:
            result = summarized(await client.call_entity(entity_id, operation, *args, **kwargs))
        finally:
            await end_task(waiting)
        if request.as_json:
            print_json_line({"entity_id": str(entity_id), "operation": operation, "result": result})
        elif result is not None:
            print_value(console(), result)
        return 0

    def settings(app: App) -> Settings:
        if timeout is None:
            return app.settings
        timeout_ms = parse_duration(timeout, "--timeout") // timedelta(milliseconds=1)
        return app.settings.model_copy(update={"call_timeout_ms": max(1, timeout_ms)})

    return request.run(work, settings)


async def _note_nobody_works(request: Request, app: App, client: Client) -> None:
    """Who has just begun has forgotten the worker: that is said before the time is up."""
    await asyncio.sleep(PATIENCE_S)
    now_ms = client.store.clock.now_ms()
    if not any(now_ms - worker.beat_ms <= app.settings.worker_keep_ms for worker in await client.store.workers()):
        print_note(f"no worker is running: the call waits for one; `{next_command('worker', request.app)}` starts it")


def state_command(request: Request, entity: str, key: str) -> int:
    async def work(app: App, client: Client) -> int:
        entity_id = EntityId(await _name_of(app, client, entity), key)
        status = await client.describe_entity(entity_id)
        if status is None:
            raise CommandFault(
                f"{entity_id} has no state; `{next_command('entities', request.app, entity)}` lists those that have"
            )
        reminders = {name: due.isoformat() for name, due in status.reminders.items()}
        if request.as_json:
            line = _entity_line(entity_id, summarized(status.state)) | ({"locked": True} if status.locked else {})
            print_json_line(line | {"reminders": reminders} if reminders else line)
            return 0
        if status.locked:
            print_note(f"{entity_id} is locked: {LOCKED}")
        elif status.exists:
            print_value(console(), summarized(status.state))
        for name, due in status.reminders.items():
            print_note(f"reminder {name}: {local_time(due)}")
        return 0

    return request.run(work)


def list_command(request: Request, entity: str, prefix: str, limit: int) -> int:
    async def work(app: App, client: Client) -> int:
        name = await _name_of(app, client, entity)
        rows = table("key", "state")
        count, more = 0, False
        async for status in _listed(client, name, prefix):
            value = summarized(status.state)
            if count == limit:
                more = True
                break
            count += 1
            if request.as_json:
                line = _entity_line(status.entity_id, value)
                print_json_line(line | {"locked": True} if status.locked else line)
            else:
                rows.add_row(status.entity_id.key or '""', f"locked: {LOCKED}" if status.locked else shorten(value))
        if not request.as_json:
            if count:
                console().print(rows)
            print_note(_how_many(count, name, prefix, more=more))
        return 0

    return request.run(work)


async def _listed(client: Client, name: str, prefix: str) -> AsyncIterator[EntityStatus]:
    """Those that have a state, as far as it is read: page by page, so one whose state is locked is there too."""
    after = ""
    while True:
        page = await client.page_entities(name, prefix=prefix, after=after)
        for status in page.items:
            yield status
        if page.after is None:
            return
        after = page.after


def kinds_command(request: Request) -> int:
    async def work(app: App, client: Client) -> int:
        kinds = await _kinds(app, client)
        rows = table("entity", "entities", "operations", numbers=("entities",))
        for canonical in sorted(kinds):
            kind = kinds[canonical]
            count, more = await _count(client, canonical)
            if request.as_json:
                print_json_line({**kind, "entities": count, "entities_or_more": more})
            else:
                operations = ", ".join(kind.get("operations") or []) or "(any)"
                rows.add_row(str(kind.get("name", canonical)), f"{count:,}{'+' if more else ''}", operations)
        if not request.as_json:
            if kinds:
                console().print(rows)
            else:
                print_note(f"no entities are defined in {request.app}, and no worker has published any")
        return 0

    return request.run(work)


def read_arguments(
    app: App, entity_id: EntityId, operation: str, words: Sequence[str], pairs: dict[str, str]
) -> tuple[list[object], dict[str, object]]:
    """The operation's arguments. A word that is JSON is meant as JSON, unless the operation wants it as text."""
    args = [parse_argument(word) for word in words]
    kwargs = {name: parse_argument(word) for name, word in pairs.items()}
    entity_type = app.registry.get(entity_id.canonical_name)
    if entity_type is None or not entity_type.operations:
        return args, kwargs
    known = entity_type.operation(operation)
    try:
        known.bind(args, kwargs)
    except InvalidInput:
        texts: list[object] = list(words)
        named: dict[str, object] = dict(pairs)
        try:
            known.bind(texts, named)
        except InvalidInput:
            return args, kwargs  # the client will say what is wrong with them
        return texts, named
    return args, kwargs


async def _kinds(app: App, client: Client) -> dict[str, dict[str, Any]]:
    """The entities that the hub's workers have published, and those that this app defines."""
    published = await client.store.published()
    kinds = {name: kind for name, kind in published.items() if "/" not in name}  # the others are no entities
    for entity_type in app.registry.types():
        kinds.setdefault(entity_type.canonical, entity_type.describe())
    return kinds


async def _name_of(app: App, client: Client, name: str) -> str:
    """The name of a kind as it was defined; raises `UnknownEntity` if nobody knows it."""
    kinds = await _kinds(app, client)
    kind = kinds.get(EntityId(name, "").canonical_name)
    if kind is None:
        raise UnknownEntity(name, sorted(str(known.get("name", canonical)) for canonical, known in kinds.items()))
    return str(kind.get("name", name))


async def _count(client: Client, canonical: str) -> tuple[int, bool]:
    """How many entities a kind has, counted up to a limit, and whether there are more."""
    count = 0
    async for page in client.entity_pages(f"@{canonical}@", length=1_000):
        count += len(page)
        if count >= _COUNT_MAX:
            return _COUNT_MAX, True
    return count, False


def _entity_line(entity_id: EntityId, value: object) -> dict[str, object]:
    return {"entity_id": str(entity_id), "name": entity_id.name, "key": entity_id.key, "state": value}


def _how_many(count: int, entity: str, prefix: str, *, more: bool) -> str:
    number = number_of(count, f"{entity} entity", f"{entity} entities")
    what = number + (f" whose key begins with {prefix!r}" if prefix else "")
    return f"the first {what}; --limit shows more" if more else what


def print_value(screen: Console, value: object) -> None:
    """Text as it is, everything else as JSON, indented and coloured at a terminal."""
    data = json_data(value)
    if isinstance(data, str):
        screen.out(data, highlight=False)
    else:
        screen.print_json(data=data, ensure_ascii=False)
