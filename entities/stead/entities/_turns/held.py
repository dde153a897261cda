"""Who held the worker: nothing else of it runs while user code, or one turn, does not come back to the event loop.

It is said with a limit: what blocks once usually blocks every time, and a thousand lines hide the other ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import CoroutineType
from typing import Any, cast

from stead.transport import get_logger

logger = get_logger("stead.worker")

EVERY_S = 60.0
"""How often the same thing is named."""
_NAMES_MAX = 1_000  # remembered: a function entity takes any operation name


class _Said:
    __slots__ = ("at_s", "longest_s", "times")

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        self.times = 0  # it has happened since, without being said
        self.longest_s = 0.0


class HeldReports:
    """Names who held the worker, each at most once in a while; says then how often it was not said."""

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}

    def report(self, who: str, what: str, at_s: float, seconds: float, advice: str) -> None:
        """`what` of `who` held the worker for so long, until `at_s`; `what` is the same for all of its kind."""
        said = self._said.get(what)
        if said is not None and 0 <= at_s - said.at_s < EVERY_S:
            said.times += 1
            said.longest_s = max(said.longest_s, seconds)
            return
        if said is None and len(self._said) >= _NAMES_MAX:
            self._said.clear()
        self._said[what] = _Said(at_s)
        again = ""
        if said is not None and said.times:
            again = f" ({said.times:,} times more since this was last said, up to {said.longest_s * 1000:.0f} ms)"
        logger.warning(
            "%s: %s held the worker for %.0f ms%s: nothing else of this worker ran meanwhile; %s",
            who,
            what,
            seconds * 1000,
            again,
            advice,
        )


held_reports = HeldReports()
"""Those of this process: its log is one."""


class Watched:
    """An awaitable that stands for a coroutine, and looks at the clock whenever that gives back control."""

    __slots__ = ("_coroutine", "_elapsed", "_held", "_slow_s")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, object],
        elapsed: Callable[[], float],
        slow_s: float,
        held: Callable[[float, float], None],
    ) -> None:
        """`held` is told when, and for how many seconds, if a step took longer than `slow_s`."""
        self._coroutine = coroutine
        self._elapsed = elapsed
        self._slow_s = slow_s
        self._held = held

    def __await__(self) -> Generator[Any, Any, object]:
        elapsed, slow_s, coroutine = self._elapsed, self._slow_s, self._coroutine
        error: BaseException | None = None
        value: Any = None
        while True:
            began = elapsed()
            try:
                awaited = coroutine.send(value) if error is None else coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            finally:
                ended = elapsed()
                if ended - began > slow_s:
                    self._held(ended, ended - began)
            error = value = None
            try:
                value = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - a cancellation, above all: it is the coroutine's
                error = thrown


class Stepped(Coroutine[Any, Any, object]):
    """A coroutine that tells `held` when each of its steps ended, and for how long it took."""

    __slots__ = ("_coroutine", "_elapsed", "_held")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, object],
        elapsed: Callable[[], float],
        held: Callable[[float, float], None],
    ) -> None:
        self._coroutine = coroutine
        self._elapsed = elapsed
        self._held = held

    def send(self, value: Any, /) -> Any:
        began = self._elapsed()
        try:
            return self._coroutine.send(value)
        finally:
            ended = self._elapsed()
            self._held(ended, ended - began)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, object]:
        return Watched(self._coroutine, self._elapsed, -1.0, self._held).__await__()


def watched(
    awaitable: Awaitable[object], elapsed: Callable[[], float], slow_s: float, held: Callable[[float, float], None]
) -> Awaitable[object]:
    """What to await instead of something that may block; others than coroutines run elsewhere, and are given back."""
    if isinstance(awaitable, (CoroutineType, Stepped)):
        return Watched(cast("Coroutine[Any, Any, object]", awaitable), elapsed, slow_s, held)
    return awaitable
