"""Wrong usage: one line on standard error that says what is wrong and where to look, and status 2."""

from __future__ import annotations

import json

import pytest

from stead.app._cli.main import run
from support.user_folder import Stead


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "No such command 'frobnicate'; see `stead --help`"),
        (["signal"], "Missing argument 'APP'; see `stead signal --help`"),
        (["signal", "a:b", "Station", "oslo"], "Missing argument 'OPERATION'"),
        (["state", "a:b", "Station", "oslo", "--frob"], "No such option: --frob"),
        (["signal", "a:b", "Station", "oslo", "record", "--frob"], "no such option: --frob"),
        (["worker", "a:b", "--processes", "0"], "greater than or equal to 1"),
        (["worker", "a:b", "--processes", "many"], "should be a valid integer"),
        (["dead-letters", "a:b", "burn"], "'burn'"),
        (["dead-letters", "a:b", "drop"], "give IDs, as `list` names them, or --all"),
        (["dead-letters", "a:b", "drop", "1/1-1", "--all"], "give IDs, as `list` names them, or --all"),
        (["dead-letters", "a:b", "show"], "give the IDs to show"),
        (["dead-letters", "a:b", "list", "1/1-1"], "takes no IDs"),
        (["entities", "a:b", "--prefix", "x"], "--prefix needs an ENTITY"),
        (["info", "not_here_at_all:app"], "there is no module 'not_here_at_all'"),
        (["worker", "not_here_at_all:app"], "there is no module 'not_here_at_all'"),
        (["worker", "not_here_at_all:app", "--processes", "2"], "there is no module 'not_here_at_all'"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith("error: ")
    assert caught.err.count("\n") == 1
    assert said in caught.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--after", "5"], "--after '5'"),
        (["--at", "noon"], "--at 'noon'"),
        (["--after", "5s", "--at", "2030-01-01"], "--after and --at"),
        (["--kw", "celsius"], "--kw 'celsius'"),
    ],
)
def test_wrong_options_of_a_signal_are_wrong_usage(stead: Stead, options: list[str], said: str) -> None:
    done = stead("signal", "Station", "oslo", "record", "1", *options)
    assert done.status == 2
    assert said in done.err


def test_machines_get_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signal", "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["type"] == "UsageError"


@pytest.mark.parametrize("arguments", [["--help"], ["signal", "--help"], ["worker", "-h"], ["--version"]])
def test_help_and_version_are_no_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    assert "stead" in capsys.readouterr().out.lower()


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "dead-letters" in capsys.readouterr().out


def test_an_unreachable_server_is_a_failure_that_hides_the_password(
    stead: Stead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEAD_CONNECT_MS", "200")
    monkeypatch.setenv("STEAD_STORE_TRIES_MS", "200")
    done = stead("info", "--url", "redis://user:secret@127.0.0.1:1/0")
    assert done.status == 1
    assert "check --url" in done.err
    assert "user:***@127.0.0.1:1" in done.err
    assert "secret" not in done.err
