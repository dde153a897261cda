"""What effects know of others: whose turn it was, the ways of messages to other targets, and what is told of a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .pending import Offer


class Addressee(Protocol):
    """Whose turn it was: an activation, as far as its effects know it."""

    target: str
    dirty: bool  # its state differs from the last one committed

    @property
    def indexes(self) -> object | None:
        """Those of its kind, if it has any."""
        ...

    @property
    def entries(self) -> int:
        """How many entries of indexes its state has."""
        ...


class Road(Protocol):
    """The ways of messages to other targets: through the store, or in memory."""

    def send(self, target: str, partition: int, envelope: bytes) -> Offer | None:
        """A message was sent: what it was handed over as; None if it takes the way through the store."""
        ...

    def start(self, partition: int) -> None:
        """A start was sent, which takes the way through the store."""
        ...

    def took(self) -> None:
        """A message that was handed over has been dealt with."""
        ...

    @property
    def now(self) -> int:
        """The stamp of what is sent now: later than that of all that had caused it, in whichever partition."""
        ...


class Spanned(Protocol):
    """What is told of a turn to whoever traces, if that turn counts."""

    def committed(self) -> None:
        """The commit of the turn is in the store."""
        ...
