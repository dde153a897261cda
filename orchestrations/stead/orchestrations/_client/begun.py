"""What a client has started and not waited for yet; and whether a start says by itself who waits for the end.

    start ── waiter ──▶ record.waiters ── the instance ends ──▶ answer       spares a WAIT message: an enqueue and a commit

Whoever starts an instance does not say whether it will wait. So a client goes by what it did last: if that start was waited for,
the next one carries the address of an answer. One too many costs little: the first answer for which nobody waits is thrown
away, and the starts after it carry none.

A worker of an earlier version passes the address over. Workers that do not say so in what they tell of themselves; as long as there is
such a one, whoever waits sends its WAIT as well.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NamedTuple

from stead.entities.extending import Calls, PendingCall
from stead.orchestrations._history.messages import TELLS, WAIT
from stead.transport import SteadError, Store

from .queries import Look, instance_error

BEGUN_MAX = 5_000
WORKERS_KEEP_S = 10.0
"""How long what workers have told of themselves is believed."""


class Begun(NamedTuple):
    """An instance that was started: as a look would see it, and the call that its end answers, if it does."""

    look: Look
    told: PendingCall | None
    generation: int  # of the server that was to take the start


class BegunInstances:
    """Those of one client."""

    def __init__(self, store: Store, calls: Calls) -> None:
        self._store = store
        self._calls = calls
        self._begun: dict[str, Begun] = {}
        self._waits = False  # the last start that came to something was waited for
        self._all_tell = False
        self._looked_s: float | None = None

    async def call(self, instance_id: str) -> PendingCall | None:
        """What the end of an instance that is to be started will answer; None: nobody is expected to wait for it."""
        return await self.wait(instance_id) if self._waits else None

    async def wait(self, instance_id: str) -> PendingCall:
        """A call that is answered by the end of an instance, however late that comes."""
        return await self._calls.begin(instance_id, WAIT, patient=True, as_error=instance_error)

    def note(self, begun: Begun) -> None:
        """An instance was started."""
        instance_id = begun.look.instance_id
        self._forget(instance_id)
        self._begun[instance_id] = begun
        if begun.told is not None:
            begun.told.future.add_done_callback(partial(self._answered, begun))
        if len(self._begun) > BEGUN_MAX:
            self._forget(next(iter(self._begun)))

    def take(self, instance_id: str) -> Begun | None:
        """The instance of an ID, if it is among those begun: somebody waits for it."""
        begun = self._begun.pop(instance_id, None)
        if begun is not None:
            self._waits = True
        return begun

    async def all_workers_tell(self) -> bool:
        """Whether every worker that lives tells those of whom a start says that they wait."""
        now_s = self._store.clock.monotonic()
        if self._looked_s is None or now_s - self._looked_s >= WORKERS_KEEP_S:
            self._looked_s = now_s  # others go by what was known before, while this one looks
            try:
                workers = await self._store.workers()
            except SteadError:
                workers = []
            self._all_tell = bool(workers) and all(worker.info.get(TELLS) is True for worker in workers)
        return self._all_tell

    def _forget(self, instance_id: str) -> None:
        begun = self._begun.pop(instance_id, None)
        if begun is not None and begun.told is not None:
            self._unwanted(begun.told)

    def _answered(self, begun: Begun, _: asyncio.Future[Any]) -> None:
        """The instance has ended (or the client). What it answered may be large: it is not kept for whoever may come."""
        instance_id = begun.look.instance_id
        if begun.told is not None and self._begun.get(instance_id) is begun:
            self._begun[instance_id] = begun._replace(told=None)
            self._unwanted(begun.told)

    def _unwanted(self, told: PendingCall) -> None:
        self._waits = False
        self._calls.end(told)
