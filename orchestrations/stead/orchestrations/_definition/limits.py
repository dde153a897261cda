"""How long an activity may take: time-outs as they are given, and as they are stored."""

from __future__ import annotations

from datetime import timedelta

from stead.entities.extending import delay_in_ms
from stead.transport import InvalidInput


def check_time_out(name: str, limit: timedelta | None) -> int | None:
    """A time-out in milliseconds; None if there is none. Raises `InvalidInput` for anything but a positive `timedelta`."""
    if limit is None:
        return None
    if not isinstance(limit, timedelta) or limit < timedelta(milliseconds=1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(
            f"{name}={limit!r}", "it is a timedelta of a millisecond or more, such as timedelta(minutes=5)"
        )
    return delay_in_ms(limit)
