"""What another package adds to a worker: a kind of targets besides entities, and parts that run beside the worker's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from ._activation import Kind
from ._board import Board
from ._partition import Environment


class Extension(Protocol):
    """Adds to a `Worker`. One object serves one worker."""

    def kind(self, environment: Environment) -> Kind:
        """The kind of the targets that do not begin with "@". Called once, when the worker starts."""
        ...

    def names(self) -> Mapping[str, Mapping[str, Any]]:
        """What the worker publishes besides its entities: names with a "/" in them, with their descriptions."""
        ...

    def parts(self, board: Board) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """Names and coroutine functions of what runs as long as the worker does. Called once, before the worker joins the
        hub: the time to set the board's hooks."""
        ...
