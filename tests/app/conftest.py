"""A user's folder with an app, and a worker of that app."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.user_folder import WEATHER, Stead, WorkerThread

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands set up logging for their process. What a worker says in this process is not theirs."""
    root, workers = logging.getLogger(), logging.getLogger("stead.worker")
    handlers, level = root.handlers[:], root.level
    workers.propagate = False
    yield
    workers.propagate = True
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stead(
    tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Stead]:
    """A user's folder with an app, and the command line there."""
    module = f"weather{next(_numbers)}"
    (tmp_path / f"{module}.py").write_text(WEATHER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("STEAD_URL", server_url)
    monkeypatch.setenv("COLUMNS", "80")
    command = Stead(tmp_path, module, server_url, capsys)
    yield command
    command.end()
    sys.modules.pop(module, None)


@pytest.fixture
def worker(stead: Stead) -> Iterator[WorkerThread]:
    """A worker of the user's app."""
    thread = WorkerThread(stead.app, stead.url)
    yield thread
    thread.end()
