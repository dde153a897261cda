"""A setting of the environment that cannot be is named: the variable, what it holds, what it must be."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from stead.app import App
from stead.app._cli.main import run
from stead.app._console.request import Request
from stead.app._hub import environment
from stead.app._hub.environment import find_in_environment
from stead.entities import InvalidInput
from stead.gateway import HttpSettings
from stead.transport import Settings

WRONG = [
    ("STEAD_LEASE_MS", "abc", "a whole number from 100 to 3,600,000"),
    ("STEAD_LEASE_MS", "5", "a whole number from 100 to 3,600,000"),
    ("stead_partitions", "", "a whole number from 1 to 1,024"),
    ("STEAD_DETERMINISM", "loud", "one of warn, error, off"),
    ("STEAD_REPLAY_EVERY_TURN", "maybe", "true or false"),
]


FLOWS = """
import random, time
from stead.app import App

app = App("flows")

@app.orchestration
async def bad(context) -> float:
    began = time.time()
    return began + random.random()
"""


@pytest.fixture(params=["App('environment')", "App('environment', settings=Settings(partitions=3))"])
def reference(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    source = f"from stead.app import App, Settings\n\napp = {request.param}\n"
    (tmp_path / "environment_here.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "environment_here", raising=False)
    return "environment_here:app"


@pytest.mark.parametrize(("variable", "value", "must_be"), [*WRONG[:2], *WRONG[3:]])
def test_a_command_names_the_variable(
    reference: str,
    variable: str,
    value: str,
    must_be: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    assert run(["info", reference, "--url", "memory://"]) == 2
    assert capsys.readouterr().err == f"error: the environment: {variable} is {value!r}, and must be {must_be}\n"


def test_a_command_names_the_variable_of_the_http_api(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEAD_HTTP_BODY_BYTES_MAX", "much")
    assert Request("a:b", None, as_json=False, debug=False).guard(lambda: HttpSettings().body_bytes_max) == 2
    assert capsys.readouterr().err == (
        "error: the environment: STEAD_HTTP_BODY_BYTES_MAX is 'much', "
        "and must be a whole number from 1,024 to 1,073,741,824\n"
    )


@pytest.mark.parametrize(("variable", "value", "must_be"), WRONG)
def test_an_app_names_the_variable(variable: str, value: str, must_be: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput) as caught:
        App("environment")
    assert f"{variable} is {value!r}, and must be {must_be}" in str(caught.value)
    App("environment", settings=Settings.model_construct())


def test_all_variables_are_named_and_long_values_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAD_LEASE_MS", "x" * 1_000)
    monkeypatch.setenv("STEAD_PARTITIONS", "0")
    with pytest.raises(InvalidInput, match="STEAD_PARTITIONS is '0'") as caught:
        App("environment")
    assert "STEAD_LEASE_MS is 'xxx" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_code_gives_is_not_blamed_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAD_LEASE_MS", "1000")
    for make in (lambda: Settings(lease_ms=5), lambda: HttpSettings(body_bytes_max=1)):
        with pytest.raises(ValueError) as caught:
            make()
        assert find_in_environment(caught.value) == ""
    assert find_in_environment(ValueError("x")) == ""


def test_a_variable_that_is_no_setting_is_said_once_with_the_nearest_that_is(
    reference: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "_said", set[str]())
    monkeypatch.setenv("STEAD_LEASE_MSS", "500")
    monkeypatch.setenv("stead_lease_ms", "500")
    monkeypatch.setenv("STEAD_HTTP_KEYS", "{}")
    for _ in range(2):
        run(["info", reference, "--url", "memory://"])
        sys.modules.pop("environment_here")
    said = [line for line in capsys.readouterr().err.splitlines() if "STEAD_LEASE_MSS" in line]
    (line,) = said
    assert line.endswith(
        "STEAD_LEASE_MSS in the environment is no setting of stead and has no effect: did you mean STEAD_LEASE_MS?"
    )


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("STEAD_PARTITION", "STEAD_PARTITIONS"),
        ("stead_turn_stuck", "STEAD_TURN_STUCK_MS"),
        ("STEAD_HTTP_BODY_BYTES", "STEAD_HTTP_BODY_BYTES_MAX"),
        ("STEAD_ULR", "STEAD_URL"),
        ("STEAD_FAVOURITE_COLOUR", ""),
    ],
)
def test_the_nearest_of_all_settings_is_named(variable: str, nearest: str) -> None:
    assert environment.unknown_variables([variable, "PATH", "STEAD_URL"]) == {variable: nearest}


def test_every_variable_that_stead_itself_reads_is_known() -> None:
    root = Path(__file__).parents[3]
    layers = ("app", "gateway", "orchestrations", "entities", "transport")
    sources = [file.read_text() for layer in layers for file in (root / layer).rglob("*.py")]
    read = {name for source in sources for name in re.findall(r'"(STEAD_[A-Z_]*[A-Z])"', source)}
    assert {"STEAD_URL", "STEAD_WORKER_CHILD"} <= read
    settings = {f"STEAD_{name}".upper() for name in Settings.model_fields}
    settings |= {f"STEAD_HTTP_{name}".upper() for name in HttpSettings.model_fields}
    assert environment.unknown_variables(read | settings) == {}


def test_what_the_check_finds_has_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flows_here.py").write_text(FLOWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("STEAD_DETERMINISM", "error")
    assert run(["info", "flows_here:app", "--url", "memory://"]) == 1
    first, *findings = capsys.readouterr().err.splitlines()
    assert first == "error: orchestration 'bad' cannot be replayed:"
    assert len(findings) == 2
    assert all("flows_here.py:" in finding and finding.startswith("  ") for finding in findings)
