"""What an orchestrator sees of the world: `OrchestrationContext`. Everything that it offers is the same in a replay."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Coroutine, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from typing_extensions import TypeForm

from stead.entities import EntityId
from stead.entities.extending import SignalsLater, check_instance_id, check_models, delay_in_ms, instant_in_ms
from stead.orchestrations._definition.input import OMITTED, InstanceId
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._definition.versions import check_version
from stead.orchestrations._history.data import check_event_name
from stead.orchestrations._history.events import (
    EventSent,
    TimerCreated,
)
from stead.orchestrations._history.messages import parent_instance_of

from .asking import ask_activity, ask_entity, ask_start, ask_sub_orchestration, send_signal
from .call_http import HttpRequest, HttpResponse, begin_http
from .calls import DurableCall
from .durable_task import DurableTask
from .event_wait import event_reader, wait_for_event
from .locking import EntityLocks

if TYPE_CHECKING:
    from stead.entities import Entity
    from stead.orchestrations._definition.activity import Activity
    from stead.orchestrations._definition.orchestration import InputOptional, Orchestration

    from .commands import Commands

P = ParamSpec("P")
R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - an orchestration's input
O = TypeVar("O")  # noqa: E741 - and its output
T = TypeVar("T")
E = TypeVar("E", bound="Entity")

_logger = logging.getLogger("stead.orchestration")

_NAMESPACE = uuid.UUID("9e952958-5e33-4daf-827f-2fa12937b875")  # that of Durable Functions


class OrchestrationContext:
    """What an orchestrator sees besides its input. Valid while the orchestrator runs, and for nobody else.

    Every `call_…`, `wait_…` and `create_timer` schedules at the call and returns a `DurableTask`: await it, cancel it, or
    give it to `asyncio.gather`, `wait`, `wait_for`, `as_completed`. Used from outside it raises `ContextEnded`.
    """

    __slots__ = ("_core",)

    def __init__(self, core: Commands) -> None:
        self._core = core

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def instance_id(self) -> str:
        """The instance's ID."""
        return self._core.instance_id

    @property
    def parent_instance_id(self) -> str | None:
        """The ID of the orchestration that called this one as a sub-orchestration; None for any other."""
        return parent_instance_of(self._core.parent)

    @property
    def name(self) -> str:
        """The orchestration's name."""
        return self._core.name

    @property
    def version(self) -> str | None:
        """The version that the instance was started with. It stays, whatever code runs it."""
        return self._core.version

    @property
    def tags(self) -> dict[str, str]:
        """The tags that the instance was started with."""
        return dict(self._core.tags or {})

    @property
    def now(self) -> datetime:
        """The orchestration's time, in UTC: that of the latest event."""
        return datetime.fromtimestamp(self._core.now_ms / 1000, UTC)

    @property
    def is_replaying(self) -> bool:
        """The code does again what it has done before: guard what is neither logged nor an activity by it."""
        return self._core.replaying

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that names the instance in each line (`stead.orchestration`), and is silent in a replay."""
        return _ReplaySilentLogger(_logger, self._core)

    def new_uuid(self) -> uuid.UUID:
        """A UUID that nobody else draws, the same in a replay."""
        self._core.check()
        return uuid.uuid5(_NAMESPACE, self._core.drawn.next_uuid_name())

    @property
    def random(self) -> random.Random:
        """Random numbers that are the same in a replay."""
        self._core.check()
        return self._core.drawn.random

    def patched(self, name: str) -> bool:
        """Guard a change of the code under running instances: `if context.patched("fees"): new way; else: old way`.

        True for an instance that comes here for the first time with the changed code, which its history then says; in a
        replay, true only if its history says so. An execution sticks to its answer.
        """
        return self._core.patched(name)

    def share(self, state: T) -> T:
        """Let clients ask about an object of yours, and tell it things: the queries and updates of the orchestration are given
        it. Once, and before the first `await`. It is not stored: a replay makes it again. Gives the object.

        Raises `InvalidInput` if it comes too late, or twice.
        """
        self._core.sharing.share(state)
        return state

    # -- activities and orchestrations ---------------------------------------------------------------------------------

    @overload
    def call_activity(self, activity: Activity[P, R], /, *args: P.args, **kwargs: P.kwargs) -> DurableTask[R]: ...

    @overload
    def call_activity(self, activity: str, /, *args: Any, **kwargs: Any) -> DurableTask[Any]: ...

    def call_activity(self, activity: Any, /, *args: Any, **kwargs: Any) -> DurableTask[Any]:
        """Have an activity done, at least once: `(request_approval, expense)`, or by name `("request_approval", expense)`.

        Raises `InvalidInput` for arguments that it does not take. Awaiting it raises `ActivityFailed` if it failed for
        good, by its retry policy (`activity.with_options(retry=…)`).
        """
        return ask_activity(self._core, activity, args, kwargs)

    @overload
    def call_sub_orchestrator(self, orchestration: InputOptional[I, O], input: I = ..., /) -> DurableTask[O]: ...

    @overload
    def call_sub_orchestrator(self, orchestration: Orchestration[I, O], input: I, /) -> DurableTask[O]: ...

    @overload
    def call_sub_orchestrator(self, orchestration: str, input: Any = None, /) -> DurableTask[Any]: ...

    def call_sub_orchestrator(self, orchestration: Any, input: Any = OMITTED, /) -> DurableTask[Any]:
        """Run an orchestration, and wait for its output. Retry policy, version, tags and instance ID come from
        `orchestration.with_options(…)`; without an ID it gets one of its own, the task's `instance_id`. What becomes of it if
        this task is cancelled or this orchestration ends first: `parent_close`, an option too.

        Awaiting it raises `SubOrchestrationFailed` if it failed for good, or was terminated.
        """
        return ask_sub_orchestration(self._core, orchestration, input)

    @overload
    def start_new(
        self,
        orchestration: InputOptional[I, O],
        input: I = ...,
        /,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> InstanceId[O]: ...

    @overload
    def start_new(
        self,
        orchestration: Orchestration[I, O],
        input: I,
        /,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> InstanceId[O]: ...

    @overload
    def start_new(
        self,
        orchestration: str,
        input: Any = None,
        /,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> InstanceId[Any]: ...

    def start_new(
        self,
        orchestration: Any,
        input: Any = OMITTED,
        /,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> InstanceId[Any]:
        """Start an orchestration for which nobody waits: its instance ID. An ID that is in use starts nothing."""
        return ask_start(self._core, orchestration, input, instance_id, at, version, tags)

    def continue_as_new(
        self, input: Any = OMITTED, preserve_unprocessed_events: bool = True, *, version: str | None = None
    ) -> None:
        """Begin anew with this input and an empty history once the function returns; what it returns is then ignored.

        External events of which the code could not know yet are kept for the next execution, unless told otherwise. Whatever
        else is under way is dropped. `version`: that of the next execution, if it is to be another one.
        """
        self._core.continue_as_new(input, check_version(version), preserve_unprocessed_events)

    # -- entities ------------------------------------------------------------------------------------------------------

    @overload
    def call_entity(
        self,
        operation: Callable[Concatenate[E, P], Coroutine[Any, Any, R]],
        key: str,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> DurableTask[R]: ...

    @overload
    def call_entity(
        self, operation: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> DurableTask[R]: ...

    @overload
    def call_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> DurableTask[Any]: ...

    def call_entity(self, operation: Any, key: Any, /, *args: Any, **kwargs: Any) -> DurableTask[Any]:
        """Call an entity's operation: `(Station.mean, "oslo")`, or by name `(EntityId("Station", "oslo"), "mean")`.

        Awaiting it raises `OperationFailed` if the operation raised something, `UnknownEntity` or `UnknownOperation`.
        """
        return ask_entity(self._core, operation, key, args, kwargs)

    @overload
    def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    @overload
    def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...

    def signal_entity(self, operation: Any, key: Any, /, *args: Any, **kwargs: Any) -> None:
        """Send a signal to an entity, without waiting for it."""
        self._signal(operation, key, args, kwargs, None, None)

    def after(self, delay: timedelta) -> SignalsLater:
        """A sender of signals that arrive after a delay. None or less means at once."""
        return SignalsLater(self._signal, None, delay_in_ms(delay))

    def at(self, time: datetime) -> SignalsLater:
        """A sender of signals that arrive at a time. A time that has passed means at once."""
        return SignalsLater(self._signal, instant_in_ms(time), None)

    def _signal(
        self,
        operation: Any,
        key: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        due_ms: int | None,
        delay_ms: int | None,
    ) -> None:
        send_signal(self._core, operation, key, args, kwargs, due_ms, delay_ms)

    def lock_entities(self, *entity_ids: EntityId) -> EntityLocks:
        """A critical section: `async with context.lock_entities(a, b): …`. Inside, nobody else's operations run on these
        entities, for as long as it takes; only they may be called, and they may not be signalled.

        Raises `CriticalSectionError` within another section, `ValueError` without entities.
        """
        return EntityLocks(self._core, entity_ids)

    @property
    def is_locked(self) -> bool:
        """Whether the orchestration is in a critical section."""
        return self._core.critical.granted

    # -- time and events -----------------------------------------------------------------------------------------------

    def create_timer(self, due: datetime | timedelta) -> DurableTask[None]:
        """A timer that fires at a time, or after a while; one of the past fires at once."""
        core = self._core
        fire_at_ms = core.now_ms + delay_in_ms(due) if isinstance(due, timedelta) else instant_in_ms(due)
        timer = DurableCall(core)
        core.schedule(TimerCreated(core.now_ms, core.last_id + 1, fire_at_ms, ""), timer)
        return timer

    @overload
    def wait_for_external_event(self, name: str) -> DurableTask[Any]: ...

    @overload
    def wait_for_external_event(self, name: str, form: TypeForm[T]) -> DurableTask[T]: ...

    def wait_for_external_event(self, name: str, form: Any = Any) -> DurableTask[Any]:
        """Wait for an event that somebody raises for this instance (`client.raise_event`, `context.send_event`).

        Names are compared without regard to case. Events that nobody waits for yet are kept in their order; the first who
        waits gets the first. Awaiting it raises `InvalidInput` if the event's data is not of the type.
        """
        check_event_name(name)
        return wait_for_event(self._core, name, None if form is Any else event_reader(name, form))

    def send_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Raise an event for another instance. One that there is not gets nothing, and nobody is told."""
        core = self._core
        target = check_instance_id(instance_id)
        check_models(data, f"the data of event {check_event_name(name)!r}")
        core.schedule(EventSent(core.now_ms, core.last_id + 1, target, name, data))

    def set_custom_status(self, value: Any) -> None:
        """Show something in the instance's status: any data that can be stored, up to `custom_status_bytes_max`.

        None clears it. Raises `InvalidInput` for what is too large.
        """
        self._core.show(value)

    def call_http(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        timeout: timedelta | None = None,
        poll: bool = True,
        poll_interval: timedelta = timedelta(seconds=30),
        retry: RetryPolicy | None = None,
    ) -> DurableTask[HttpResponse]:
        """Make an HTTP request, as an activity. Any status is an answer: only a request that gets none raises
        `ActivityFailed`, after `retry`.

        A 202 with a `Location` is asked about there until it is something else, after its `Retry-After` (else
        `poll_interval`), by durable timers; `poll=False` gives the 202. `timeout` is that of one request.
        """
        request = HttpRequest(method, url, dict(headers or {}), body, timeout, poll, poll_interval, retry)
        return begin_http(self._core, request)


class _ReplaySilentLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts the instance's ID before each message, and says nothing that was said before."""

    def __init__(self, logger: logging.Logger, core: Commands) -> None:
        super().__init__(logger, {"instance_id": core.instance_id, "orchestration": core.name})
        self._core = core

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        core = self._core
        return not (core.replaying or core.dead) and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = dict(self.extra or {})
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return f"{extra['instance_id']}: {msg}", kwargs
