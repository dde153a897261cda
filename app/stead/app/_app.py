"""`App`: a task hub's name, its settings, and the kinds that this program defines."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, ParamSpec, TypeVar, overload

from stead.app._hub.client import Connecting
from stead.app._hub.definitions import Definitions
from stead.app._hub.environment import settings_from_environment, warn_of_unknown_variables
from stead.app._hub.worker_run import WorkerRun
from stead.app._sync.client import SyncClient
from stead.entities import ClassEntityType, Entity, EntityContext, FunctionEntityType, MergedEntity, Registry
from stead.orchestrations import (
    ActivityDecorator,
    AsyncActivity,
    FunctionWithDefault,
    InputOptional,
    LimitKey,
    Orchestration,
    OrchestrationContext,
    OrchestrationDecorator,
    OrchestrationRegistry,
    PlainActivity,
    RetryPolicy,
    ScheduleMaker,
    check_determinism,
    make_activity,
    make_orchestration,
)
from stead.transport import InvalidInput, Settings, check_hub_name

E = TypeVar("E", bound=Entity)
M = TypeVar("M", bound=MergedEntity)
F = TypeVar("F", bound=Callable[[EntityContext], object])
P = ParamSpec("P")
R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - it is the input
O = TypeVar("O")  # noqa: E741 - it is the output


class App:
    """A task hub as a program sees it.

    Two apps with the same name and the same server are the same hub, in one process or in many. Making an app opens
    nothing: `connect`, `connect_sync` and `worker` do.

        app = App("weather")
    """

    def __init__(
        self,
        name: str,
        *,
        settings: Settings | None = None,
        on_nondeterminism: Literal["fail", "block"] | None = None,
    ) -> None:
        """`name`: a letter, then letters, digits and "-"; 3 to 45 characters. Without `settings` the environment's.
        `on_nondeterminism`: in place of what they say of that. Raises `InvalidInput`."""
        check_hub_name(name, "app")
        self.name = name
        self.reference = "APP"
        """What commands call it, `MODULE:ATTRIBUTE`, for advice; as a word to be replaced, until one has loaded it."""
        self.settings = settings_from_environment() if settings is None else settings
        if on_nondeterminism is not None:
            if on_nondeterminism not in ("fail", "block"):
                raise InvalidInput(f"on_nondeterminism={on_nondeterminism!r}", 'write "fail" or "block"')
            self.settings = self.settings.model_copy(update={"on_nondeterminism": on_nondeterminism})
        warn_of_unknown_variables()
        self.registry = Registry()
        self.orchestrations = OrchestrationRegistry(self.settings)

    def __repr__(self) -> str:
        return f"App({self.name!r})"

    def _definitions(self) -> Definitions:
        return Definitions(self.name, self.settings, self.registry, self.orchestrations)

    @overload
    def entity(self, cls: type[E], /) -> type[E]: ...

    @overload
    def entity(
        self, *, name: str | None = None, expires_after: timedelta | None = None, changes: timedelta | None = None
    ) -> Callable[[type[E]], type[E]]: ...

    @overload
    def entity(self, *, name: str | None = None, shards: int) -> Callable[[type[M]], type[M]]: ...

    def entity(
        self,
        cls: Any = None,
        *,
        name: str | None = None,
        expires_after: timedelta | None = None,
        changes: timedelta | None = None,
        shards: int | None = None,
    ) -> Any:
        """Define a class entity: its fields are the state, its public methods the operations.

        Its name is the class's, or `name`. `changes`: for how long the hub keeps what has changed, for `client.changes`. Everything that cannot work (see the reference) is refused here, at the
        definition.

        `expires_after`: an entity is deleted when no operation of it has run for so long, and at most a tenth longer. A method
        `on_expire(self) -> timedelta | None` is run then, which may keep it for some time. A reminder that repeats keeps it.

        `shards`: each entity is kept in so many parts, which run on as many workers. A signal goes to one of them, a `delete` to
        all; who reads it gets what the class method `merge` makes of them. It can be neither called nor locked. The number can
        grow, and the hub remembers the largest.
        """

        def define(entity_class: type[E]) -> type[E]:
            kind = ClassEntityType(entity_class, name, expires_after=expires_after, changes=changes, shards=shards)
            self.registry.add(kind)
            return entity_class

        return define if cls is None else define(cls)

    def entity_function(self, name: str) -> Callable[[F], F]:
        """Define an entity whose operations are all carried out by one function of an `EntityContext`."""

        def define(function: F) -> F:
            self.registry.add(FunctionEntityType(name, function))
            return function

        return define

    @overload
    def activity(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # first match counts
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncActivity[P, R]: ...

    @overload
    def activity(self, function: Callable[P, R], /) -> PlainActivity[P, R]: ...

    @overload
    def activity(
        self,
        /,
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        queue: str = "",
        tags: Mapping[str, str] | None = None,
        timeout: timedelta | None = None,
        heartbeat_timeout: timedelta | None = None,
        total_timeout: timedelta | None = None,
        concurrency: int | None = None,
        rate: str | None = None,
        key: LimitKey | None = None,
        await_cleanup: bool = False,
        local: bool = False,
    ) -> ActivityDecorator: ...

    def activity(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        queue: str = "",
        tags: Mapping[str, str] | None = None,
        timeout: timedelta | None = None,
        heartbeat_timeout: timedelta | None = None,
        total_timeout: timedelta | None = None,
        concurrency: int | None = None,
        rate: str | None = None,
        key: LimitKey | None = None,
        await_cleanup: bool = False,
        local: bool = False,
    ) -> Any:
        """Define an activity: a function that does the work of orchestrations, and may do whatever it likes.

        An `async def` runs in the worker's event loop, a `def` in a thread. It runs at least once for each call: more often
        if a worker dies while it runs. `name`: else the function's; `retry`: when it is tried again after a failure; `queue`:
        only workers that serve that queue run it; `tags`: text by text, seen in the history; `timeout`: how long an attempt
        may run; `heartbeat_timeout`: how long one may run without an `activity_context().heartbeat()`; `total_timeout`: how
        long all of it may take, waiting and retries included; `await_cleanup`: who cancels it waits until it has ended, so
        that what it cleans up is cleaned up then. `with_options` overrides these, but for the name, for one call.

        `local`: it may begin before the commit that schedules it. If it ends without waiting, one commit has that and its result,
        and the orchestration goes on at once; from its first wait on it is as any other. An attempt that is not committed leaves
        no trace, and its orchestration may go another way the next time: to read, to compute, for what may be repeated and
        forgotten; not to move money. `async def` only, without queue, limits and heartbeat's time-out.

        Limits over the whole hub: `concurrency`: at most so many run at once; `rate`: at most so many begin within a time,
        evenly spread, as "100/min"; `key`: a function of the call's arguments, for each value of which they hold by themselves
        (`key=lambda order: order.shop`). What is over a limit waits in its queue, where instances take turns, and what has more
        `with_options(priority=…)` goes first. It runs on any worker that serves the queue.

        Raises `InvalidDefinition` for a function that cannot be one, and `InvalidInput` for a bad name or option.
        """

        def define(function: Callable[..., Any]) -> Any:
            activity = make_activity(
                function,
                name,
                retry=retry,
                queue=queue,
                tags=tags,
                timeout=timeout,
                heartbeat_timeout=heartbeat_timeout,
                total_timeout=total_timeout,
                concurrency=concurrency,
                rate=rate,
                key=key,
                await_cleanup=await_cleanup,
                local=local,
            )
            self.orchestrations.add_activity(activity)
            return activity

        return define if function is None else define(function)

    @overload
    def orchestration(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # first match counts
        self, function: FunctionWithDefault[I, O], /
    ) -> InputOptional[I, O]: ...

    @overload
    def orchestration(
        self, function: Callable[[OrchestrationContext], Coroutine[Any, Any, O]], /
    ) -> InputOptional[None, O]: ...

    @overload
    def orchestration(
        self, function: Callable[[OrchestrationContext, I], Coroutine[Any, Any, O]], /
    ) -> Orchestration[I, O]: ...

    @overload
    def orchestration(
        self,
        /,
        *,
        name: str | None = None,
        version: str | None = None,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> OrchestrationDecorator: ...

    def orchestration(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        version: str | None = None,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Any:
        """Define an orchestration: an `async def` that takes its context and at most one input.

        Its code is run again to come back to where it was, so it has to do the same every time: what reads clocks, random
        numbers, files or the network belongs into activities. What can be seen of that here is a `NonDeterminismWarning`,
        or an error (`STEAD_DETERMINISM`).

        `name`: else the function's; `version`: several versions of one name may stand side by side, and an instance runs on
        its own as long as it lasts; `retry`, as a sub-orchestration; `tags`: text by text, seen in the status.
        `with_options` overrides all but the name for one call.

        Raises `InvalidDefinition` for a function that cannot be one, `InvalidInput` for a bad name or option, and
        `NotDeterministic`.
        """

        def define(function: Callable[..., Any]) -> Any:
            orchestration = make_orchestration(function, name, version=version, retry=retry, tags=tags)
            check_determinism(orchestration.name, function, self.settings.determinism)
            orchestration.check_update = lambda name, update: check_determinism(name, update, self.settings.determinism)
            self.orchestrations.add_orchestration(orchestration)
            return orchestration

        return define if function is None else define(function)

    @property
    def schedule(self) -> ScheduleMaker[None]:
        """Declare a schedule: `app.schedule("nightly", cron="0 3 * * *").start_new(report, "all")`, or `.signal_entity(…)`. Its
        options are those of `ScheduleMaker`.

        A worker that joins the hub makes it, or changes it if it was declared otherwise before. One that is no longer
        declared goes on, and is shown as orphaned, until it is deleted. Raises `InvalidDefinition` if its name is declared
        twice; without its last call the app's clients and workers do not start.
        """
        declared = self.orchestrations
        return ScheduleMaker(self.registry, declared.begin_schedule, declared.add_schedule)

    def connect(self, url: str | None = None) -> Connecting:
        """A client: `async with app.connect() as client:`. Without `url`: $STEAD_URL, else `embedded://./.stead`."""
        return Connecting(self._definitions(), url)

    def connect_sync(self, url: str | None = None) -> SyncClient:
        """The same client without `await`, for Django, Flask and scripts; may be used from many threads."""
        return SyncClient(self._definitions(), url)

    def worker(
        self, url: str | None = None, *, name: str | None = None, queues: Sequence[str] | None = None
    ) -> WorkerRun:
        """A worker for this app's kinds.

        `async with app.worker() as worker:` runs it beside the block; `await app.worker().run()` runs it until it is
        stopped or the process gets SIGTERM or SIGINT. `name` is what `stead info` shows; it must be unique in the hub.
        `queues`: the queues from which it takes activities; without it the default one ("") and those that the app's
        activities name.
        """
        return WorkerRun(self._definitions(), url, name, queues)
