"""When to try again what the store did not answer, or had no room for."""

from __future__ import annotations

import random
from typing import Literal

from stead.transport._contract.clock import Clock
from stead.transport._contract.errors import SteadError, StoreClosed, StoreUnavailable
from stead.transport._contract.settings import Settings

# Between tries of a request whose answer did not come, and of a batch for which there was no room.
RETRY_S_MIN = 0.02
RETRY_S_MAX = 1.0
HOLD_S_MAX = 0.5


def retry_delay(tries: int) -> float:
    """Seconds to wait before the next try: doubling, with jitter so that many clients do not come back at once."""
    ceiling = min(RETRY_S_MAX, RETRY_S_MIN * 2.0 ** min(tries, 16))
    return ceiling * (0.5 + random.random() / 2)


def reason_of(error: BaseException) -> str:
    """What to tell of an error."""
    return str(error) or type(error).__name__


def told_of(error: Exception, doubtful: bool) -> SteadError:
    """What the senders of a block are told of an error after which it is not tried again. `doubtful`: an earlier copy of the
    block may have got through.
    """
    if isinstance(error, StoreClosed):  # it was not sent this time
        return StoreUnavailable(reason_of(error), "unknown" if doubtful else "refused")
    return error if isinstance(error, SteadError) else StoreUnavailable(reason_of(error), "unknown")


def told_of_end(error: SteadError, *, sent: bool, doubtful: bool) -> SteadError:
    """What the senders of a block are told when a sender ends with an error: whether theirs was written is known apart.

    `sent`: a copy of it is under way or has been; `doubtful`: no answer came to one of these.
    """
    if not isinstance(error, StoreUnavailable):
        return error
    outcome: Literal["refused", "unknown"] = "unknown" if doubtful else error.outcome if sent else "refused"
    return error if outcome == error.outcome else StoreUnavailable(error.reason, outcome)


class Tries:
    """How often and for how long a request may be made again. A success starts both anew."""

    def __init__(self, clock: Clock, settings: Settings, *, writes: bool = False) -> None:
        """`writes`: one whose answer was lost may have been carried out."""
        self._writes = writes
        self._clock = clock
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
            raise StoreUnavailable(reason_of(error), outcome) from error
        await self._clock.sleep(retry_delay(self._count))
        self._count += 1
