"""Requests that may be made twice are simply made again when no answer comes: those that change nothing, and a few others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from stead.transport import ConnectionLost, ServerChanged, Settings, Store, Tries

T = TypeVar("T")


async def write_patiently(store: Store, settings: Settings, request: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """The answer to a request that writes, and does so once however often it is made; and whether an earlier one was lost.

    `StoreUnavailable` after `store_tries_ms`, which says that it may have been carried out.
    """
    tries = Tries(store.clock, settings, writes=True)
    lost = False
    while True:
        try:
            return await request(), lost
        except (ConnectionLost, ServerChanged) as error:
            await tries.failed(error)
            lost = True


async def read_patiently(store: Store, settings: Settings, request: Callable[[], Awaitable[T]]) -> T:
    """The answer to a request, made again until there is one; `StoreUnavailable` after `store_tries_ms`."""
    tries = Tries(store.clock, settings)
    while True:
        try:
            return await request()
        except (ConnectionLost, ServerChanged) as error:
            await tries.failed(error)
