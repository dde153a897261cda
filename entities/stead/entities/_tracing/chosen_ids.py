"""IDs of spans that are chosen: an orchestration's span is told by one worker, and others have named it as a parent before."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

_NEXT = threading.local()


@contextmanager
def chosen(trace_id: int, span_id: int) -> Generator[None]:
    """The span that is started in the block has this ID; and this trace's, if it has no parent."""
    _NEXT.ids = trace_id, span_id
    try:
        yield
    finally:
        _NEXT.ids = None


class ChosenIds:
    """An `IdGenerator` of the SDK's that gives what was chosen, and otherwise what another one gives."""

    def __init__(self, others: Any) -> None:
        self._others = others

    def __getattr__(self, name: str) -> Any:
        return getattr(self._others, name)

    def generate_trace_id(self) -> int:
        """A trace's ID."""
        ids: tuple[int, int] | None = getattr(_NEXT, "ids", None)
        drawn: int = self._others.generate_trace_id() if ids is None else ids[0]
        return drawn

    def generate_span_id(self) -> int:
        """A span's ID."""
        ids: tuple[int, int] | None = getattr(_NEXT, "ids", None)
        drawn: int = self._others.generate_span_id() if ids is None else ids[1]
        return drawn
