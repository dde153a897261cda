"""All workers of a hub have one order for sets of texts, whatever started them."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys

import pytest

from stead.app import App
from stead.app._hub import worker_run as _run
from stead.app._hub.hash_seed import give_hash_seed
from stead.orchestrations import OrchestrationContext
from support.guards import HANGS_S
from support.user_folder import DEADLINE_S, Stead, eventually

HASH = """

@app.entity_function("Hash")
def hashed(context: EntityContext) -> tuple[int, int]:
    return hash("oslo"), os.getpid()
"""


def hash_of_oslo(seed: str) -> int:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", "print(hash('oslo'))"]
    return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def hashes(stead: Stead, processes: int) -> set[int]:
    """What the workers say that a text's hash is, once so many of them have said it."""
    found: dict[int, int] = {}

    def all_have_said_it() -> bool:
        for key in "abcdefgh":
            answer = stead("call", "Hash", key, "ask", "--timeout", f"{HANGS_S:g}s").out.strip().strip("[]").split(",")
            found[int(answer[1])] = int(answer[0])
        return len(found) >= processes

    eventually(all_have_said_it, "all workers")
    return set(found.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "processes", "own"),
    [
        (["worker"], 1, ""),
        (["worker"], 1, "4711"),
        (["worker", "--processes", "2"], 2, ""),
        (["dev", "--port", "0"], 1, ""),
    ],
)
def test_every_worker_has_the_seed(
    stead: Stead, monkeypatch: pytest.MonkeyPatch, command: list[str], processes: int, own: str
) -> None:
    """The environment's own, if it has one."""
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    if own:
        monkeypatch.setenv("PYTHONHASHSEED", own)
    source = stead.folder / f"{stead.module}.py"
    source.write_text(source.read_text() + HASH)
    process = stead.start(command[0], stead.reference, *command[1:])
    assert hashes(stead, processes) == {hash_of_oslo(own or "0")}
    process.terminate()
    assert process.wait(DEADLINE_S) == 0


def test_what_the_environment_says_is_kept() -> None:
    for said, kept in [({}, "0"), ({"PYTHONHASHSEED": ""}, "0"), ({"PYTHONHASHSEED": "random"}, "random")]:
        environment = dict(said)
        give_hash_seed(environment)
        assert environment == {"PYTHONHASHSEED": kept}


@pytest.mark.anyio
@pytest.mark.parametrize("seeded", [True, False])
async def test_a_worker_in_a_program_of_ones_own_says_what_to_do(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, seeded: bool
) -> None:
    app = App("own")

    @app.orchestration
    async def flow(context: OrchestrationContext) -> None: ...

    monkeypatch.setattr(_run, "has_hash_seed", lambda: seeded)
    run = app.worker("memory://")
    with caplog.at_level(logging.INFO, "stead.app"):
        running = asyncio.ensure_future(run.run())
        while "serves" not in caplog.text:
            await asyncio.sleep(0)
        run.stop()
        await running
    assert ("PYTHONHASHSEED" in caplog.text) is not seeded
