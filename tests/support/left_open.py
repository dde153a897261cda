"""Code of orchestrators that a test leaves in the middle: it is closed with the test, as a worker closes what it forgets.

Else its tasks would end with the process, or whenever the garbage is collected, and each would say that it was still pending.
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet


class Closable(Protocol):
    """What has such code."""

    def close(self) -> object: ...


_made: WeakSet[Closable] = WeakSet()


def close_later(what: Closable) -> None:
    """Let it be closed with the test."""
    _made.add(what)


def close_all() -> None:
    """The test has ended."""
    for what in list(_made):
        what.close()
    _made.clear()
