"""Critical sections: what an orchestrator may do with entities while it holds their locks, and what it sends for them.

    async with context.lock_entities(EntityId("Account", "a"), EntityId("Account", "b")): …

The locks are taken in the order of the entities' IDs, one after the other, so that sections cannot wait for each other in a
circle. The messages of the errors are those of Durable Functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from stead.entities import EntityId
from stead.orchestrations._history.errors import CriticalSectionError
from stead.orchestrations._history.events import Event, EventType
from stead.transport import InvalidInput

from .calls import Call
from .unsupported import Halted

if TYPE_CHECKING:
    from .execution import Execution


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


class LockCall(Call):
    """The wait for the locks."""

    __slots__ = ()

    def answer(self, event: Event) -> None:
        self.core.critical.granted = True
        super().answer(event)

    def _given_up(self) -> None:
        self.core.leave_open(self.event.task_id)  # the release says it


class EntityLocks:
    """An asynchronous context manager: inside, nobody else's operations run on the entities."""

    __slots__ = ("_core", "_event", "_targets")

    def __init__(self, core: Execution, entity_ids: Iterable[EntityId]) -> None:
        targets: set[str] = set()
        for entity_id in entity_ids:
            if not isinstance(entity_id, EntityId):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidInput(f"entity {entity_id!r}", 'name it by its ID, EntityId("Account", "a")')
            targets.add(str(entity_id))
        if not targets:
            raise ValueError("lock_entities needs at least one entity")
        self._core = core
        self._targets = tuple(sorted(targets))
        self._event: Event | None = None

    async def __aenter__(self) -> None:
        core = self._core
        core.check()
        core.critical.check_enter()
        call = LockCall(core)
        lock = f"{core.execution_id}.{core.last_id + 1}".encode()
        self._event = core.schedule(EventType.LOCK_REQUESTED, (lock, list(self._targets)), call)
        core.critical.enter(self._event.fields[0], self._targets)
        try:
            await call
        except Halted:  # the code is being dropped: locks are given back by whoever ends the instance
            core.critical.leave()
            raise
        except BaseException:
            self._release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        core = self._core
        event = self._event
        core.check()
        if event is None or core.critical.lock != event.fields[0]:
            return
        granted = core.critical.granted
        core.critical.leave()
        core.schedule(EventType.UNLOCK_SENT, (event.fields[0], list(self._targets), granted))
