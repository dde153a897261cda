"""`stead dev`: the worker starts again when the code changes, and waits for a repair when the code is broken."""

from __future__ import annotations

import signal

import pytest

from support.user_folder import DEADLINE_S, Stead, eventually

pytestmark = pytest.mark.slow


def test_a_change_starts_the_worker_again(stead: Stead) -> None:
    source = stead.folder / f"{stead.module}.py"
    process = stead.start("dev", stead.reference, "--port", "0")
    eventually(lambda: "watching" in stead.log and " serves Light, Station, Switch" in stead.log)
    first = stead("call", "Station", "x", "pid").out
    assert int(first) != process.pid
    stead("call", "Station", "x", "record", "1")

    source.write_text(source.read_text().replace("self.count += 1", "self.count += 100"))
    eventually(lambda: f"{stead.module}.py changed: starting again" in stead.log)
    assert stead("call", "Station", "x", "mean").status == 0  # by the worker that ends, or by the next one
    eventually(lambda: stead("call", "Station", "x", "pid").out != first)
    assert stead("call", "Station", "x", "record", "1").status == 0
    assert '"count": 101' in stead("state", "Station", "x").out

    source.write_text(source.read_text().replace("class Station(Entity):", "class Station(Entity:"))
    eventually(lambda: "SyntaxError" in stead.log)
    eventually(lambda: "it starts again when a Python file changes" in stead.log)
    source.write_text(source.read_text().replace("class Station(Entity:", "class Station(Entity):"))
    assert stead("call", "Station", "x", "record", "1").status == 0

    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) == 0


def test_a_name_that_is_no_app_ends_at_once(stead: Stead) -> None:
    process = stead.start("dev", f"{stead.module}:ap", "--port", "0")
    assert process.wait(DEADLINE_S) == 2
    assert f"try {stead.module}:app" in stead.log
