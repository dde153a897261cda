"""Which of two messages for one entity has to come first, because the other is a consequence of it (invariant 11).

A message that was accepted knows of everything that was accepted before it. An entity knows what the messages knew that were
applied to it, and what it has sent; what it sends knows that. So of each message for an entity it can be said which others for the
same entity it knew of: those had their effect before it, or will never have one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Known:
    """What is known somewhere."""

    accepted: int = 0  # everything for whichever entity that was accepted before this
    told: dict[str, int] = field(
        default_factory=dict[str, int]
    )  # entity -> how many of its entries, with what they sent

    def learn(self, other: Known) -> None:
        self.accepted = max(self.accepted, other.accepted)
        for entity, count in other.told.items():
            self.told[entity] = max(self.told.get(entity, 0), count)

    def copy(self) -> Known:
        return Known(self.accepted, dict(self.told))


class Causes:
    """Follows all messages from where they were sent to where they were applied."""

    def __init__(self, is_done: Callable[[str], bool]) -> None:
        self._is_done = is_done  # whether a message has had its effect, or failed
        self._accepted = 0
        self._when: dict[str, int] = {}  # message -> its place among all that were accepted
        self._knows: dict[str, Known] = {}  # message -> what it knew when it was sent
        self._known: dict[str, Known] = {}  # entity -> what it knows
        self._woken: dict[str, int] = {}  # message -> what was accepted when its operation ended
        self._from: dict[str, tuple[str, int]] = {}  # message -> the entity that sent it, and the entry that did
        self._waiting: dict[str, dict[str, None]] = {}  # entity -> messages for it that are not known to be done
        self._applied: list[tuple[str, str]] = []  # in this step: entity, message

    def accepted(self, message: str, entity: str, delayed: bool) -> None:
        """A message is in the store."""
        self._accepted += 1
        self._when[message] = self._accepted
        if message not in self._knows:  # from outside: whoever sent it may know of all that was accepted before
            self._knows[message] = Known(self._accepted)
        if not delayed:
            self._waiting.setdefault(entity, {})[message] = None

    def ended(self, message: str) -> None:
        """Its operation has waited for something that everybody outside may have brought about."""
        self._woken[message] = self._accepted

    def sent(self, message: str, entity: str, by: str, entry: int, delayed: bool) -> None:
        """An entity sends a message with one of its entries: what is stored is accepted besides."""
        self._knows[message] = self._known[by].copy()
        if not delayed:
            self._from[message] = (by, entry)
            self._waiting.setdefault(entity, {})[message] = None

    def applied(self, message: str, entity: str, entry: int) -> None:
        known = self._known.setdefault(entity, Known())
        known.learn(self._knows[message])
        known.accepted = max(known.accepted, self._woken.get(message, 0))
        known.told[entity] = entry + 1
        self._applied.append((entity, message))

    def check(self) -> None:
        """At the end of a step of the store: all that was applied in it came after what it knew of."""
        after: dict[str, dict[str, None]] = {}  # entity -> what was applied to it later in this step
        for entity, message in reversed(self._applied):
            later = after.setdefault(entity, {})
            for other in self._waiting.get(entity, {}):
                if other != message and self._knew(message, other) and (other in later or not self._is_done(other)):
                    raise AssertionError(f"invariant 11: {message} came to {entity} before {other}, of which it knew")
            later[message] = None
        self._applied.clear()
        for waiting in self._waiting.values():
            for message in [message for message in waiting if self._is_done(message)]:
                del waiting[message]

    def _knew(self, message: str, other: str) -> bool:
        knows = self._knows[message]
        when = self._when.get(other)
        if when is not None and when < knows.accepted:
            return True
        by, entry = self._from.get(other, ("", 0))
        return entry < knows.told.get(by, 0) and self._from.get(message, ("", 0)) != (by, entry)
