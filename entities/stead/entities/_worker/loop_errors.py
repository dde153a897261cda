"""What went wrong in a task or a callback of the user's that nobody waits for: the event loop says so, and goes on.

Its own way to say so fails if the error does something when it is looked at, and that ends the loop, on Python 3.11: the
worker with it, and everything else of the process.
"""

from __future__ import annotations

import asyncio
from typing import Any

from stead.transport import get_logger
from stead.transport.describing import text_of, traceback_of

logger = get_logger("stead.worker")


def report_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As the loop does by itself; if that fails, in words that cannot."""
    try:
        loop.default_exception_handler(context)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - see the module's head
        error = context.get("exception")
        what = text_of(context.get("message"))
        logger.error("%s\n%s", what, traceback_of(error) if isinstance(error, BaseException) else "")


def mind_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop say what went wrong in this way, unless the application has one of its own."""
    if loop.get_exception_handler() is None:
        loop.set_exception_handler(report_error)
