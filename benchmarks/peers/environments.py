"""An environment for each peer, from PyPI and npm alone, so that none of them can disturb another or stead."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

DONE = "installed"
INSTALL_S = 600.0


class NotInstalled(RuntimeError):
    """A peer cannot be had here; the text is the reason, in a few words."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to install. Versions are exact: a table that others cannot get again is worth little."""

    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Another one for any other recipe."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


def default_home() -> Path:
    """Inside the environment that runs this: what removes that one removes the peers' too."""
    return Path(sys.prefix) / "peers"


def python(environment: Path) -> Path:
    """Its interpreter."""
    return environment / "venv" / "bin" / "python"


def node_program(environment: Path, name: str) -> Path:
    """A program that one of its npm packages brings."""
    return environment / "node_modules" / ".bin" / name


def install(recipe: Recipe, environment: Path) -> None:
    """Make the environment, unless it is there with the same recipe. Raises `NotInstalled`."""
    done = environment / DONE
    if done.exists() and done.read_text() == recipe.digest:
        return
    shutil.rmtree(environment, ignore_errors=True)
    environment.mkdir(parents=True)
    if recipe.pip:
        _run([sys.executable, "-m", "venv", str(environment / "venv")], environment)
        pip = [str(python(environment)), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        _run([*pip, *recipe.pip], environment)
    if recipe.npm:
        if shutil.which("npm") is None:
            raise NotInstalled("npm is not installed")
        (environment / "package.json").write_text('{"private": true}')
        # Without scripts: what such a script would download comes from neither registry.
        _run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *recipe.npm], environment)
    done.write_text(recipe.digest)


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        ended = subprocess.run(
            command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{Path(command[0]).name} took more than {INSTALL_S:g} s") from None
    if ended.returncode:
        raise NotInstalled(reason(ended.stderr or ended.stdout) or f"exit status {ended.returncode}")


def reason(said: str) -> str:
    """The line in which an installer says what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "npm err", "npm error"))]
    return (errors or lines[-1:] or [""])[0]
