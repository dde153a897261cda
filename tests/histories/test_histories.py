"""Histories that were made once, replayed against the code of today: an instance that began then goes on now.

If one of these fails, instances of users fail when they install this version. `make.py` makes more of them.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from stead.app import App
from stead.entities import InvalidInput
from stead.orchestrations import OrchestrationContext, UnknownOrchestration
from stead.orchestrations._history.events import EventRaised
from stead.orchestrations.histories import History, check_replay, history_text, import_history

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.json"))


def load_orchestrations() -> ModuleType:
    """The module beside this one, whatever else is called `orchestrations`."""
    spec = importlib.util.spec_from_file_location("golden_orchestrations", FOLDER / "orchestrations.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


app: App = load_orchestrations().app


def read(name: str) -> History:
    return import_history((FOLDER / f"{name}.json").read_text())


def check(history: History, against: App = app) -> str | None:
    return check_replay(history, against.orchestrations, against.registry, against.settings).error


def test_there_are_some() -> None:
    assert len(FILES) >= 10


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_replayed(file: Path) -> None:
    history = import_history(file.read_text())
    assert check(history) is None
    assert import_history(history_text(history)) == history


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_beginning_of_it_is_replayed(file: Path) -> None:
    """An instance may have been anywhere on its way when the code changed."""
    history = import_history(file.read_text())
    for length in range(1, len(history.events)):
        part = History(history.instance_id, history.events[:length])
        error = check(part)
        assert error is None or "the code ends here" in error, length


def test_changed_code_is_found_out() -> None:
    changed = App("histories")

    @changed.activity
    async def greet(city: str) -> str:
        return city

    @changed.activity
    async def prepare() -> None: ...

    @changed.orchestration
    async def chain(context: OrchestrationContext, cities: list[str]) -> list[str]:
        await context.call_activity(prepare)
        return [await context.call_activity(greet, city) for city in cities]

    error = check(read("chain"), changed)
    assert error is not None
    assert "greet" in error
    assert "prepare" in error


def test_another_end_is_found_out() -> None:
    changed = App("histories")

    @changed.activity
    async def greet(city: str) -> str:
        return city

    @changed.orchestration(name="chain")
    async def fewer(context: OrchestrationContext, cities: list[str]) -> list[str]:
        return [await context.call_activity(greet, city) for city in cities][1:]

    @changed.orchestration(name="patched")
    async def longer(context: OrchestrationContext) -> list[str]:
        context.patched("greet the second city")
        greetings = [await context.call_activity(greet, city) for city in ("Rome", "Oslo")]
        await context.wait_for_external_event("more")
        return greetings

    assert "the code gives" in str(check(read("chain"), changed))
    assert "the code goes on" in str(check(read("patched"), changed))


def test_what_cannot_be_replayed_is_said() -> None:
    with pytest.raises(UnknownOrchestration, match="chain"):
        check(read("chain"), App("histories"))
    with pytest.raises(InvalidInput, match="ExecutionStarted"):
        check(History("a", read("chain").events[1:]))
    with pytest.raises(InvalidInput, match="ExecutionStarted"):
        check(History("a", []))


def test_golden_files_are_made_to_be_read() -> None:
    """One event a line, so that a difference shows."""
    for file in FILES:
        assert len(file.read_text().splitlines()) == len(json.loads(file.read_text())["events"]) + 2


def test_what_came_after_the_end_is_no_difference() -> None:
    history = read("failed")
    late = EventRaised(history.events[-1].at_ms, 0, "late", None)
    assert check(History(history.instance_id, [*history.events, late])) is None
