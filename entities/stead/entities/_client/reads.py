"""Requests that may be made twice are simply made again when no answer comes: those that change nothing, and a few others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from stead.transport import ConnectionLost, ServerChanged, Settings, Store, StoreClosed, StoreUnavailable, retry_delay

T = TypeVar("T")


class Tries:
    """How often and for how long a request may be made again. A success starts both anew."""

    def __init__(self, store: Store, settings: Settings, *, writes: bool = False) -> None:
        """`writes`: one whose answer was lost may have been carried out."""
        self._writes = writes
        self._clock = store.clock
        self._limit_s = settings.store_tries_ms / 1000
        self._count = 0
        self._since: float | None = None

    def succeeded(self) -> None:
        self._count = 0
        self._since = None

    async def failed(self, error: Exception) -> None:
        """Wait until the next try; raises `StoreUnavailable` if there have been enough, or the store is closed."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since >= self._limit_s or isinstance(error, StoreClosed):
            unsent = isinstance(error, StoreClosed) and not self._count
            outcome: Literal["refused", "unknown"] = "unknown" if self._writes and not unsent else "refused"
            raise StoreUnavailable(str(error) or type(error).__name__, outcome) from error
        await self._clock.sleep(retry_delay(self._count))
        self._count += 1


async def write_patiently(store: Store, settings: Settings, request: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
    """The answer to a request that writes, and does so once however often it is made; and whether an earlier one was lost.

    `StoreUnavailable` after `store_tries_ms`, which says that it may have been carried out.
    """
    tries = Tries(store, settings, writes=True)
    lost = False
    while True:
        try:
            return await request(), lost
        except (ConnectionLost, ServerChanged) as error:
            await tries.failed(error)
            lost = True


async def read_patiently(store: Store, settings: Settings, request: Callable[[], Awaitable[T]]) -> T:
    """The answer to a request, made again until there is one; `StoreUnavailable` after `store_tries_ms`."""
    tries = Tries(store, settings)
    while True:
        try:
            return await request()
        except (ConnectionLost, ServerChanged) as error:
            await tries.failed(error)
