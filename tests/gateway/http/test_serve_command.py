"""`stead serve` and the HTTP API of `stead dev`, as processes."""

from __future__ import annotations

import itertools
import json
import logging
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.guards import HANGS_S
from support.user_folder import DEADLINE_S, WEATHER, Stead, eventually
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.slow

_numbers = itertools.count()


@pytest.fixture
def stead(
    tmp_path: Path, module_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Stead]:
    module = f"served_weather_{next(_numbers)}"
    (tmp_path / f"{module}.py").write_text(WEATHER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("STEAD_URL", module_server.url)
    monkeypatch.delenv("STEAD_HTTP_KEYS", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    made = Stead(tmp_path, module, module_server.url, capsys)
    yield made
    made.end()
    sys.modules.pop(module, None)
    root.handlers[:] = handlers
    root.setLevel(level)
    module_server.run("FLUSHALL")


def address(stead: Stead) -> str:
    """Where the process says that it serves."""
    eventually(lambda: "HTTP API at " in stead.log, "the HTTP API")
    found = re.search(r"HTTP API at (\S+),", stead.log)
    assert found is not None
    return found[1]


def test_advice_over_http_names_the_app_as_commands_do(stead: Stead) -> None:
    stead.start("serve", stead.reference, "--port", "0")
    found = httpx.get(f"{address(stead)}/api/v1/doctor", timeout=HANGS_S).json()["findings"]
    advice = {finding["check"]: finding["advice"] for finding in found}
    assert advice["no_worker"] == f"start one: stead worker {stead.reference}"


def test_it_serves_until_it_is_told_to_stop(stead: Stead) -> None:
    process = stead.start("serve", stead.reference, "--port", "0")
    url = address(stead)
    assert httpx.get(f"{url}/nothing", timeout=HANGS_S).json() == {
        "Message": "there is no route for GET /nothing; /docs shows all"
    }
    assert httpx.get(f"{url}/nothing", headers={"host": "evil.example"}, timeout=HANGS_S).status_code == 403
    assert httpx.get(f"{url}/nothing", headers={"host": "localhost:1"}, timeout=HANGS_S).status_code == 404
    assert "there are no keys" in stead.log
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) == 0
    assert "the HTTP API has stopped" in stead.log


def test_keys_from_a_file_open_it_on_every_address(stead: Stead) -> None:
    (stead.folder / "keys.json").write_text(json.dumps({"the-key": ["read"]}))
    stead.start("serve", stead.reference, "--port", "0", "--host", "0.0.0.0", "--keys", "keys.json")
    url = address(stead).replace("0.0.0.0", "127.0.0.1")
    path = f"{url}/runtime/webhooks/durabletask/instances/none"
    assert httpx.get(path, timeout=HANGS_S).status_code == 401
    assert httpx.get(path, headers={"x-functions-key": "the-key"}, timeout=HANGS_S).status_code == 404
    assert httpx.get(f"{path}?code=the-key", headers={"host": "anything.example"}, timeout=HANGS_S).status_code == 404
    assert "the-key" not in stead.log


def test_what_it_cannot_do_is_said_in_one_line(stead: Stead, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = stead("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.status == 2
    assert "--keys" in refused.err
    assert refused.err.count("\n") == 1
    monkeypatch.setenv("STEAD_HTTP_KEYS", "secret")
    refused = stead("serve", "--port", "0")
    assert (refused.status, "secret" in refused.err) == (2, False)
    monkeypatch.delenv("STEAD_HTTP_KEYS")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = stead("serve", "--port", str(taken.getsockname()[1]))
    assert refused.status == 1
    assert "is in use; give another one with --port" in refused.err
    assert stead("serve", "--keys", "none.json").status == 2


def test_dev_serves_too_and_a_request_waits_for_the_reload(stead: Stead) -> None:
    process = stead.start("dev", stead.reference, "--port", "0")
    url = address(stead)
    path = f"{url}/runtime/webhooks/durabletask/entities/Station/oslo"
    assert httpx.post(f"{path}?op=record", json=1.5, timeout=DEADLINE_S).status_code == 202
    eventually(lambda: httpx.get(path, timeout=DEADLINE_S).status_code == 200)
    source = stead.folder / f"{stead.module}.py"
    source.write_text(source.read_text() + "\n# changed\n")
    eventually(lambda: "starting again" in stead.log)
    for _ in range(20):
        assert httpx.get(path, timeout=DEADLINE_S).json()["count"] == 1  # never refused
    eventually(lambda: stead.log.count("HTTP API at ") == 2)
    assert httpx.get(path, timeout=DEADLINE_S).json()["count"] == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) == 0


def test_dev_takes_nothing_if_its_port_is_taken(stead: Stead) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = stead.start("dev", stead.reference, "--port", str(taken.getsockname()[1]))
        assert process.wait(DEADLINE_S) == 1
    assert "is in use; give another one with --port" in " ".join(stead.log.split())
    assert "serves Station" not in stead.log  # no worker has begun
    assert "watching" not in stead.log


def test_it_ends_when_its_hub_is_no_longer_on_the_server(stead: Stead, module_server: ValkeyServer) -> None:
    process = stead.start("serve", stead.reference, "--port", "0")
    url = address(stead)
    assert httpx.get(f"{url}/api/v1/entities/station", timeout=HANGS_S).status_code == 200
    module_server.run("FLUSHALL")
    answer = httpx.get(f"{url}/api/v1/entities/station", timeout=HANGS_S)
    assert (answer.status_code, answer.json()["title"]) == (503, "Hub mismatch")
    assert "no longer on the server" in answer.json()["detail"]
    assert process.wait(DEADLINE_S) == 1
    assert "critical: the HTTP API ends: task hub 'weather'" in stead.log
    assert "error: task hub 'weather'" in " ".join(stead.log.split())
    assert "Traceback" not in stead.log
    assert not module_server.run("KEYS", "*")
