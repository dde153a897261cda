"""Who a sender is for the store: a session of its own, or the producer of a source that others have been before."""

from __future__ import annotations

import secrets

from stead.transport._contract.clock import Clock
from stead.transport._contract.settings import Settings

from .chain import NOTHING, Chain

_last_incarnation = 0


def next_incarnation(now_ms: int) -> int:
    """A number for a source's producer, above that of every earlier one of this process and, by time, of others."""
    global _last_incarnation
    _last_incarnation = max(_last_incarnation + 1, now_ms)
    return _last_incarnation


class Identity:
    """What all chains of one sender have in common."""

    def __init__(self, clock: Clock, settings: Settings, source: str | None) -> None:
        self._clock = clock
        self._backlog_max = settings.backlog_length_max
        self._keep_ms = settings.session_keep_ms if source is None else settings.source_keep_ms
        self.source = source
        self.session = secrets.token_hex(10) if source is None else f"source:{source}"
        self.incarnation = 0 if source is None else next_incarnation(clock.now_ms())

    def chain(self, partition: int, confirmed: int = NOTHING) -> Chain:
        """A partition's chain, from after `confirmed` on. A session takes a new name when it must; a source has one."""
        return Chain(
            partition,
            self.session,
            backlog_max=self._backlog_max,
            keep_ms=self._keep_ms,
            now_ms=self._clock.now_ms(),
            new_session=(lambda: secrets.token_hex(10)) if self.source is None else None,
            incarnation=self.incarnation,
            confirmed=confirmed,
        )
