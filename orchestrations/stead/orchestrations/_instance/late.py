"""External events that came for nobody: said in the log, though not one by one.

Who raises an event by a client is told at once that there is no such instance. A producer does not look, and what it has sent to
a wrong ID may be a million events: the log says so, once in a while, and how many they were.
"""

from __future__ import annotations

from stead.transport import get_logger

logger = get_logger("stead.worker")

EVERY_MS = 60_000
"""How often it is said at most."""


class LateEvents:
    """Those of one worker."""

    __slots__ = ("_dropped", "_said_ms")

    def __init__(self) -> None:
        self._said_ms: int | None = None
        self._dropped = 0  # since then, without being said

    def dropped(self, instance_id: str, name: str, now_ms: int) -> None:
        """An event was dropped, since its instance does not exist or has ended."""
        if self._said_ms is not None and 0 <= now_ms - self._said_ms < EVERY_MS:
            self._dropped += 1
            return
        more = f" (and {self._dropped:,} more for this or others, since this was last said)" if self._dropped else ""
        self._said_ms, self._dropped = now_ms, 0
        logger.info(
            "%s: event %r came, but there is no such instance, or it has ended: dropped%s", instance_id, name, more
        )
