"""How an orchestrator takes and gives back the locks of entities: `async with context.lock_entities(…)`.

The locks are taken in the order of the entities' IDs, one after the other, so that sections cannot wait for each other in a
circle. What may be done meanwhile: `sections`.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from stead.entities import EntityId
from stead.orchestrations._history.events import EntityLockRequested, EntityUnlockSent, Event
from stead.transport import InvalidInput

from .calls import DurableCall
from .unsupported import Halted

if TYPE_CHECKING:
    from .commands import Commands


class LockCall(DurableCall):
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

    def __init__(self, core: Commands, entity_ids: Iterable[EntityId]) -> None:
        targets: set[str] = set()
        for entity_id in entity_ids:
            if not isinstance(entity_id, EntityId):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidInput(f"entity {entity_id!r}", 'name it by its ID, EntityId("Account", "a")')
            targets.add(str(entity_id))
        if not targets:
            raise ValueError("lock_entities needs at least one entity")
        self._core = core
        self._targets = tuple(sorted(targets))
        self._event: EntityLockRequested | None = None

    async def __aenter__(self) -> None:
        core = self._core
        core.check()
        core.critical.check_enter()
        call = LockCall(core)
        lock = f"{core.execution_id}.{core.last_id + 1}".encode()
        request = EntityLockRequested(core.now_ms, core.last_id + 1, lock, list(self._targets))
        self._event = core.schedule(request, call)
        core.critical.enter(self._event.lock, self._targets)
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
        if event is None or core.critical.lock != event.lock:
            return
        granted = core.critical.granted
        core.critical.leave()
        core.schedule(EntityUnlockSent(core.now_ms, core.last_id + 1, event.lock, list(self._targets), granted))
