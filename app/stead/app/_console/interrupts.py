"""Ctrl-C while a command starts and after it has ended: the process ends at once, and shows no traceback.

Python's own handler raises `KeyboardInterrupt` wherever it is, in the middle of an import as well as at the interpreter's
end, where nobody catches it. A command's work has that handler: it can be interrupted in good order.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


def end_quietly() -> None:
    """Let ctrl-c end the process at once. It stays ignored where it is: in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextmanager
def interruptible() -> Generator[None]:
    """Let ctrl-c raise `KeyboardInterrupt` within the block, if it would end the process otherwise."""
    if signal.getsignal(signal.SIGINT) is not _end:  # a command that another program runs
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(_: int, __: FrameType | None) -> None:
    os._exit(130)  # `_hub/worker_run` has a name for it, and takes long to import
