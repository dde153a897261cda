"""When to try again, how long to wait before it, for how long in all, and what to tell of it in the end.

Everything here waits on the clock that it is given. Who asks the store for something is one of these:

- a client's request, which somebody waits for: `until_answered`, with its `Tries`. After `store_tries_ms` it is given up.
- a part of a worker, which holds what others could have: `Patience`. A server that is away is borne for as long as it takes,
  one that refuses for `store_tries_ms`.
- what goes on for ever beside a client, and whose waiters have limits of their own: `Backoff` alone.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.clock import Clock
from stead.transport._contract.errors import (
    ConnectionLost,
    KeyDamaged,
    ServerChanged,
    ServerUnsuitable,
    SteadError,
    StoreClosed,
    StoreUnavailable,
    TornCommit,
)
from stead.transport._contract.settings import Settings
from stead.transport.describing import message_of, qualified_name

_log = get_logger("stead.worker")

T = TypeVar("T")

# Of a request: what means that the same may be asked again, of whatever server there is then.
UNANSWERED = (ConnectionLost, ServerChanged)
# Of a worker's part: what it bears where it stands. (That the server is another one concerns all that the worker holds.)
BORNE = (ConnectionLost, ServerUnsuitable)
# Of a worker's part: what trying again does not help against. Whatever it concerns is let go of, and the rest goes on.
FACED = (ServerChanged, KeyDamaged, TornCommit)

# Between tries of a request whose answer did not come, and of a batch for which there was no room.
RETRY_S_MIN = 0.02
RETRY_S_MAX = 1.0
HOLD_S_MAX = 0.5


def retry_delay(tries: int, longest_s: float = RETRY_S_MAX) -> float:
    """Seconds to wait before the next try: doubling, with jitter so that many clients do not come back at once."""
    ceiling = min(longest_s, RETRY_S_MIN * 2.0 ** min(tries, 16))
    return ceiling * (0.5 + random.random() / 2)


def hold_delay(holds: int) -> float:
    """Seconds until a batch for which there was no room is sent again: this client's own, so that none overtakes another."""
    return min(HOLD_S_MAX, RETRY_S_MIN * 2.0 ** min(holds, 16))


# -- what to tell ------------------------------------------------------------------------------------------------------


def reason_of(error: BaseException) -> str:
    """What to tell of an error."""
    if isinstance(error, TimeoutError):
        return message_of(error) or "no answer in time"
    return message_of(error) or qualified_name(type(error))


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


# -- trying again ------------------------------------------------------------------------------------------------------


class Backoff:
    """How often in a row something went wrong, since when, and the pause after it. A success begins anew."""

    __slots__ = ("_clock", "_longest_s", "count", "since")

    def __init__(self, clock: Clock, longest_s: float = RETRY_S_MAX) -> None:
        """`longest_s`: no pause is longer."""
        self._clock = clock
        self._longest_s = longest_s
        self.count = 0
        self.since: float | None = None

    def failed(self) -> float:
        """It went wrong once more. Gives the seconds to wait, for who cannot `pause`."""
        if self.since is None:
            self.since = self._clock.monotonic()
        self.count += 1
        return retry_delay(self.count - 1, self._longest_s)

    def succeeded(self) -> None:
        self.count = 0
        self.since = None

    @property
    def lasted_s(self) -> float:
        """How long it has been going wrong."""
        return 0.0 if self.since is None else self._clock.monotonic() - self.since

    async def pause(self) -> None:
        """It went wrong once more: wait until the next try."""
        await self._clock.sleep(self.failed())


class Tries:
    """How often and for how long a request may be made again. A success starts both anew."""

    def __init__(self, clock: Clock, settings: Settings, *, writes: bool = False, about: str = "") -> None:
        """`writes`: one whose answer was lost may have been carried out. `about`: what is told before the reason."""
        self._writes = writes
        self._about = about
        self._clock = clock
        self._limit_s = settings.store_tries_ms / 1000
        self._backoff = Backoff(clock)

    @property
    def count(self) -> int:
        """How often it was made in vain since its last success."""
        return self._backoff.count

    @property
    def left_s(self) -> float:
        """The seconds that are left to try in."""
        return max(0.0, self._limit_s - self._backoff.lasted_s)

    def begin(self) -> None:
        """Let the time be counted from now on, and not only from the first failure."""
        self._backoff.since = self._clock.monotonic()

    def succeeded(self) -> None:
        self._backoff.succeeded()

    async def failed(self, error: Exception) -> None:
        """Wait until the next try; raises `StoreUnavailable` if there is none within the limit, or the store is closed."""
        delay = self._backoff.failed()
        if self._backoff.lasted_s + delay >= self._limit_s or isinstance(error, StoreClosed):
            unsent = isinstance(error, StoreClosed) and self.count == 1
            outcome: Literal["refused", "unknown"] = "unknown" if self._writes and not unsent else "refused"
            raise StoreUnavailable(f"{self._about}{reason_of(error)}", outcome) from error
        await self._clock.sleep(delay)


async def until_answered(request: Callable[[], Awaitable[T]], tries: Tries) -> T:
    """The answer to a request that may be made twice: it changes nothing, or the same however often it is made. Afterwards
    `tries.count` says how many answers were lost before.

    Raises `StoreUnavailable` when the tries have come to their end, and whatever else is an answer.
    """
    while True:
        try:
            return await request()
        except UNANSWERED as error:
            await tries.failed(error)


class Patience:
    """How a part of a worker, or one of its steps, bears what the store does to it.

    A server that does not answer, or cannot serve now, is borne for as long as it takes. One that answers and refuses (a right
    that was taken away, an answer that nobody expects) may be put right again, so it is borne too, but not for ever: a worker
    that holds partitions and can do nothing for them has to let others have them, and say why.
    """

    def __init__(self, clock: Clock, settings: Settings, what: str, longest_s: float = RETRY_S_MAX) -> None:
        """`what`: the part carries out, as the log is told. `longest_s`: no pause is longer."""
        self._clock = clock
        self._limit_s = settings.store_tries_ms / 1000
        self._what = what
        self._backoff = Backoff(clock, longest_s)
        self._refused_since: float | None = None
        self._told: type[Exception] | None = None

    async def bear(self, error: Exception) -> None:
        """Something went wrong: wait until it is to be tried again. Raises what is not to be borne, or no longer."""
        await self._clock.sleep(self.bear_for(error))

    def bear_for(self, error: Exception) -> float:
        """`bear` for who cannot wait here: gives the seconds to wait."""
        if isinstance(error, ConnectionLost):
            self._refused_since = None
            if self._told is not ConnectionLost:
                self._told = ConnectionLost
                _log.warning("%s: the store does not answer (%s); trying again", self._what, error)
        elif isinstance(error, ServerUnsuitable):
            self._bear_refusal(error)
        else:
            raise error
        return self._backoff.failed()

    def _bear_refusal(self, error: ServerUnsuitable) -> None:
        now = self._clock.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since >= self._limit_s:
            raise error
        if self._told is not ServerUnsuitable:
            self._told = ServerUnsuitable
            _log.error(
                "%s: %s; trying again for %.0f s (STEAD_STORE_TRIES_MS), then the worker ends",
                *(self._what, error, self._limit_s),
            )

    def rest(self) -> None:
        """It went well."""
        self._refused_since = self._told = None
        self._backoff.succeeded()
