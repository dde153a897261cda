"""What systemd is told, at a socket of the test's own."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stead.app._commands.systemd import told_to_systemd, watchdog_seconds
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket that a service is to tell."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "n"))
        sock.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        yield sock


async def heard(sock: socket.socket) -> str:
    async with asyncio.timeout(HANGS_S):
        return (await asyncio.get_running_loop().sock_recv(sock, 1_000)).decode()


async def test_it_is_told_when_it_is_ready_and_when_it_stops(systemd: socket.socket) -> None:
    not_ready: list[str] = ["not yet"]
    async with told_to_systemd(lambda: None, lambda: not_ready[0] if not_ready else None):
        await asyncio.sleep(0.1)
        with pytest.raises(BlockingIOError):
            systemd.recv(1_000)
        not_ready.clear()
        assert await heard(systemd) == "READY=1"
    assert await heard(systemd) == "STOPPING=1"


async def test_the_watchdog_hears_of_it_only_while_it_is_well(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    ill: list[str] = []
    async with told_to_systemd(lambda: ill[0] if ill else None):
        assert [await heard(systemd) for _ in range(4)] == ["READY=1", *["WATCHDOG=1"] * 3]
        ill.append("it is not")
        await asyncio.sleep(0.1)
        while True:
            try:
                systemd.recv(1_000)
            except BlockingIOError:
                break
        await asyncio.sleep(0.1)
    assert await heard(systemd) == "STOPPING=1"


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("3000000", None, 1.5),
        ("3000000", "own", 1.5),
        ("3000000", "1", None),
        ("", None, None),
        ("x", None, None),
    ],
)
def test_the_watchdog_is_meant_for_this_process_or_for_none(
    usec: str, pid: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_seconds() == seconds


async def test_nobody_is_told_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    async with told_to_systemd(lambda: None):
        await asyncio.sleep(0)
    monkeypatch.delenv("NOTIFY_SOCKET")
    async with told_to_systemd(lambda: None):
        await asyncio.sleep(0)
