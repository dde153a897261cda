"""How long a part of a worker bears what the store does to it.

A server that does not answer, or cannot serve now, is borne for as long as it takes. One that answers and refuses (a right
that was taken away, an answer that nobody expects) may be put right again, so it is borne too, but not for ever: a worker
that holds partitions and can do nothing for them has to let others have them, and say why.
"""

from __future__ import annotations

from collections.abc import Callable

from stead.transport import ConnectionLost, ServerUnsuitable, Settings, get_logger

logger = get_logger("stead.worker")

BORNE = (ConnectionLost, ServerUnsuitable)


class Patience:
    """One part's, or one step's."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float], what: str) -> None:
        self._limit_s = settings.store_tries_ms / 1000
        self._monotonic = monotonic
        self._what = what
        self._since: float | None = None  # when the server began to refuse
        self._told: type[Exception] | None = None

    def bear(self, error: ConnectionLost | ServerUnsuitable) -> None:
        """Something went wrong: the caller is to pause and try again. Raises what is not to be borne any longer."""
        if isinstance(error, ConnectionLost):
            self._since = None
            if self._told is not ConnectionLost:
                self._told = ConnectionLost
                logger.warning("%s: the store does not answer (%s); trying again", self._what, error)
            return
        now = self._monotonic()
        if self._since is None:
            self._since = now
        if now - self._since >= self._limit_s:
            raise error
        if self._told is not ServerUnsuitable:
            self._told = ServerUnsuitable
            logger.error(
                "%s: %s; trying again for %.0f s (STEAD_STORE_TRIES_MS), then the worker ends",
                *(self._what, error, self._limit_s),
            )

    def rest(self) -> None:
        """It went well."""
        self._since = self._told = None
