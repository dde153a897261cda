"""`stead dead-letters`: messages that could not be carried out. An ID is `PARTITION/STREAM-ID`, as `list` shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from stead.app._app import App
from stead.app._console.faults import CommandFault, one_line, safe_lines
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, print_note, table
from stead.app._console.words import number_of, shorten
from stead.app._hub.client import Client
from stead.entities import DeadLetters, DeadMessage, EntityId
from stead.entities.extending import logical_target, shown_target, split_target

Action = Literal["list", "show", "resend", "drop"]


def letters_command(request: Request, action: Action, ids: Sequence[str], *, every: bool, limit: int) -> int:
    async def work(app: App, client: Client) -> int:
        letters = DeadLetters(client.store)
        if action == "list":
            return await _list(letters, request, limit)
        if action == "show":
            async for message in _named(letters, ids):
                _show(message, request)
            return 0
        return await _act(letters, request, action, letters.all() if every else _named(letters, ids))

    def run() -> int:
        _check_usage(action, ids, every=every)
        return request.run(work)

    return request.guard(run)


def _check_usage(action: Action, ids: Sequence[str], *, every: bool) -> None:
    if action == "list" and (ids or every):
        raise CommandFault("dead-letters list takes no IDs; `show ID` shows one", usage=True)
    if action == "show" and (not ids or every):
        raise CommandFault("dead-letters show: give the IDs to show, as `list` names them", usage=True)
    if action in ("resend", "drop") and bool(ids) == every:
        raise CommandFault(f"dead-letters {action}: give IDs, as `list` names them, or --all", usage=True)


async def _named(letters: DeadLetters, ids: Sequence[str]) -> AsyncIterator[DeadMessage]:
    found = [(letter_id, await letters.find(letter_id)) for letter_id in ids]
    for letter_id, message in found:
        if message is None:
            raise CommandFault(f"there is no dead letter {letter_id} (any more)")
    for _, message in found:
        if message is not None:
            yield message


async def _list(letters: DeadLetters, request: Request, limit: int) -> int:
    rows = table("id", "entity", "operation", "why")
    count, more = 0, False
    async for message in letters.all():
        if count == limit:
            more = True
            break
        count += 1
        if request.as_json:
            print_json_line(_as_data(message))
        else:
            why = f"{message.failure.type}: {message.failure.message}"
            rows.add_row(message.letter_id, _entity(message), message.operation, one_line(why))
    if not request.as_json:
        if count:
            console().print(rows)
        number = number_of(count, "dead letter")
        print_note(f"the first {number}; --limit shows more" if more else number)
    return 0


def _show(message: DeadMessage, request: Request) -> None:
    if request.as_json:
        print_json_line(_as_data(message))
        return
    screen = console()
    died = datetime.fromtimestamp(message.died_ms / 1000, UTC).astimezone().isoformat(timespec="milliseconds")
    tries = f" after {message.tries} tries" if message.tries > 1 else ""
    screen.print(f"{message.letter_id}  {_entity(message)}.{message.operation}", style="bold", soft_wrap=True)
    screen.print(f"died       {died}{tries}", soft_wrap=True)
    if message.sender:
        screen.print(f"sent by    {shown_target(message.sender)}", soft_wrap=True)
    screen.print(f"arguments  {shorten(list(message.args), 2_000)}", soft_wrap=True)
    if message.kwargs:
        screen.print(f"by name    {shorten(dict(message.kwargs), 2_000)}", soft_wrap=True)
    reason = one_line(f"{message.failure.type}: {message.failure.message}")
    screen.print(f"why        {reason}", soft_wrap=True)
    for line in safe_lines(message.failure.traceback):
        screen.print(f"  {line}", style="dim", soft_wrap=True)


async def _act(
    letters: DeadLetters, request: Request, action: Literal["resend", "drop"], messages: AsyncIterator[DeadMessage]
) -> int:
    count = 0
    async for message in messages:
        done = await (letters.resend(message) if action == "resend" else letters.drop(message))
        if not done:
            continue  # someone else was faster
        count += 1
        if request.as_json:
            print_json_line({"id": message.letter_id, "entity_id": logical_target(message.target), "action": action})
    if not request.as_json:
        print_note(f"{count:,} {'sent again' if action == 'resend' else 'dropped'}")
    return 0


def _entity(message: DeadMessage) -> str:
    return shown_target(message.target) or "(unreadable)"


def _as_data(message: DeadMessage) -> dict[str, Any]:
    entity, shard = split_target(message.target)
    name = EntityId.parse(entity).name if entity.startswith("@") else None
    return {
        "id": message.letter_id,
        "entity_id": entity or None,
        "name": name,
        "operation": message.operation,
        "args": list(message.args),
        "kwargs": dict(message.kwargs),
        "sender": message.sender,
        "error_type": message.failure.type,
        "message": message.failure.message,
        "traceback": message.failure.traceback,
        "died_ms": message.died_ms,
        "tries": message.tries,
        **({"shard": shard} if entity != message.target else {}),
    }
