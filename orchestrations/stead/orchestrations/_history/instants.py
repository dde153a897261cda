"""Instants as they are stored: milliseconds since the epoch, of which not every number can be shown to people."""

from __future__ import annotations

from typing import Final

_LATEST_MS: Final = 253_402_300_799_999  # the end of the year 9999


def is_time(instant_ms: object) -> bool:
    """Whether something that was read is an instant that can be shown, whatever another program has written there."""
    return type(instant_ms) is int and 0 <= instant_ms <= _LATEST_MS
