"""Critical sections: what an orchestrator may do with entities while it holds their locks.

The messages of the errors are those of Durable Functions. How the locks are taken: `locking`.
"""

from __future__ import annotations

from collections.abc import Callable

from stead.orchestrations._history.errors import CriticalSectionError


class CriticalSections:
    """The critical section of an execution, if it is in one: the rules, without anything being sent."""

    __slots__ = ("_busy", "granted", "lock", "targets")

    def __init__(self) -> None:
        self.lock: bytes | None = None  # the ID of the request
        self.targets: tuple[str, ...] = ()
        self.granted = False
        self._busy: set[str] = set()  # locked entities with a call under way

    def enter(self, lock: bytes, targets: tuple[str, ...]) -> None:
        """The locks are asked for."""
        self.lock = lock
        self.targets = targets
        self.granted = False
        self._busy = set()

    def leave(self) -> None:
        """They are given back."""
        self.lock = None
        self.targets = ()
        self.granted = False
        self._busy = set()

    def check_enter(self) -> None:
        """Refuse a section within a section."""
        if self.lock is not None:
            raise CriticalSectionError("Must not enter another critical section from within a critical section.")

    def check_sub_orchestration(self) -> None:
        """Refuse a sub-orchestration."""
        if self.lock is not None:
            raise CriticalSectionError("While holding locks, cannot call suborchestrators.")

    def check_signal(self, target: str) -> None:
        """Refuse a signal to a locked entity."""
        if target in self.targets:
            raise CriticalSectionError("Must not signal a locked entity from a critical section.")

    def begin_call(self, target: str) -> Callable[[], None]:
        """A call begins, if it may. What is returned says that it is over."""
        if self.lock is None:
            return _nothing
        if not self.granted:
            raise CriticalSectionError("Must await the completion of the lock request prior to calling any entity.")
        if target in self._busy:
            raise CriticalSectionError(
                "Must not call an entity from a critical section while a prior call to the same entity is still pending."
            )
        if target not in self.targets:
            raise CriticalSectionError(
                "Must not call an entity from a critical section if it is not one of the locked entities."
            )
        busy = self._busy
        busy.add(target)
        return lambda: busy.discard(target)


def _nothing() -> None:
    pass
