"""The external events of an execution: who waits for which, and which wait for somebody.

Names are compared without regard to the case of ASCII letters (Unicode's case folding changes with the version of Python,
HAZARDS 29). Each name has a queue: the first event goes to the first who waits, and events that nobody waits for are kept.
"""

from __future__ import annotations

import itertools
import string
from collections import deque
from typing import Any, NamedTuple, Protocol

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class EventWaiter(Protocol):
    """Somebody who waits for an event."""

    name: str

    def deliver(self, order: int, data: Any, /) -> None: ...


class Raised(NamedTuple):
    """An event that came: `order` counts them."""

    order: int
    name: str
    data: Any


class Mailbox:
    """See the module."""

    __slots__ = ("_buffered", "_count", "_delivered", "_waiting", "waits")

    def __init__(self) -> None:
        self._buffered: dict[str, deque[Raised]] = {}
        self._waiting: dict[str, dict[EventWaiter, None]] = {}  # in the order in which they came
        self._delivered: dict[int, Raised] = {}  # of which the code cannot know yet
        self._count = 0
        self.waits = 0

    def raised(self, name: str, data: Any) -> None:
        """An event has come."""
        self._count += 1
        event = Raised(self._count, name, data)
        key = name.translate(_LOWER)
        waiting = self._waiting.get(key)
        if waiting:
            wait = next(iter(waiting))
            self._forget(key, wait)
            self._deliver(wait, event)
        else:
            self._buffered.setdefault(key, deque()).append(event)

    def wait(self, wait: EventWaiter) -> None:
        """Somebody waits for an event: it gets the oldest that was kept, or stands in line."""
        key = wait.name.translate(_LOWER)
        kept = self._buffered.get(key)
        if not kept:
            self._waiting.setdefault(key, {})[wait] = None
            self.waits += 1
            return
        event = kept.popleft()
        if not kept:
            del self._buffered[key]
        self._deliver(wait, event)

    def give_up(self, wait: EventWaiter) -> None:
        """Somebody waits no longer."""
        self._forget(wait.name.translate(_LOWER), wait)

    def seen(self, order: int) -> None:
        """The code knows of an event: it is processed."""
        self._delivered.pop(order, None)

    def awaited(self, length: int) -> list[str]:
        """The names of the events that somebody waits for, so many at most, as the first who waits wrote them."""
        return [next(iter(waiting)).name for waiting in itertools.islice(self._waiting.values(), length)]

    def unprocessed(self) -> list[tuple[str, Any]]:
        """The events of which the code could not know, oldest first."""
        events = [event for kept in self._buffered.values() for event in kept]
        events.extend(self._delivered.values())
        return [(event.name, event.data) for event in sorted(events, key=lambda event: event.order)]

    def _deliver(self, wait: EventWaiter, event: Raised) -> None:
        self._delivered[event.order] = event
        wait.deliver(event.order, event.data)

    def _forget(self, key: str, wait: EventWaiter) -> None:
        waiting = self._waiting[key]
        del waiting[wait]
        if not waiting:
            del self._waiting[key]
        self.waits -= 1
