"""`stead start`, `status`, `wait`, `history`, `raise-event`, the commands that manage an instance, and `instances`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from stead.app._app import App
from stead.app._console.faults import FAILED, CommandFault, one_line
from stead.app._console.request import Request
from stead.app._console.screen import console, next_command, print_json_line, print_note, table
from stead.app._console.words import number_of, parse_argument, parse_duration, parse_keywords, parse_local_instant
from stead.app._hub.client import Client
from stead.entities import CallTimeout, InvalidInput
from stead.orchestrations import Orchestration, OrchestrationStatus, RuntimeStatus, UnknownInstance
from stead.orchestrations.histories import History, export_history
from stead.transport import PayloadLocked

from .entities import print_value
from .views import (
    LOCKED,
    Selection,
    instance_row,
    instance_table,
    parse_tags,
    print_history,
    print_status,
    status_line,
    wrong_usage,
)

Reuse = Literal["finished", "never", "always"]


@dataclass(frozen=True, slots=True)
class StartOptions:
    """The options of `stead start`, as they were typed."""

    instance_id: str | None
    after: str | None
    at: str | None
    version: str | None
    tags: Sequence[str]
    reuse: Reuse


def start_command(request: Request, orchestration: str, word: str | None, options: StartOptions) -> int:
    async def work(app: App, client: Client) -> int:
        instance_id = await client.start_new(
            orchestration,
            _read_input(app, orchestration, options.version, word),
            instance_id=options.instance_id,
            at=_begin(client, options),
            version=options.version,
            tags=parse_tags(options.tags),
            reuse=options.reuse,
        )
        _print_started(request, str(instance_id))
        return 0

    return request.run(work)


def _begin(client: Client, options: StartOptions) -> datetime | None:
    if options.after is not None and options.at is not None:
        raise CommandFault("--after and --at: give one of them", usage=True)
    if options.after is not None:
        now = datetime.fromtimestamp(client.store.clock.now_ms() / 1000, UTC)
        return now + parse_duration(options.after)
    return None if options.at is None else parse_local_instant(options.at)


def _read_input(app: App, orchestration: str, version: str | None, word: str | None) -> object:
    """The input. A word that is JSON is meant as JSON, unless the orchestration wants it as text."""
    if word is None:
        return None
    value = parse_argument(word)
    known = app.orchestrations.find(orchestration, version)
    if known is None:
        return value
    if value == word:
        _check_text(known, word)
        return value
    try:
        known.encode_input(value)
    except InvalidInput:
        try:
            known.encode_input(word)
        except InvalidInput:
            return value  # the client will say what is wrong with it
        return word
    return value


def _check_text(known: Orchestration[Any, Any], word: str) -> None:
    """A word that was meant as JSON and has a slip is not refused as text of the wrong type: the slip is named."""
    if not word.startswith(("{", "[")):
        return
    try:
        known.encode_input(word)
    except InvalidInput:
        try:
            json.loads(word)
        except (ValueError, RecursionError) as error:
            raise CommandFault(f"INPUT is not JSON ({error}): {word}", usage=True) from None


def _print_started(request: Request, instance_id: str) -> None:
    if request.as_json:
        print_json_line({"instance_id": instance_id})
        return
    console().out(instance_id, highlight=False)
    _next(request, "status", instance_id)


def _next(request: Request, command: str, instance_id: str) -> None:
    print_note(f"next: {next_command(command, request.app, instance_id)}")


def status_command(request: Request, instance_id: str) -> int:
    async def work(_: App, client: Client) -> int:
        status = await _find(request, client, instance_id)
        if not status.is_finished:
            status = await client.get_status(instance_id, show_history=True) or status
        if request.as_json:
            print_json_line(status_line(status))
            return 0
        print_status(console(), status)
        match status.runtime_status:
            case RuntimeStatus.FAILED:
                _next(request, "history", instance_id)
            case _ if status.blocked is not None:
                print_note(f"next: {next_command('doctor', request.app)}")
            case RuntimeStatus.SUSPENDED:
                _next(request, "resume", instance_id)
            case _ if not status.is_finished:
                for event in [wait.name for wait in status.waiting_for or () if wait.kind == "event"][:1]:
                    print_note(f"send it on: {next_command('raise-event', request.app, instance_id, event)} [DATA]")
                _next(request, "wait", instance_id)
            case _:
                pass
        return 0

    return request.run(work)


async def _find(request: Request, client: Client, instance_id: str) -> OrchestrationStatus[Any]:
    status = await client.get_status(instance_id)
    if status is None:
        raise CommandFault(
            f"there is no instance {instance_id}; `stead instances {request.app}` lists those that there are"
        )
    return status


def wait_command(request: Request, instance_id: str, timeout: str | None) -> int:
    async def work(_: App, client: Client) -> int:
        seconds = None if timeout is None else parse_duration(timeout, "--timeout").total_seconds()
        try:
            status = await client.wait_for_completion(instance_id, seconds)
        except CallTimeout:
            raise CommandFault(
                f"instance {instance_id} is not finished after {seconds:g} s, and goes on; "
                f"`{next_command('status', request.app, instance_id)}` shows it, and `stead info {request.app}` whether a worker runs"
            ) from None
        done = status.runtime_status is RuntimeStatus.COMPLETED
        if request.as_json:
            print_json_line(status_line(status))
            return 0 if done else FAILED
        if done:
            if status.locked:
                print_note(f"the output of {instance_id} is locked: {LOCKED}")
            if status.output is not None:
                print_value(console(), status.output)
            return 0
        why = one_line(str(status.failure if status.failure is not None else status.output or ""))
        raise CommandFault(f"instance {instance_id} is {status.runtime_status.value}{': ' if why else ''}{why}")

    return request.run(work)


def history_command(request: Request, instance_id: str) -> int:
    async def work(_: App, client: Client) -> int:
        if request.as_json:
            print_json_line(export_history(History(instance_id, await client.read_history(instance_id))))
            return 0
        status = await client.get_status(instance_id, show_history=True)
        if status is None:
            raise UnknownInstance(instance_id)
        if status.locked:
            raise PayloadLocked(LOCKED, instance_id)
        if status.history:
            print_history(status)
        else:
            print_note("nothing has happened to it yet: no worker has taken up its start")
        return 0

    return request.run(work)


def raise_event_command(request: Request, instance_id: str, name: str, word: str | None) -> int:
    async def work(_: App, client: Client) -> int:
        await client.raise_event(instance_id, name, None if word is None else parse_argument(word))
        _accepted(request, instance_id, "raise-event", f"event {name}")
        return 0

    return request.run(work)


def terminate_command(request: Request, instance_id: str, reason: str, *, recursive: bool) -> int:
    async def work(_: App, client: Client) -> int:
        if not await _is_over(request, client, instance_id, "terminate"):
            await client.terminate(instance_id, reason, recursive=recursive)
            _accepted(request, instance_id, "terminate", "terminate")
        return 0

    return request.run(work)


def manage_command(
    request: Request, action: Literal["cancel", "suspend", "resume", "rewind"], instance_id: str, reason: str
) -> int:
    async def work(_: App, client: Client) -> int:
        acts = {
            "cancel": client.cancel,
            "suspend": client.suspend,
            "resume": client.resume,
            "rewind": client.rewind,
        }
        if action == "rewind" or not await _is_over(request, client, instance_id, action):
            await acts[action](instance_id, reason)
            _accepted(request, instance_id, action, action)
        return 0

    return request.run(work)


async def _is_over(request: Request, client: Client, instance_id: str, action: str) -> bool:
    """Whether the instance is finished, so that nothing is sent to it; then that is said."""
    status = await client.get_status(instance_id)
    if status is None or not status.is_finished:
        return False
    if request.as_json:
        print_json_line({"instance_id": instance_id, "action": action, "accepted": False})
    else:
        print_note(f"nothing to {action}: {instance_id} is {status.runtime_status.value} already")
    return True


def _accepted(request: Request, instance_id: str, action: str, what: str) -> None:
    if request.as_json:
        print_json_line({"instance_id": instance_id, "action": action, "accepted": True})
        return
    print_note(f"accepted: {what} for {instance_id}")
    _next(request, "resume" if action == "suspend" else "status", instance_id)


def ask_command(
    request: Request,
    act: Literal["ask", "update"],
    instance_id: str,
    name: str,
    words: Sequence[str],
    pairs: Sequence[str],
) -> int:
    async def work(_: App, client: Client) -> int:
        args = [parse_argument(word) for word in words]
        kwargs = {name: parse_argument(word) for name, word in parse_keywords(pairs).items()}
        call = client.ask if act == "ask" else client.update
        result = await call(name, instance_id, *args, **kwargs)
        if request.as_json:
            print_json_line({"instance_id": instance_id, act: name, "result": result})
        elif result is not None:
            print_value(console(), result)
        return 0

    return request.run(work)


def restart_command(request: Request, instance_id: str, *, same_id: bool) -> int:
    async def work(_: App, client: Client) -> int:
        _print_started(request, str(await client.restart(instance_id, new_instance_id=not same_id)))
        return 0

    return request.run(work)


def instances_command(request: Request, selection: Selection, limit: int) -> int:
    async def work(_: App, client: Client) -> int:
        rows = instance_table()
        count, more = 0, False
        with wrong_usage():
            async for status in client.list_instances(**selection.options(), show_input=request.as_json):
                if count == limit:
                    more = True
                    break
                count += 1
                if request.as_json:
                    print_json_line(status_line(status))
                else:
                    instance_row(rows, status)
        if not request.as_json:
            if count:
                console().print(rows)
            print_note(_how_many(count, selection, more=more))
        return 0

    return request.run(work)


def count_command(request: Request, selection: Selection) -> int:
    async def work(_: App, client: Client) -> int:
        with wrong_usage():
            counts = await client.count_instances(**selection.options())
        rows = table("orchestration", "status", "instances", numbers=("instances",))
        for (name, status), count in sorted(counts.items()):
            if request.as_json:
                print_json_line({"name": name, "runtime_status": status.value, "instances": count})
            else:
                rows.add_row(name, status.value, f"{count:,}")
        if not request.as_json:
            if counts:
                console().print(rows)
            print_note(_how_many(sum(counts.values()), selection, more=False))
        return 0

    return request.run(work)


def _how_many(count: int, selection: Selection, *, more: bool) -> str:
    matching = "" if selection.is_empty else " that match"
    if more:
        return f"the first {count:,} instances{matching}; --limit shows more, --count counts them"
    return f"{number_of(count, 'instance')}{matching}"
