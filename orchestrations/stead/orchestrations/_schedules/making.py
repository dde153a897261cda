"""A schedule in the making: when is said, and what is not yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from stead.entities import EntityId
from stead.entities.extending import EntityClass, Registry, check_tags, resolve_call
from stead.orchestrations._definition.input import OMITTED, untyped_input
from stead.orchestrations._definition.orchestration import InputOptional, Orchestration
from stead.orchestrations._history.data import plain_data
from stead.transport import InvalidInput, pack_exact, unpack

from .spec import Overlap, ScheduledStart, Spec, check_schedule_name, make_timing, signal_of

P = ParamSpec("P")
E = TypeVar("E", bound=EntityClass)
I = TypeVar("I")  # noqa: E741 - it is the input
R = TypeVar("R")

_NAME_LENGTH_MAX = 256


class ScheduleOfStarts(Generic[R]):
    """A schedule that is not made before it is said what it starts."""

    def __init__(self, spec: Spec, registry: Registry, finish: Callable[[Spec], R]) -> None:
        self._spec = spec
        self._registry = registry
        self._finish = finish

    @overload
    def start_new(
        self,
        orchestration: InputOptional[I, Any],
        input: I = ...,
        *,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> R: ...

    @overload
    def start_new(
        self,
        orchestration: Orchestration[I, Any],
        input: I,
        *,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> R: ...

    @overload
    def start_new(
        self,
        orchestration: str,
        input: Any = ...,
        *,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> R: ...

    def start_new(
        self,
        orchestration: Any,
        input: Any = OMITTED,
        *,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> R:
        """Each run starts an instance of this orchestration, with the input as it is now. Raises `InvalidInput`."""
        all_tags = dict(tags or {})
        if isinstance(orchestration, Orchestration):
            definition: Orchestration[Any, Any] = orchestration  # pyright: ignore[reportUnknownVariableType]
            name, version = definition.name, version or definition.version
            given = plain_data(definition.encode_input(input))
            all_tags = {**(definition.tags or {}), **all_tags}
        elif (
            isinstance(orchestration, str)
            and 0 < len(orchestration) <= _NAME_LENGTH_MAX
            and orchestration.isprintable()
        ):
            name, given = orchestration, plain_data(untyped_input(orchestration, input))
        else:
            raise InvalidInput(
                f"orchestration {orchestration!r}", "it is none: write a function with @app.orchestration, or a name"
            )
        start = ScheduledStart(name=name, version=version, input=given, tags=check_tags(all_tags))
        return self._finish(self._spec.model_copy(update={"start": start}))


class ScheduleToMake(ScheduleOfStarts[R]):
    """A schedule that is not made before it is said what it starts, or what it sends."""

    @overload
    def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> R: ...

    def signal_entity(self, operation: Any, key: Any, /, *args: Any, **kwargs: Any) -> R:
        """Each run sends this signal, with the arguments as they are now. Raises what `client.signal_entity` does of them."""
        call = resolve_call(self._registry, operation, key, args, kwargs)
        given, named = unpack(pack_exact([list(call.args), call.kwargs]))
        signal = signal_of(call.target, call.operation_name, given, named)
        return self._finish(self._spec.model_copy(update={"signal": signal}))


class ScheduleMaker(Generic[R]):
    """Begins schedules: it is called with a name and when it is to run, and what that gives is told what to run."""

    def __init__(self, registry: Registry, begin: Callable[[str], None], finish: Callable[[str, Spec], R]) -> None:
        """`begin` hears of each, `finish` gets those that were told what to run."""
        self._registry = registry
        self._begin = begin
        self._finish = finish

    @overload
    def __call__(
        self,
        name: str,
        *,
        cron: str,
        timezone: str = "UTC",
        start: datetime | None = None,
        end: datetime | None = None,
        jitter: timedelta | None = None,
        catch_up: timedelta | None = None,
    ) -> ScheduleToMake[R]: ...

    @overload
    def __call__(
        self,
        name: str,
        *,
        every: timedelta,
        start: datetime | None = None,
        end: datetime | None = None,
        jitter: timedelta | None = None,
        catch_up: timedelta | None = None,
    ) -> ScheduleToMake[R]: ...

    @overload
    def __call__(
        self,
        name: str,
        *,
        cron: str,
        timezone: str = "UTC",
        overlap: Overlap,
        start: datetime | None = None,
        end: datetime | None = None,
        jitter: timedelta | None = None,
        catch_up: timedelta | None = None,
    ) -> ScheduleOfStarts[R]: ...

    @overload
    def __call__(
        self,
        name: str,
        *,
        every: timedelta,
        overlap: Overlap,
        start: datetime | None = None,
        end: datetime | None = None,
        jitter: timedelta | None = None,
        catch_up: timedelta | None = None,
    ) -> ScheduleOfStarts[R]: ...

    def __call__(
        self,
        name: str,
        *,
        cron: str | None = None,
        every: timedelta | None = None,
        timezone: str | None = None,
        overlap: Overlap | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        jitter: timedelta | None = None,
        catch_up: timedelta | None = None,
    ) -> Any:
        """A schedule: `("nightly", cron="0 3 * * *", timezone="Europe/Oslo").start_new(report, "all")`, or
        `.signal_entity(Station.flush, "oslo")`.

        `cron`: five fields, in the hours of `timezone`; or `every`, counted from its creation, or from `start`. Nothing is run
        before `start` and after `end`. `jitter` delays each run by up to so much. `overlap` says what happens if the run
        before is not over, of orchestrations only: "skip" (the default), "buffer_one", "allow", "terminate". `catch_up`
        (a minute): what nobody could run for so long at most is made up for. Raises `InvalidInput`.
        """
        check_schedule_name(name)
        spec = make_timing(
            cron=cron,
            every=every,
            timezone=timezone,
            start=start,
            end=end,
            jitter=jitter,
            overlap=overlap,
            catch_up=catch_up,
        )
        self._begin(name)
        kind = ScheduleToMake[R] if overlap is None else ScheduleOfStarts[R]
        return kind(spec, self._registry, lambda whole: self._finish(name, whole))
