"""`stead doctor`, `stead entity` and `stead top`, as they are typed; `top` at a terminal of its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from typing import Any

import pytest

from support.user_folder import DEADLINE_S, Stead, eventually

pytestmark = pytest.mark.slow
_HOLDS = """
    def hold(self, began: str, over: str) -> None:
        open(began, "w").close()
        while not os.path.exists(over):
            time.sleep(0.01)

"""
_WAITS = """

from stead.orchestrations import OrchestrationContext


@app.orchestration
async def waits(context: OrchestrationContext) -> None:
    await context.wait_for_external_event("never")
"""
_HOLDING = """

from stead.entities import EntityId
from stead.orchestrations import OrchestrationContext


@app.orchestration
async def holds(context: OrchestrationContext, key: str) -> None:
    async with context.lock_entities(EntityId("Station", key)):
        async with asyncio.timeout(3 * 3600):
            await context.wait_for_external_event("over")
"""
_TO_TERMINALS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # what colours, moves and clears


def test_doctor_says_what_is_wrong_and_that_all_is_well(stead: Stead) -> None:
    nobody = stead("doctor")
    assert nobody.status == 1
    assert "no worker runs" in nobody.out
    assert f"stead worker {stead.reference}" in nobody.out
    process = stead.start("worker", stead.reference)
    eventually(lambda: stead("doctor").status == 0, "a hub that is well")
    assert "is well" in stead("doctor").out
    stead("signal", "Station", "x", "fail")
    eventually(lambda: stead("doctor").status == 1, "a dead letter")
    found = json.loads(stead("doctor", "--json").out)
    assert found["well"] is False
    assert [one["check"] for one in found["findings"] if one["level"] == "problem"] == ["dead_letters"]
    process.terminate()
    process.wait(DEADLINE_S)


def test_doctor_names_what_workers_died_of_and_workers_of_different_code(stead: Stead) -> None:
    began, over = stead.folder / "began", stead.folder / "over"
    own, other = stead.folder / f"{stead.module}.py", f"{stead.module}_other"
    code = own.read_text().replace("    def block(", _HOLDS + "    def block(")
    own.write_text(code)
    (stead.folder / f"{other}.py").write_text(code + "NEWER = True")
    stead("signal", "Station", "oslo", "hold", str(began), str(over))
    for _ in range(2):  # from then on it is written down what runs
        process = stead.start("worker", stead.reference)
        eventually(began.exists, "what it runs")
        process.kill()
        process.wait(DEADLINE_S)
        began.unlink()
    others = [stead.start("worker", reference) for reference in (stead.reference, f"{other}:app")]

    def said(what: str, advice: str) -> bool:
        shown = stead("doctor")
        return what in shown.out and advice in shown.out and shown.status == 1

    eventually(
        lambda: said("workers have died while they ran @station@oslo", "becomes a dead letter"), "what they died of"
    )
    eventually(lambda: said("workers run 2 different programs", "as it is while you deploy"), "the programs")
    over.touch()
    eventually(lambda: stead("doctor").status == 0, "a hub that is well")
    for process in others:
        process.terminate()
        process.wait(DEADLINE_S)


def test_drain_lets_a_worker_give_everything_back_and_work_again(stead: Stead) -> None:
    process = stead.start("worker", stead.reference, "--name", "crew")
    eventually(lambda: stead("call", "Station", "oslo", "record", "1").status == 0, "a worker")
    nobody = stead("drain", "nobody")
    assert (nobody.status, nobody.out) == (1, "")
    assert "no worker of that name lives: crew-" in nobody.err
    drained = stead("drain", "crew", "--json")
    assert drained.status == 0, drained.err
    found = json.loads(drained.out)
    assert found["worker"].startswith("crew-")
    assert (found["drained"], found["partitions"], found["others"]) == (True, 0, 0)
    assert "0, drained" in stead("info").out
    stead("signal", "Station", "oslo", "record", "1")
    assert "no other worker takes its work" in stead("drain", "crew").out
    assert stead("drain", "crew", "--undo").status == 0
    eventually(lambda: json.loads(stead("state", "Station", "oslo", "--json").out)["state"]["count"] == 2, "work again")
    process.terminate()
    assert process.wait(DEADLINE_S) == 0


def test_entity_says_what_it_is_doing(stead: Stead) -> None:
    nothing = stead("entity", "Station", "nowhere")
    assert (nothing.status, nothing.out) == (1, "")
    stead("signal", "Station", "oslo", "record", "3.5")
    waits = json.loads(stead("entity", "Station", "oslo", "--json").out)
    assert (waits["known"], waits["exists"], waits["waiting"], waits["worker"]) == (True, False, 1, None)
    process = stead.start("worker", stead.reference)
    stead("call", "Station", "oslo", "remind")
    stead("signal", "Station", "oslo", "fail")
    stead("signal", "Station", "oslo", "nap", "60")

    def doing() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(stead("entity", "Station", "oslo", "--json").out)
        return found

    eventually(lambda: doing()["running"] and doing()["last_error"], "what it is doing")
    found = doing()
    assert found["running"][0]["operation"] == "nap"
    assert found["state"]["count"] == 1
    assert found["waiting"] == 1
    assert list(found["reminders"]) == ["check"]
    assert found["last_error"]["error_type"] == "ValueError"
    assert "raise ValueError" in found["last_error"]["traceback"]
    shown = stead("entity", "Station", "oslo").out
    assert "runs" in shown
    assert "nap, for" in shown
    assert "\x1b[31mway" not in shown, "what an error says is text"
    process.kill()
    process.wait(DEADLINE_S)


def test_who_has_locked_an_entity_and_what_that_waits_for_until_when(stead: Stead) -> None:
    own = stead.folder / f"{stead.module}.py"
    own.write_text(own.read_text() + _HOLDING)
    process = stead.start("worker", stead.reference)
    stead("call", "Station", "oslo", "record", "1")
    assert stead("start", "holds", "oslo", "--id", "holder").status == 0

    def doing() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(stead("entity", "Station", "oslo", "--json").out)
        return found

    eventually(lambda: doing()["locked_by"] == "holder", "the lock")
    for _ in range(2):
        stead("signal", "Station", "oslo", "record", "1")
    eventually(lambda: doing()["parked"] == 2, "what waits for the lock")
    shown = " ".join(stead("entity", "Station", "oslo").out.split())
    assert f"locked by holder; stead status {stead.reference} holder" in shown
    assert re.search(r"waiting 2 messages, the oldest since \S+ \S+; 2 of them are parked", shown)
    waits = json.loads(stead("status", "holder", "--json").out)["waiting_for"]
    assert [(wait["kind"], wait["until_time"] is None) for wait in waits] == [("timer", False), ("event", True)]
    shown = " ".join(stead("status", "holder").out.split())
    assert re.search(r"waits for timer, since \S+ \S+, until \S+ \S+ waits for event over, since", shown)
    stead("raise-event", "holder", "over")
    eventually(lambda: doing()["locked_by"] is None and doing()["state"]["count"] == 3, "all that waited")
    process.terminate()
    process.wait(DEADLINE_S)


def test_top_once_is_for_scripts(stead: Stead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = stead("top", "--once")
    assert shown.status == 0
    assert "partitions [????]" in shown.out, "nobody holds them"
    assert max(map(len, shown.out.splitlines())) <= 80
    assert re.search(r"^p99: timers late by \S.* loops late by \S+", shown.out, re.MULTILINE), "it is not cut"
    found = json.loads(stead("top", "--json").out)
    assert {"operations", "workers", "hottest", "commits"} <= set(found)


def test_top_shows_instances_by_status_and_what_runs_for_long(stead: Stead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    own = stead.folder / f"{stead.module}.py"
    own.write_text(own.read_text() + _WAITS)
    process = stead.start("worker", stead.reference)
    for name in ("one", "two"):
        assert stead("start", "waits", "--id", name).status == 0
    stead("suspend", "two")
    stead("signal", "Station", "oslo", "nap", "600")

    def shown() -> str:
        return stead("top", "--once").out

    eventually(lambda: "2 instances (1 Running, 1 Suspended)" in shown(), "both instances")
    eventually(lambda: re.search(r"^nap +@station@oslo +[0-9.]+ (s|min)", shown(), re.MULTILINE), "what runs for long")
    assert "runs for long" in shown()
    assert max(map(len, shown().splitlines())) <= 80
    process.kill()
    process.wait(DEADLINE_S)
    assert "(1 Running" in shown(), "they are there without a worker"


def test_top_is_live_sorts_by_keys_and_ends_with_q(stead: Stead) -> None:
    stead("signal", "Station", "oslo", "record", "3.5")
    child, terminal = pty.fork()
    if child == 0:
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
        os.environ.update(TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-m", "stead.app", "top", stead.reference])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen = b""

    def until(text: bytes) -> None:
        nonlocal seen
        give_up = time.monotonic() + DEADLINE_S
        while text not in seen:
            assert time.monotonic() < give_up, seen
            if select.select([terminal], [], [], 0.5)[0]:
                seen += os.read(terminal, 65_536)

    until(b"now: rate")
    os.write(terminal, b"f")
    until(b"now: failed")
    os.write(terminal, b"q")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    frames = [_TO_TERMINALS.sub("", frame).splitlines() for frame in seen.decode().split("\x1b[H")[1:]]
    assert max(len(frame) for frame in frames) <= 24
    lines = [line.rstrip() for frame in frames for line in frame]
    assert 40 < max(map(len, lines)) <= 80
    assert any("q quit" in line for line in lines)
