"""The first five minutes: no server, no settings, only the command line in a folder."""

from __future__ import annotations

import json
import signal

import pytest

from support.user_folder import DEADLINE_S, Stead, eventually

pytestmark = pytest.mark.slow


def test_the_command_line_works_with_nothing_but_a_folder(stead: Stead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEAD_URL")
    stead.url = ""
    assert stead("signal", "Station", "oslo", "record", "3.5").status == 0
    assert (stead.folder / ".stead" / "appendonlydir").is_dir()
    process = stead.start("worker", stead.reference, "--processes", "2")
    eventually(lambda: '"count": 1' in stead("state", "Station", "oslo").out)
    assert stead("call", "Station", "oslo", "mean").out == "3.5\n"
    shown = stead("info").out
    assert "embedded://./.stead" in shown
    assert "survives any crash" in shown
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) == 0
    assert json.loads(stead("state", "Station", "oslo", "--url", "embedded://./.stead").out)["count"] == 1
