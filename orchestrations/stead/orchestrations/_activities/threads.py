"""The threads of plain activities.

Not a `ThreadPoolExecutor`: the interpreter waits for its threads at the end, and an activity that does not end would keep
a worker that was told to stop from ending. Nor the event loop's own threads, which users' code may need meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue


class Threads:
    """At most so many daemon threads, started as they are needed, that carry out what they are given in order."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._count = 0
        self._free = 0  # threads that wait, less what waits for them; touched by `submit` and by `done` in the loop
        self._given_up = 0
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, work: Callable[[], None]) -> None:
        """Carry out `work`, which must not raise. Say `done` once it is."""
        if self._free > 0:
            self._free -= 1
        elif self._count < self._count_max:
            self._count += 1
            name = f"stead-activity-{self._count}"
            threading.Thread(target=_carry_out, args=(self._work,), name=name, daemon=True).start()
        self._work.put(work)

    def done(self) -> None:
        """What was submitted has been carried out: a thread is free."""
        self._free += 1

    def give_up(self) -> None:
        """A thread that carries out something is not counted on any more, until it comes back."""
        self._count -= 1
        self._given_up += 1

    def came_back(self) -> None:
        """One that was given up has ended what it carried out all the same. It is of use again, or it ends."""
        if not self._given_up:
            return  # closed meanwhile
        self._given_up -= 1
        if self._count < self._count_max:
            self._count += 1
            self._free += 1
        else:
            self._work.put(None)

    def close(self) -> None:
        """Let the threads end when they have carried out what they have."""
        for _ in range(self._count + self._given_up):
            self._work.put(None)
        self._count = self._free = self._given_up = 0


def _carry_out(work: SimpleQueue[Callable[[], None] | None]) -> None:
    while (one := work.get()) is not None:
        with contextlib.suppress(BaseException):  # it must not raise; and a thread less would be waited for
            one()
        del one  # it holds arguments and results: they are not to live until the next one comes
