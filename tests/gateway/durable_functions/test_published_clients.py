"""Durable Functions' own clients, from PyPI and npm, with a real `stead serve`, a real worker and a real server.

What one of them does otherwise than the other is said where it is; nothing is known of them here beyond their documentation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import df_clients
from support.df_clients import NAMES, DurableFunctionsClient, Refused, Unprepared, prepare
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(660)]  # the first test may have to fetch the clients

DEADLINE_S = HANGS_S
SUPPORT = Path(__file__).parents[2] / "support"
KEY = "a/key +with%odd:characters"


def until(condition: Callable[[], Any], what: str) -> Any:
    """What a condition gives once it is something."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about within {DEADLINE_S:g} s"
        time.sleep(0.02)
    return found


@contextmanager
def serving(folder: Path, url: str, keys: str = "") -> Generator[str]:
    """`stead serve` as a process; gives where it serves."""
    log = folder / f"serve{'-with-keys' if keys else ''}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "stead.app", "serve", "df_clients_app:app", "--port", "0"],
            cwd=SUPPORT,
            env={**os.environ, "STEAD_URL": url, "STEAD_HTTP_KEYS": keys, "NO_COLOR": "1", "COLUMNS": "200"},
            stderr=file,
        )
    try:
        found = until(lambda: re.search(r"HTTP API at (\S+),", log.read_text()), "the HTTP API")
        yield found[1]
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.fixture(scope="module")
def gateway(module_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `stead serve` serves, beside a worker."""
    folder = tmp_path_factory.mktemp("df")
    worker = WorkerProcess(folder, "worker", module_server.url, {}, "df_clients_app:app")
    try:
        with serving(folder, module_server.url) as url:
            yield url
    finally:
        worker.end()


def binding_of(url: str, **headers: str) -> dict[str, Any]:
    found: dict[str, Any] = (
        httpx.get(f"{url}/api/v1/durable-functions-client", headers=headers, timeout=HANGS_S).raise_for_status().json()
    )
    return found


@contextmanager
def client_of(name: str, binding: dict[str, Any]) -> Generator[DurableFunctionsClient]:
    try:
        prepare(name)
    except Unprepared as error:
        pytest.fail(str(error), pytrace=False)
    made = DurableFunctionsClient(name, binding)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module", params=[*NAMES, "javascript without RPC"])
def call(request: pytest.FixtureRequest, gateway: str) -> Iterator[DurableFunctionsClient]:
    """A client; the JavaScript one also as it goes by the URIs of its binding, as with the oldest hosts."""
    name, _, without = str(request.param).partition(" ")
    binding = binding_of(gateway)
    if without:
        del binding["rpcBaseUrl"]
        os.environ["WEBSITE_HOSTNAME"] = httpx.URL(gateway).netloc.decode()  # else it puts localhost:7071 into the URIs
    try:
        with client_of(name, binding) as made:
            yield made
    finally:
        os.environ.pop("WEBSITE_HOSTNAME", None)


def run(call: DurableFunctionsClient, name: str, **arguments: Any) -> Any:
    """The output of an instance that is run to its end."""
    status, output = call("wait", id=call("start", name=name, **arguments))
    assert status == 200, output
    return output


def ended(call: DurableFunctionsClient, instance_id: str, status: str) -> Any:
    """An instance's status once it is of a kind."""
    return until(
        lambda: (found := call("status", id=instance_id))["runtimeStatus"] == status and found,
        f"{instance_id}: {status}",
    )


def test_starts_with_and_without_an_input(call: DurableFunctionsClient) -> None:
    assert run(call, "HelloCities") == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
    assert run(call, "greet") == "Hello World!"
    assert run(call, "greet", input="Oslo") == "Hello Oslo!"
    assert run(call, "ship", input={"item": "tea", "count": 2}) == ["Order", "tea", 2]
    assert run(call, "double", input=21) == 42
    assert run(call, "double", input=0) == 0
    assert run(call, "echo") == "nothing"
    for value in (5, "text", True, [1, "2", None], {"a": {"b": [1.5]}}):
        assert run(call, "echo", input=value) == value
    named = call("start", name="echo", id=f"named-{call.name}-{time.time_ns()}", input=1)
    assert named.startswith("named-")


@pytest.mark.parametrize("value", ["", None, 0, False, [], {}, 0.0], ids=repr)
def test_starts_with_an_input_that_is_next_to_nothing(call: DurableFunctionsClient, value: Any) -> None:
    assert run(call, "HelloCities", input=value) == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
    by_python = call.name == "python"
    left_out = value == "" if not by_python else value is None  # each sends the same for no input
    assert run(call, "echo", input=value) == ("nothing" if left_out else value)
    assert run(call, "echo_required", input=value) == (None if left_out else value)
    if value == "":
        assert run(call, "greet", input=value) == ("Hello !" if by_python else "Hello World!")
        assert run(call, "greet_required", input=value) == "Hello !"
        assert run(call, "count", input=value) == 7
    elif type(value) in (int, float):
        assert (run(call, "count", input=value), run(call, "double", input=value)) == (0, 0)
    elif value is None:
        assert (run(call, "greet", input=value), run(call, "count", input=value)) == ("Hello World!", 7)
    if value in ("", None, [], {}) and value is not False:
        with pytest.raises(Refused, match="missing" if value in ("", None) else "number"):
            call("start", name="double", input=value)


def test_starts_that_are_refused_say_why(call: DurableFunctionsClient) -> None:
    for name, arguments, words in (
        ("ship", {"input": {"item": 5}}, "item"),
        ("ship", {}, "missing"),
        ("double", {"input": "five"}, "number"),
        ("HelloCities", {"input": 5}, "takes none"),
        ("nobody", {}, "nobody"),
        ("echo", {"id": "@counter@x"}, "instance ID"),
    ):
        with pytest.raises(Refused, match=words):
            call("start", name=name, **arguments)
    instance_id = call("start", name="approval")
    with pytest.raises(Refused, match="exists already"):
        call("start", name="approval", id=instance_id)
    call("terminate", id=instance_id, reason="done with")


def test_a_status(call: DurableFunctionsClient) -> None:
    instance_id = call("start", name="ship", input={"item": "tea"})
    assert call("wait", id=instance_id) == [200, ["Order", "tea", 1]]
    found = call("status", id=instance_id, history=True)
    assert (found["name"], found["instanceId"], found["runtimeStatus"]) == ("ship", instance_id, "Completed")
    assert (found["input"], found["output"], found["created"]) == (
        {"item": "tea", "count": 1},
        ["Order", "tea", 1],
        True,
    )
    assert found["events"] == ["ExecutionStarted", "ExecutionCompleted"]
    if call.name == "python":
        assert call("status", id="nobody") is None
    else:
        with pytest.raises(Refused, match="404"):
            call("status", id="nobody")
    waiting = call("start", name="approval")
    ended(call, waiting, "Running")
    assert until(lambda: call("status", id=waiting)["customStatus"], "its status") == {"waits for": "Approved"}
    status, payload = call("wait", id=waiting, timeout_ms=20)
    assert (status, waiting in payload["statusQueryGetUri"]) == (202, True)
    call("terminate", id=waiting, reason="seen")


@pytest.mark.parametrize(
    ("form", "value", "arrives"),
    [
        ("any", {"by": "me"}, ["dict", {"by": "me"}]),
        ("any", 5, ["int", 5]),
        ("any", "yes", ["str", "yes"]),
        ("any", None, ["NoneType", None]),
        ("order", {"item": "tea"}, ["Order", {"item": "tea", "count": 1}]),
        ("number", 5, ["int", 5]),
        ("text", "yes", ["str", "yes"]),
    ],
)
def test_events(call: DurableFunctionsClient, form: str, value: Any, arrives: Any) -> None:
    instance_id = call("start", name="approval", input=form)
    call("event", id=instance_id, name="Approved", **({} if value is None else {"data": value}))
    assert call("wait", id=instance_id) == [200, arrives]


def test_events_for_what_is_finished_or_missing(call: DurableFunctionsClient) -> None:
    instance_id = call("start", name="echo")
    call("wait", id=instance_id)
    if call.name == "python":
        with pytest.raises(Refused, match="is gone: either completed or failed"):
            call("event", id=instance_id, name="Approved", data=1)
    else:
        call("event", id=instance_id, name="Approved", data=1)  # as it does with the original
    with pytest.raises(Refused, match=r"No instance with ID '?nobody'? found"):
        call("event", id="nobody", name="Approved", data=1)


def test_suspend_resume_and_terminate(call: DurableFunctionsClient) -> None:
    instance_id = call("start", name="approval")
    ended(call, instance_id, "Running")
    call("suspend", id=instance_id, reason="lunch & rest")
    ended(call, instance_id, "Suspended")
    call("resume", id=instance_id, reason="back")
    ended(call, instance_id, "Running")
    call("terminate", id=instance_id, reason="no longer wanted")
    assert ended(call, instance_id, "Terminated")["output"] == "no longer wanted"
    status, payload = call("wait", id=instance_id)
    assert (status, payload["runtimeStatus"]) == (200, "Terminated")
    for verb in ("suspend", "resume", "terminate"):
        call(verb, id=instance_id, reason="late")
        with pytest.raises(Refused, match="No instance with ID 'nobody' found"):
            call(verb, id="nobody", reason="x")


def test_rewind(call: DurableFunctionsClient) -> None:
    door = f"door {time.time_ns()}"
    instance_id = call("start", name="entering", input=door)
    status, payload = call("wait", id=instance_id)
    assert (status, payload["runtimeStatus"], door in payload["output"]) == (500, "Failed", True)
    run(call, "unlocking", input=door)
    call("rewind", id=instance_id, reason="unlocked")
    assert ended(call, instance_id, "Completed")["output"] == "in"
    waiting = call("start", name="approval")
    for other in (instance_id, waiting):
        with pytest.raises(Refused, match="only supported on failed orchestration instances"):
            call("rewind", id=other, reason="again")
    with pytest.raises(Refused, match=r"No instance with ID '?nobody'? found"):
        call("rewind", id="nobody", reason="x")
    call("terminate", id=waiting, reason="seen")


def test_purges(call: DurableFunctionsClient) -> None:
    instance_id = call("start", name="echo", input=1)
    call("wait", id=instance_id)
    assert call("purge", id=instance_id) == 1
    assert call("purge", id=instance_id) == 0
    running = call("start", name="approval")
    with pytest.raises(Refused, match="412"):
        call("purge", id=running)
    call("terminate", id=running, reason="to be purged")
    ended(call, running, "Terminated")
    since = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    run(call, "echo", input=2)
    assert call("purge_by", since=since, statuses_=["Terminated"]) >= 1
    assert call("purge_by", since=since, statuses_=["Terminated"]) == 0
    assert call("purge_by", since=since, until="2999-01-01T00:00:00+00:00", statuses_=["Completed"]) >= 1


def test_queries(call: DurableFunctionsClient) -> None:
    since = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()  # the time of creation is the server's
    started = {call("start", name="echo", id=f"listed-{call.name}-{time.time_ns()}") for _ in range(3)}
    waiting = call("start", name="approval", input="any")
    for instance_id in started:
        call("wait", id=instance_id)
    ended(call, waiting, "Running")
    assert started | {waiting} <= {found["instanceId"] for found in call("list")}
    listed = call("list_by", since=since, statuses_=["Completed"])
    assert started <= {found["instanceId"] for found in listed}
    assert {found["runtimeStatus"] for found in listed} == {"Completed"}
    listed = call("list_by", since=since, until="2999-01-01T00:00:00+00:00", statuses_=["Running"])
    assert waiting in {found["instanceId"] for found in listed}
    assert call("list_by", since="2999-01-01T00:00:00+00:00") == []
    call("terminate", id=waiting, reason="seen")


def _until_state(call: DurableFunctionsClient, entity: str, key: str, state: list[Any]) -> None:
    until(lambda: call("read", entity=entity, key=key) == state, f"{entity} with {state}")


def test_entities(call: DurableFunctionsClient) -> None:
    key = f"{call.name}-{time.time_ns()}"
    assert call("read", entity="Counter", key=key)[0] is False
    call("signal", entity="Counter", key=key, operation="add", input=5)
    call("signal", entity="Counter", key=key, operation="one_more")
    next_to_nothing: tuple[Any, ...] = ("", None, 0, False, [], {})
    for value in next_to_nothing:  # as good as nothing to what takes nothing
        call("signal", entity="Counter", key=key, operation="one_more", input=value)
    until(lambda: call("read", entity="Counter", key=key) == [True, {"value": 12}], "the sum")
    call("signal", entity="Counter", key=key, operation="delete", input=None)
    until(lambda: call("read", entity="Counter", key=key)[0] is False, "its end")
    with pytest.raises(Refused, match="400"):
        call("signal", entity="Counter", key=key, operation="one_more", input=5)
    call("signal", entity="Basket", key=key, operation="put", input={"item": "tea", "count": 2})
    call("signal", entity="Basket", key=key, operation="annotate", input="5")
    expected = {"items": ["tea", "tea"], "note": "5"}
    until(lambda: call("read", entity="Basket", key=key) == [True, expected], "the basket")
    for value in ({"any": [1]}, 5, "text", [None]):
        call("signal", entity="Log", key=key, operation="said", input=value)
        state = [True, ["said", [value]]]
        _until_state(call, "Log", key, state)
    call("signal", entity="Log", key=key, operation="nothing")
    until(lambda: call("read", entity="Log", key=key) == [True, ["nothing", []]], "no argument")
    with pytest.raises(Refused, match=r"40[04]"):
        call("signal", entity="Counter", key=key, operation="unknown")


@pytest.mark.parametrize("name", NAMES)
def test_a_binding_carries_the_key_of_who_asked_for_it(
    name: str, gateway: str, module_server: ValkeyServer, tmp_path: Path
) -> None:
    keys = f'{{"{KEY}": ["read", "signal", "manage"], "only-reads": ["read"]}}'
    with serving(tmp_path, module_server.url, keys) as url:
        assert httpx.get(f"{url}/api/v1/durable-functions-client", timeout=HANGS_S).status_code == 401
        with client_of(name, binding_of(url, **{"x-functions-key": KEY})) as call:
            assert run(call, "greet", input="Oslo") == "Hello Oslo!"
            call("signal", entity="Counter", key=f"keyed-{name}", operation="add", input=1)
        with client_of(name, binding_of(url, authorization="Bearer only-reads")) as call:
            assert isinstance(call("list"), list)
            with pytest.raises(Refused, match="right to signal"):
                call("start", name="greet")


@pytest.mark.parametrize(("name", "registry"), [("python", "PyPI"), ("javascript", "npm")])
def test_a_registry_that_cannot_be_reached_is_named(
    name: str, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:9/"
    monkeypatch.setattr(df_clients, "FOLDER", tmp_path)
    for variable, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": nowhere,
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
        "npm_config_registry": nowhere,
        "npm_config_fetch_retries": "0",
        "npm_config_cache": str(tmp_path / "npm"),
    }.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(Unprepared, match=f"Can {registry} be reached"):
        prepare(name)
    assert not (tmp_path / name / "installed").exists()
