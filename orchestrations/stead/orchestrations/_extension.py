"""What makes a worker of entities one of orchestrations too: the kind of instances, and the activities that they call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from stead.entities import EntityClient
from stead.entities.extending import Registry, register_notices, resolve_call
from stead.orchestrations._activities.http_activity import NAME as HTTP
from stead.orchestrations._activities.http_activity import HttpActivity
from stead.orchestrations._activities.job import Runnable
from stead.orchestrations._activities.routes import PREFIX, Serving
from stead.orchestrations._activities.runner import ActivityRunner
from stead.orchestrations._client.schedules import DECLARED
from stead.orchestrations._execution.resolver import Types
from stead.orchestrations._history.messages import TELLS
from stead.orchestrations._instance.kind import OrchestrationKind
from stead.orchestrations._schedules.schedule import Schedule, schedule_type
from stead.transport import (
    AcknowledgedLost,
    BacklogFull,
    Backoff,
    DeclaredLimit,
    Settings,
    StoreUnavailable,
    get_logger,
)

if TYPE_CHECKING:
    from stead.entities.extending import Board, Environment, Kind, Turns
    from stead.orchestrations._definition.registry import OrchestrationRegistry


logger = get_logger("stead.worker")


class Orchestrations:
    """Adds orchestrations and activities to one `Worker`: `Worker(…, extensions=[Orchestrations(registry, settings)])`.

    `entities`: those that orchestrators may name by their classes; mostly the worker's own registry.
    `queues`: the queues from which this worker takes activities; without it the default one, "", and those that its
    activities name. The activities of other queues go to other workers, those of its own instances included. A registry
    in which nothing is registered costs nothing: it only lets instances wait for workers that know them.

    `activities` runs them: for tests it says whether it is idle, and has an interceptor, by which activities are seen, fail or are faked.
    """

    prefix: Final = ""  # instances may have any ID that no other kind's targets have

    def __init__(
        self,
        registry: OrchestrationRegistry,
        settings: Settings,
        *,
        entities: Registry | None = None,
        queues: Sequence[str] | None = None,
    ) -> None:
        activities = registry.activities()
        self._built_in = [HTTP] if activities or registry.orchestrations() else []
        if queues is None:
            queues = ["", *(activity.queue for activity in activities)] if self._built_in else []
        self._registry = registry
        self._settings = settings
        self._entities = Registry() if entities is None else entities
        self._entities.add_built_in(schedule_type())
        register_notices(self._entities)
        self._schedules = registry.schedules()
        self._types = Types(registry.activity, registry.find, partial(resolve_call, self._entities))
        self._http = HttpActivity(settings)
        names = frozenset([*self._built_in, *(activity.canonical for activity in activities)])
        plain = any(not activity.is_async for activity in activities)
        limits = [
            DeclaredLimit(activity.queue, activity.canonical, activity.numbers.text)
            for activity in activities
            if activity.numbers is not None and activity.queue in queues
        ]
        self.activities = ActivityRunner(Serving(names, frozenset(queues)), self._find, settings, plain, limits)

    def kind(self, environment: Environment) -> Kind:
        """The kind of instances."""
        return OrchestrationKind(
            self._registry,
            self._settings,
            environment.now_ms,
            self.activities.route,
            self._types,
            environment.measures,
            self.activities.limits.numbers,
        )

    def names(self) -> Mapping[str, Mapping[str, Any]]:
        """What this worker can run."""
        return {**{PREFIX + name: {"name": name, "queue": ""} for name in self._built_in}, **self._registry.published()}

    def parts(self, board: Board, turns: Turns) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """What runs beside the worker's own parts."""
        board.info[TELLS] = True
        parts = [*self.activities.attach(board, turns, self.prefix), ("activity-http", self._http.serve)]
        if any(activity.local for activity in self._registry.activities()):
            self.activities.slots.stand_by()
        if self._schedules:
            board.info[DECLARED] = sorted(self._schedules)
        if self._schedules:
            parts.append(("declarations", partial(self._declare, board)))
        return parts

    async def _declare(self, board: Board) -> None:
        """Tell the hub what this worker's code declares, once, however long that takes: with whoever joined last it goes."""
        client, backoff = EntityClient(board.store, self._entities, self._settings), Backoff(board.store.clock)
        async with client:
            while True:
                try:
                    await self._tell(client)
                    break
                except (StoreUnavailable, BacklogFull, AcknowledgedLost) as error:
                    logger.warning("what this app declares cannot be said to the hub (%s); trying again", error)
                    await board.store.clock.sleep(backoff.failed())
            await asyncio.Event().wait()

    async def _tell(self, client: EntityClient) -> None:
        """May be repeated: what has heard it already does nothing."""
        for name, spec in self._schedules.items():
            await client.signal_entity(Schedule.declare, name, spec, spec.mark())

    def _find(self, name: str) -> Runnable | None:
        """The activity of a name. An app may register its own in place of a built-in one."""
        return self._registry.activity(name) or (self._http if name.lower() in self._built_in else None)
