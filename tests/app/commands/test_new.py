"""`stead new`: what it writes runs, passes its own tests and the checkers, and nothing of anybody's is written over."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stead.app._cli.main import run
from stead.app._commands.new import name_fault
from support.user_folder import DEADLINE_S


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def python(place: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=place,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_the_project_passes_its_own_tests_and_the_checkers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "bike_shop"]) == 0
    place = tmp_path / "bike_shop"
    said = capsys.readouterr()
    assert said.out.split() == [f"bike_shop/{name}" for name in sorted_as_written(place)]
    assert said.err == "next: cd bike_shop && stead dev bike_shop:app, and in another terminal what README.md says\n"
    tests = python(place, "pytest", "-q", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout
    assert "3 passed" in tests.stdout
    for checker in (
        ["ruff", "check", "--isolated", "."],
        ["ruff", "format", "--isolated", "--check", "--line-length=120", "."],
    ):
        checked = python(place, *checker)
        assert checked.returncode == 0, checked.stdout
    typed = python(place, "mypy", "--strict", "--config-file=", ".")
    assert typed.returncode == 0, typed.stdout


def sorted_as_written(place: Path) -> list[str]:
    """The files of a project, code first, as `stead new` names them."""
    names = ["bike_shop.py", "test_bike_shop.py", "pyproject.toml", "README.md", ".gitignore"]
    assert sorted(names) == sorted(path.name for path in place.iterdir())
    return names


@pytest.mark.slow
def test_its_readme_can_be_typed_line_by_line(tmp_path: Path, server_url: str) -> None:
    """The commands between its worker's start and end, as they stand there, and what the last of them says."""
    assert run(["new", "shop"]) == 0
    place = tmp_path / "shop"
    lines = re.findall(
        r"^    (stead (?:start|raise-event|wait|call) .*)$", (place / "README.md").read_text(), re.MULTILINE
    )
    assert len(lines) == 4
    worker = subprocess.Popen(
        [sys.executable, "-m", "stead.app", "worker", "shop:app"], cwd=place, env=os.environ | {"STEAD_URL": server_url}
    )
    try:
        printed: list[str] = []
        for line in lines:
            done = python(place, "stead.app", *shlex.split(line)[1:], STEAD_URL=server_url)
            assert done.returncode == 0, (line, done.stderr)
            printed.append(done.stdout)
    finally:
        worker.terminate()
        worker.wait(DEADLINE_S)
    assert printed == ["order-1\n", "", "paid\n", "orders: 1, amount: 12\n"]


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "README.md").write_text("mine")
    assert run(["new", "shop"]) == 1
    assert (
        "shop has README.md already: nothing was written; give another folder with --folder" in capsys.readouterr().err
    )
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["README.md"]
    assert (tmp_path / "shop" / "README.md").read_text() == "mine"


def test_it_goes_into_a_folder_that_has_other_things(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    assert run(["new", "shop", "--folder", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": ".",
        "app": "shop:app",
        "files": sorted([".gitignore", "README.md", "pyproject.toml", "shop.py", "test_shop.py"]),
    }
    assert (tmp_path / "LICENSE").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["new", "shop", "--folder", "file/shop"]) == 1
    assert capsys.readouterr().err == "error: file/shop cannot be written: Not a directory\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Shop", "lower case"),
        ("bike-shop", "lower case"),
        ("2shops", "lower case"),
        ("", "lower case"),
        ("../shop", "lower case"),
        ("läden", "lower case"),
        ("class", "lower case"),
        ("_shop", "private"),
        ("test_shop", "pytest"),
        ("ab", "3 to 45 characters"),
        ("a" * 46, "3 to 45 characters"),
        ("json", "installed"),
        ("stead", "installed"),
        ("msgpack", "installed"),
    ],
)
def test_names_that_are_no_good_are_refused(name: str, said: str, tmp_path: Path) -> None:
    assert said in (name_fault(name) or "")
    assert run(["new", "--", name]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str) -> None:
    asked = {"bash": {"COMP_WORDS": "stead dead", "COMP_CWORD": "1"}}.get(
        shell, {"_TYPER_COMPLETE_ARGS": "stead dead", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    )
    done = subprocess.run(
        [Path(sys.executable).parent / "stead"],
        env=os.environ | asked | {"_STEAD_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert "dead-letters" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_tab_key_completes_in_a_real_bash(tmp_path: Path) -> None:
    """What `stead --install-completion` writes, in a terminal."""
    bin_folder = Path(sys.executable).parent
    variables = {"HOME": str(tmp_path), "PATH": f"{bin_folder}:/usr/bin:/bin", "TERM": "dumb", "PS1": "$ "}
    written = subprocess.run(
        [bin_folder / "stead", "--install-completion", "bash"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert written.returncode == 0, written.stdout + written.stderr
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--rcfile", tmp_path / ".bashrc", "-i"],
        env=variables, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    heard = b""
    try:
        for typed, answer in ((b"stead dead\t", b"stead dead-letters "), (b"resend --js\t", b"--json ")):
            os.write(ours, typed)
            while answer not in heard:  # the suite's deadline ends what waits in vain
                heard += os.read(ours, 4_096)
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
