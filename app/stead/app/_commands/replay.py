"""`stead replay`: would the code in this folder do what a history says?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stead.app._app import App
from stead.app._console.faults import FAILED, CommandFault, one_line
from stead.app._console.loading import load_app
from stead.app._console.request import Request
from stead.app._console.screen import print_error, print_json_line, print_note
from stead.app._hub.client import Client
from stead.orchestrations.histories import History, ReplayVerdict, check_replay, import_history


def replay_command(request: Request, instance_id: str | None, files: Sequence[Path]) -> int:
    async def work(app: App, client: Client) -> int:
        assert instance_id is not None
        history = History(instance_id, await client.read_history(instance_id))
        return _check(request, app, instance_id, history)

    def from_files() -> int:
        app = load_app(request.app)
        return max(_check(request, app, str(file), read_history_file(file)) for file in files)

    if (instance_id is None) == (not files):
        return request.guard(_wrong_usage)
    return request.run(work) if instance_id is not None else request.guard(from_files)


def _wrong_usage() -> int:
    raise CommandFault("give an INSTANCE of the hub, or --history FILE", usage=True)


def read_history_file(file: Path) -> History:
    """The history of a file. What is wrong with it is a `CommandFault`."""
    try:
        return import_history(file.read_text())
    except OSError as error:
        raise CommandFault(f"{file} cannot be read: {error.strerror}", usage=True) from None


def _check(request: Request, app: App, what: str, history: History) -> int:
    verdict = check_replay(history, app.orchestrations, app.registry, app.settings)
    if request.as_json:
        print_json_line({"history": what, **verdict.as_data()})
    elif verdict.error is None:
        print_note(f"{what}: {_said(verdict)}")
    else:
        print_error(f"{what}: {one_line(verdict.error)}", "NonDeterminismError", as_json=False)
    return 0 if verdict.error is None else FAILED


def _said(verdict: ReplayVerdict) -> str:
    version = f" {verdict.version}" if verdict.version else ""
    return f"{verdict.events:,} events replayed; {verdict.name}{version} does what the history says"
