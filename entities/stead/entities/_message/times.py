"""Delays and instants as users write them, in the hub's milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stead.transport import InvalidInput

_DELAY_MS_MAX = 100 * 366 * 86_400_000  # a century: what is beyond is a mistake


def delay_in_ms(delay: timedelta) -> int:
    """A delay in milliseconds, rounded up so that nothing comes early; 0 if it is negative."""
    if not isinstance(delay, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput("delay", f"it is a timedelta, not {delay!r}")
    milliseconds = -(-delay // timedelta(milliseconds=1))
    if milliseconds > _DELAY_MS_MAX:
        raise InvalidInput("delay", f"{delay} is more than a hundred years")
    return max(0, milliseconds)


def instant_in_ms(time: datetime) -> int:
    """A time in milliseconds since the epoch, rounded up. Refuses one without a time zone: whose noon would it be?"""
    if not isinstance(time, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput("time", f"it is a datetime, not {time!r}")
    if time.utcoffset() is None:
        raise InvalidInput("time", f"{time.isoformat()} has no time zone; use datetime.now(UTC) or .astimezone()")
    return max(0, -(-(time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)))
