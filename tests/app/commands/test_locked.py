"""The command line of somebody who has no key for the payloads of a hub: it says what is locked, and does all for which none is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support.user_folder import Outcome, Stead, WorkerThread, eventually

pytestmark = pytest.mark.hazard(114)

NOTES = """
from datetime import timedelta

from stead.app import App, Settings
from stead.entities import Entity, Indexed, indexed
from stead.orchestrations import OrchestrationContext

app = App("locked", settings=Settings(partitions=2, slot_groups=2, heartbeat_ms=200, lease_ms=2_000))


@app.entity(changes=timedelta(hours=1))
class Note(Entity):
    text: str = ""
    length: Indexed[int] = indexed(0)

    def put(self, text: str) -> None:
        self.text = text
        self.length = len(text)

    def boom(self, text: str) -> None:
        raise ValueError(text)


@app.orchestration
async def story(context: OrchestrationContext, text: str) -> str:
    context.share([text])
    context.set_custom_status(text)
    return text + await context.wait_for_external_event("go", str)


@story.query
def told(state: list[str]) -> str:
    return state[0]


@story.update
def add(context: OrchestrationContext, state: list[str], text: str) -> int:
    state.append(text)
    return len(state)
"""


@pytest.fixture
def stead(stead: Stead, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stead]:
    """The command line beside a worker that has the key. There are an entity, two instances, and a dead letter."""
    (stead.folder / f"{stead.module}.py").write_text(NOTES)
    monkeypatch.setenv("STEAD_PAYLOAD_CODEC", "support.codecs:aes")
    worker = WorkerThread(stead.app, stead.url)
    assert stead("signal", "Note", "k", "put", '"secret"').status == 0
    assert stead("signal", "Note", "k", "boom", '"secret"').status == 0
    assert stead("start", "story", '"secret"', "--id", "on").status == 0
    assert stead("start", "story", '"secret"', "--id", "ended").status == 0
    assert stead("raise-event", "ended", "go", '"secret"').status == 0
    assert stead("wait", "ended").status == 0
    eventually(lambda: json.loads(stead("dead-letters", "list", "--json").out or "0"))
    monkeypatch.delenv("STEAD_PAYLOAD_CODEC")
    sys.modules.pop(stead.module)
    yield stead
    worker.end()


LOCKED = "locked"


def lines(done: Outcome) -> list[dict[str, Any]]:
    assert done.status == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_what_is_locked_is_said_in_its_place(stead: Stead) -> None:
    shown = {
        ("state", "Note", "k"): 0,
        ("entities", "Note"): 0,
        ("entity", "Note", "k"): 0,
        ("status", "ended"): 0,
        ("wait", "ended"): 0,
        ("history", "ended"): 1,
        ("history", "ended", "--json"): 1,
        ("replay", "ended"): 1,
        ("sql", "SELECT * FROM note"): 1,
        ("query", "Note", "length>=0"): 1,
        ("dead-letters",): 0,
    }
    for (command, *arguments), status in shown.items():
        done = stead(command, *arguments)
        assert done.status == status, (command, done)
        assert LOCKED in done.out + done.err and "PAYLOAD_CODEC" in done.out + done.err, (command, done)
        assert "secret" not in done.out + done.err


def test_programs_are_told_too(stead: Stead) -> None:
    (state,) = lines(stead("state", "Note", "k", "--json"))
    (entity,) = lines(stead("entities", "Note", "--json"))
    (doing,) = lines(stead("entity", "Note", "k", "--json"))
    assert [(each["state"], each["locked"]) for each in (state, entity, doing)] == [(None, True)] * 3
    (status,) = lines(stead("status", "ended", "--json"))
    (waited,) = lines(stead("wait", "ended", "--json"))
    instances = lines(stead("instances", "--json"))
    assert [(each["output"], each["locked"]) for each in (status, waited, *instances)] == [(None, True)] * 4
    (counted,) = lines(stead("entities", "--json"))
    assert (counted["name"], counted["entities"]) == ("Note", 1)
    assert lines(stead("query", "Note", "length=6", "--count", "--json")) == [
        {"count": 1}
    ]  # indexed values stay readable


def test_nothing_is_sent_in_the_clear(stead: Stead) -> None:
    sent = [
        ("signal", "Note", "k", "put", '"open"'),
        ("call", "Note", "k", "put", '"open"'),
        ("start", "story", '"open"'),
        ("raise-event", "on", "go", '"open"'),
        ("update", "on", "add", '"open"'),
        ("ask", "on", "told"),
        ("restart", "ended"),
    ]
    for command, *arguments in sent:
        done = stead(command, *arguments)
        assert (done.status, done.out) == (1, ""), (command, done)
        assert "no codec: set STEAD_PAYLOAD_CODEC" in done.err


def test_instances_are_managed_without_the_key(stead: Stead) -> None:
    for command in ("suspend", "resume", "cancel"):
        assert stead(command, "on").status == 0
    assert stead("wait", "on").status == 1
    assert json.loads(stead("status", "on", "--json").out)["runtime_status"] == "Canceled"
    assert stead("purge", "on").status == 0
    assert stead("status", "on").status == 1
    assert stead("purge", "--status", "Completed", "--yes").status == 0
    assert stead("instances", "--json").out == ""
    failed = stead("rewind", "ended")
    assert "ended" in failed.err and failed.status == 1
