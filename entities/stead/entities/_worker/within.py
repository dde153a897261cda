"""How long an asynchronous operation may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from stead.entities._message.failures import OperationTimeout


async def within(awaitable: Awaitable[object], limit_ms: int) -> object:
    """Await something, but not longer than an operation may take (HAZARDS 21)."""
    limit = asyncio.timeout(limit_ms / 1000)
    try:
        async with limit:
            return await awaitable
    except TimeoutError as error:
        if limit.expired():
            raise OperationTimeout(
                f"the operation took longer than {limit_ms:,} ms (STEAD_OPERATION_MS_MAX), and was cancelled"
            ) from error
        raise
