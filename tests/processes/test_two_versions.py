"""Workers of the commit before this one beside workers of this one, on one hub: each takes over what the other leaves."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.orchestrating_app import app
from support.orchestrating_load import instances
from support.valkey_server import ValkeyServer
from support.worker_processes import LAYERS, WorkerProcess, shared_out

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

ROOT = Path(__file__).parents[2]
APP = "orchestrating_app:app"


def git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def code_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the commit before this one; of this one where git has no more history than that."""
    known = git("rev-list", "--max-count=2", "HEAD").decode().split()
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(git("archive", known[-1], *LAYERS))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_the_older_code_is_what_runs(code_before: Path) -> None:
    worker = "import stead.entities as e; print(e.__file__)"
    paths = ":".join(str(code_before / layer) for layer in LAYERS)
    ran = subprocess.run([sys.executable, "-c", worker], env={"PYTHONPATH": paths}, check=True, capture_output=True)
    assert ran.stdout.decode().startswith(str(code_before))


@pytest.mark.hazard(26)
async def test_each_goes_on_with_what_the_other_has_left(
    own_server: ValkeyServer, start_worker: Callable[..., WorkerProcess], code_before: Path
) -> None:
    old = start_worker(APP, code_before)
    async with app.connect(own_server.url) as client:
        await shared_out(client, old)
        async with instances(client) as load:
            await load.progress()
            new = start_worker(APP)
            await shared_out(client, old, new)
            await load.progress()
            old.signal(signal.SIGKILL)
            await old.ended()
            await shared_out(client, new)
            await load.progress()
            old = start_worker(APP, code_before)  # a deployment that is taken back
            await shared_out(client, new, old)
            await load.progress()
            new.signal(signal.SIGTERM)
            assert await new.ended() == 0
            await shared_out(client, old)
            await load.progress()
