"""When a failed activity or sub-orchestration is tried again. No clock here: times come from the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from stead.entities.extending import delay_in_ms
from stead.orchestrations._history.failures import FailureDetails
from stead.transport import InvalidInput

DELAY_MS_MAX = 100 * 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when something that failed is tried again.

    `max_attempts` counts the first attempt as well: 1 never tries again. The wait before attempt n + 1 is
    `first_interval * backoff_coefficient ** (n - 1)`, at most `max_interval`. `retry_timeout`: give up when the next attempt
    would start later than this after the first one started. `handle` gets the `FailureDetails` and says whether to go on;
    it has to give the same answer in a replay.

    Waits are durable timers of the orchestration, and times are the orchestration's. A `NonRetriable` error is never
    tried again. Raises `InvalidInput` for a policy that makes no sense.
    """

    max_attempts: int
    first_interval: timedelta = timedelta(seconds=1)
    backoff_coefficient: float = 1.0
    max_interval: timedelta | None = None
    retry_timeout: timedelta | None = None
    handle: Callable[[FailureDetails], bool] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.max_attempts, bool) or not isinstance(self.max_attempts, int) or self.max_attempts < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInput("max_attempts", f"it is 1 or more, not {self.max_attempts!r}; 1 never tries again")
        for name in ("first_interval", "max_interval", "retry_timeout"):
            interval = getattr(self, name)
            if interval is None and name != "first_interval":
                continue
            if not isinstance(interval, timedelta) or interval < timedelta(0):
                raise InvalidInput(name, f"it is a timedelta of 0 or more, not {interval!r}")
            delay_in_ms(interval)
        if not 0 < self.backoff_coefficient < float("inf"):
            raise InvalidInput("backoff_coefficient", f"it is a number above 0, not {self.backoff_coefficient!r}")

    def next_delay_ms(self, attempt: int, first_ms: int, now_ms: int, failure: FailureDetails) -> int | None:
        """How long to wait after a failed attempt (1, 2, …), in milliseconds; None to give up.

        `first_ms`: when the first attempt was scheduled. Raises what `handle` raises.
        """
        if failure.non_retriable or attempt >= self.max_attempts:
            return None
        delay_ms = self._interval_ms(attempt)
        if self.retry_timeout is not None and now_ms + delay_ms - first_ms > delay_in_ms(self.retry_timeout):
            return None
        if self.handle is not None and not self.handle(failure):
            return None
        return delay_ms

    def _interval_ms(self, attempt: int) -> int:
        longest = DELAY_MS_MAX if self.max_interval is None else delay_in_ms(self.max_interval)
        try:
            delay = delay_in_ms(self.first_interval) * self.backoff_coefficient ** (attempt - 1)
        except OverflowError:
            return longest
        return longest if delay >= longest else max(0, -int(-delay // 1))


def check_retry(policy: RetryPolicy | None) -> RetryPolicy | None:
    """A policy, or none. Raises `InvalidInput` for anything else: it would only be noticed when something fails."""
    if policy is not None and not isinstance(policy, RetryPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"retry={policy!r}", "it is a RetryPolicy, such as RetryPolicy(max_attempts=3)")
    return policy
