"""What can go wrong with a server, on demand: for tests of everything above the transport.

A fault is named by the method of the store that it befalls ("enqueue", "commit", "renew", …). Those given for a method
befall its next calls, in the order given; then calls go well again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one call."""

    delay_seconds: float = 0.0  # by the store's clock, before the step
    refused: bool = False  # `ConnectionLost` before anything was done
    lost: bool = False  # the step is carried out, then `ConnectionLost`
    parts: int | None = None  # of a pipeline (enqueue, commit): only so many parts arrive at the server


class Faults:
    """The faults that await a `MemoryStore`'s callers."""

    def __init__(self) -> None:
        self.full = False
        """The server's memory is full: every batch is answered with `FULL`, but for those that free memory."""
        self.choose: Callable[[str], Fault | None] | None = None
        """Asked for every call that no other fault befalls: for simulations that draw their faults from a seed."""
        self.calls: dict[str, int] = {}
        """How often each method has been called."""
        self._planned: dict[str, deque[Fault]] = {}

    def lose_answers(self, method: str, count: int = 1, *, parts: int | None = None) -> None:
        """The next `count` calls are carried out, or the first `parts` parts of them, but their answers are lost."""
        self._plan(method, Fault(lost=True, parts=parts), count)

    def refuse(self, method: str, count: int = 1) -> None:
        """The next `count` calls do not reach the server."""
        self._plan(method, Fault(refused=True), count)

    def delay(self, method: str, seconds: float, count: int = 1) -> None:
        """The next `count` calls reach the server late."""
        self._plan(method, Fault(delay_seconds=seconds), count)

    def clear(self) -> None:
        """From now on all goes well."""
        self.full = False
        self.choose = None
        self._planned.clear()

    def _plan(self, method: str, fault: Fault, count: int) -> None:
        self._planned.setdefault(method, deque()).extend([fault] * count)

    def take(self, method: str) -> Fault | None:
        """What befalls a call that begins now. For the store."""
        self.calls[method] = self.calls.get(method, 0) + 1
        planned = self._planned.get(method)
        if planned:
            return planned.popleft()
        return self.choose(method) if self.choose is not None else None
