"""An embedded server that does not come up, or does not stay: the caller is told why, in the server's own words."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
from importlib import metadata
from pathlib import Path

import pytest
from redis import RedisError

from stead.transport import StoreUnavailable
from stead.transport._embedded import supervisor
from stead.transport._embedded.server import EmbeddedServer, server_program
from support.embedded_tools import end_embedded, is_kept, run, runs, server_pid, until


def program(tmp_path: Path, script: str) -> Path:
    """A stand-in for valkey-server, which may go on as the real one."""
    place = tmp_path / "program"
    place.write_text("#!/bin/sh\n" + script.replace("SERVER", f"exec {server_program()}"))
    place.chmod(stat.S_IRWXU)
    return place


def refusal(folder: Path, binary: Path | None = None, wait_s: float = 20.0) -> str:
    """What attaching is refused with."""
    with pytest.raises(StoreUnavailable) as caught:
        EmbeddedServer.attach(folder, binary=binary, wait_s=wait_s)
    assert caught.value.outcome == "refused"
    assert str(folder) in str(caught.value)
    return caught.value.reason


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "exists" in refusal(blocked)


def test_a_folder_that_cannot_be_made() -> None:
    assert refusal(Path("/proc/stead"))


def test_a_program_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    assert "No such file" in refusal(folder, tmp_path / "nowhere")


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(StoreUnavailable, match="install it, or name a server in STEAD_URL"):
        EmbeddedServer.attach(folder)


def test_a_server_that_ends_at_once(folder: Path, tmp_path: Path) -> None:
    reason = refusal(folder, program(tmp_path, "echo the disk is made of cheese; exit 3"))
    assert "exit status 3" in reason
    assert "the disk is made of cheese" in reason
    with EmbeddedServer.attach(folder) as server:
        assert runs(server.address), "what went wrong once is not held against the folder"


def test_a_damaged_append_only_file(folder: Path) -> None:
    with EmbeddedServer.attach(folder) as server:
        run(server.address, "SET", "kept", "1")
    end_embedded(folder)
    (file,) = (folder / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(b"garbage" * 10 + file.read_bytes())
    assert "Bad file format" in refusal(folder)


@pytest.mark.slow
def test_a_server_that_says_nothing_is_given_up_and_not_left_behind(folder: Path, tmp_path: Path) -> None:
    assert "in time" in refusal(
        folder, program(tmp_path, f"exec {sys.executable} -ISc 'import time; time.sleep(100)'"), wait_s=0.5
    )
    until(lambda: not is_kept(folder), "the silent program is stopped")


def test_another_start_that_takes_for_ever(folder: Path) -> None:
    folder.mkdir()
    lock = supervisor.open_file(folder / supervisor.LOCK)
    try:
        assert supervisor.try_lock(lock)
        assert "another process is starting" in refusal(folder, wait_s=0.2)
    finally:
        os.close(lock)


@pytest.mark.slow
def test_a_server_that_keeps_ending_is_given_up_and_the_next_process_is_told(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    once = program(tmp_path, f'test -e {tmp_path}/ran && echo no more && exit 7\ntouch {tmp_path}/ran\nSERVER "$@"')
    with EmbeddedServer.attach(folder, binary=once) as server:
        run(server.address, "SET", "kept", "1")
        os.kill(server_pid(server.address), signal.SIGKILL)
        until(lambda: not is_kept(folder), "the supervisor gives up")
        failure = supervisor.read_json(folder / supervisor.FAILURE)
        assert "no more" in failure["reason"]
        assert f"restarted {supervisor.RESTARTS_MAX} times" in failure["reason"]
        with EmbeddedServer.attach(folder) as again:
            assert again.address == server.address
            assert run(again.address, "GET", "kept") == "1"
        assert "was given up: the server ended (exit status 7)" in caplog.text
        assert not (folder / supervisor.FAILURE).exists()


@pytest.mark.hazard(28)
@pytest.mark.slow
def test_a_full_disk_ends_the_server_and_loses_nothing_acknowledged(folder: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: under `always`, a write that fails ends the server."""
    small = program(tmp_path, 'ulimit -f 200\nSERVER "$@"')
    acknowledged = 0
    with EmbeddedServer.attach(folder, binary=small) as server:
        while is_kept(folder):
            with contextlib.suppress(RedisError):
                while True:
                    run(server.address, "SET", f"key-{acknowledged}", "x" * 5_000)
                    acknowledged += 1
    assert acknowledged > 10
    assert "restarted" in supervisor.read_json(folder / supervisor.FAILURE)["reason"]
    with EmbeddedServer.attach(folder) as server:
        for number in range(acknowledged):
            assert run(server.address, "EXISTS", f"key-{number}") == 1, number


def test_logs_do_not_grow_for_ever(folder: Path) -> None:
    folder.mkdir()
    for name in (supervisor.SERVER_LOG, supervisor.SUPERVISOR_LOG):
        (folder / name).write_bytes(b"x" * (supervisor.LOG_BYTES_MAX + 1))
    with EmbeddedServer.attach(folder):
        for name in (supervisor.SERVER_LOG, supervisor.SUPERVISOR_LOG):
            assert (folder / name).stat().st_size < 100_000
            assert (folder / f"{name}.1").stat().st_size > supervisor.LOG_BYTES_MAX
