"""What another package adds to a worker: a kind of targets besides entities, and parts that run beside the worker's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from stead.entities._partition.activation import Kind
from stead.entities._partition.partition import Environment

from .board import Board
from .turns import Turns


class Extension(Protocol):
    """Adds to a `Worker`. One object serves one worker, and one worker has as many extensions as it is given.

    Those after the first that add a kind have an attribute `prefix`, a text with which the targets of their kind begin; it is
    "" without that, which means all targets that are not others'. Entities' targets begin with "@".

    Tasks belong to the kind of their target: an ID of a task begins with its target. Queues belong to the hub: an extension that
    shares tasks names queues of its own, since whoever serves a queue takes all that is in it.
    """

    def kind(self, environment: Environment) -> Kind | None:
        """The kind of its targets, if it adds one. Called once, when the worker starts."""
        ...

    def names(self) -> Mapping[str, Mapping[str, Any]]:
        """What the worker publishes besides its entities: names with a "/" in them, with their descriptions."""
        ...

    def parts(self, board: Board, turns: Turns) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """Names and coroutine functions of what runs as long as the worker does. Called once, before the worker joins the
        hub: the time to `board.listen`, for an extension that has `Hooks`, and to keep `turns`, for one that delivers."""
        ...
