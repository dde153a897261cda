"""What systemd is told of a long-running command: that it is ready, that it is well (`WatchdogSec=`), and that it stops.

Nothing is told where `$NOTIFY_SOCKET` does not say whom. The well-being is told from the event loop, so that a process whose
loop stands still is restarted, and not while it says of itself that it is not well.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from stead.transport import begin_task, end_task

_log = logging.getLogger("stead.app")


def notify(state: str) -> bool:
    """Tell systemd, if it wants to be told; whether it was."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    path = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(path)
            sock.sendall(state.encode())
    except OSError as error:
        _log.warning("systemd could not be told (%s): %s", state, error)
        return False
    return True


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear that this process is well; None if it does not."""
    wanted, whose = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not wanted.isdecimal() or int(wanted) == 0 or whose != str(os.getpid()):
        return None
    return int(wanted) / 1_000_000 / 2


@asynccontextmanager
async def told_to_systemd(
    not_well: Callable[[], str | None], ready: Callable[[], str | None] | None = None
) -> AsyncGenerator[None]:
    """Tell systemd for as long as the block takes. `not_well`: why this process is not, None if it is; `ready`: likewise, until
    which nothing is told."""
    telling = begin_task(_tell(not_well, ready or (lambda: None)), name="stead-systemd")
    try:
        yield
    finally:
        notify("STOPPING=1")
        with contextlib.suppress(Exception):
            await end_task(telling)


async def _tell(not_well: Callable[[], str | None], ready: Callable[[], str | None]) -> None:
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    while ready() is not None:  # noqa: ASYNC110 - a state to be asked for, and only while the process starts
        await asyncio.sleep(0.05)
    notify("READY=1")
    seconds = watchdog_seconds()
    while seconds is not None:
        if not_well() is None:
            notify("WATCHDOG=1")
        await asyncio.sleep(seconds)
