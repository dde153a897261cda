"""What `@app.activity` makes of a function: `Activity[P, R]`.

It has its function's parameters, a `ParamSpec`. Its options come from `with_options`, never with a call. Arguments are checked
twice: where they are given, so that a mistake is the caller's error, and where they arrive, because the sender may be older
than the code here.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload

from stead.entities.extending import Parameters, check_tags, encoded, signature_of, value_of, with_own_defaults
from stead.transport import InvalidInput

from .activity_limits import LimitKey, check_priority, make_limits
from .limits import check_time_out
from .local import contradiction, refuse_definition, refuse_options
from .retry import check_retry
from .signature import Decorated, awaited_type, check_function, decoded, hints_of, is_async, name_of, with_self

if TYPE_CHECKING:
    from .retry import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

QUEUE_LENGTH_MAX = 100


class Activity(Decorated, Generic[P, R_co]):
    """A function that does the work of orchestrations: it may do what it likes, and runs at least once for each call.

    `@app.activity` makes one. Called itself, it is the function: `await request_approval(expense)` in a test.
    """

    def __init__(
        self,
        function: Callable[P, object],
        name: str | None = None,
        *,
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
    ) -> None:
        """Raises `InvalidDefinition` for a function that cannot be one, `InvalidInput` for a bad name or option."""
        found = check_function("activity", function)
        self.name, self.canonical = name_of("activity", found, name)
        self.function = cast("Callable[P, object]", with_own_defaults(found))
        self.retry = check_retry(retry)
        self.queue = _check_queue(queue)
        self.tags: Mapping[str, str] | None = check_tags(tags)
        self.timeout_ms = check_time_out("timeout", timeout)
        self.heartbeat_ms = check_time_out("heartbeat_timeout", heartbeat_timeout)
        self.total_ms = check_time_out("total_timeout", total_timeout)
        self.await_cleanup = check_flag("await_cleanup", await_cleanup)
        self.limits = make_limits(self.name, found, concurrency, rate, key)
        self.numbers = None if self.limits is None else self.limits.numbers  # what they allow: asked for each task
        self.priority = 0
        what = f"activity {self.name}"
        hints = hints_of(found, what)
        result = hints.get("return", Any)
        self.is_async = is_async(found, result)
        self.local = check_flag("local", local)
        refuse_definition(self.name, self._contradiction())
        self._signature = signature_of(found)
        self._parameters = Parameters(with_self(found), hints, what)
        self._result = value_of(awaited_type(result), f"the result of {what}")
        self._result_name = f"the result of {what}"
        functools.update_wrapper(cast("Any", self), found, updated=())

    def __repr__(self) -> str:
        return f"<activity {self.name}>"

    def _contradiction(self) -> tuple[str, str] | None:
        if not self.local:
            return None
        return contradiction(
            is_async=self.is_async, queue=self.queue, heartbeat_ms=self.heartbeat_ms, limits=self.limits
        )

    def with_options(
        self,
        *,
        retry: RetryPolicy | None = None,
        queue: str | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: timedelta | None = None,
        heartbeat_timeout: timedelta | None = None,
        total_timeout: timedelta | None = None,
        priority: int | None = None,
        await_cleanup: bool | None = None,
        local: bool | None = None,
    ) -> Self:
        """The same activity, called with other options: what is given replaces what the decorator said.

        `retry`: when it is tried again; `queue`: only workers that serve it run it; `tags`: text by text, seen in the
        history and by the activity; `timeout`: how long an attempt may run; `heartbeat_timeout`: how long it may run without
        an `activity_context().heartbeat()`; `total_timeout`: how long all of it may take, waiting and retries included;
        `priority`: of those that wait behind the same limit (`concurrency`, `rate`) the one with the highest goes first, 0
        without; `await_cleanup`: who cancels it waits until it has ended; `local`: whether it may begin before the commit that
        schedules it, as `App.activity` describes it. Raises `InvalidInput`.
        """
        changed = copy.copy(self)
        changed.retry = self.retry if retry is None else check_retry(retry)
        if queue is not None:
            if self.limits is not None and queue != self.queue:
                raise InvalidInput(
                    f"queue={queue!r}",
                    f"the limits of activity {self.name!r} hold for all of it, in the one queue that its decorator names "
                    f"({self.queue!r})",
                )
            changed.queue = _check_queue(queue)
        changed.tags = self.tags if tags is None else check_tags(tags)
        if timeout is not None:
            changed.timeout_ms = check_time_out("timeout", timeout)
        if heartbeat_timeout is not None:
            changed.heartbeat_ms = check_time_out("heartbeat_timeout", heartbeat_timeout)
        if total_timeout is not None:
            changed.total_ms = check_time_out("total_timeout", total_timeout)
        if await_cleanup is not None:
            changed.await_cleanup = check_flag("await_cleanup", await_cleanup)
        if priority is not None:
            changed.priority = check_priority(priority, self.limits is not None, self.name)
        if local is not None:
            changed.local = check_flag("local", local)
        refuse_options(self.name, changed._contradiction())
        return changed

    def limit_of(self, args: Sequence[object], kwargs: Mapping[str, object] | None) -> str | None:
        """The limit behind which a call is, of its arguments of plain data; None if there is none. Raises `InvalidInput`."""
        if self.limits is None:
            return None
        if self.limits.key is None:
            return self.limits.limit(self.canonical, self._signature, (), {})
        call = self.prepare(args, kwargs)
        return self.limits.limit(self.canonical, self._signature, call.args, call.keywords)

    def encode_arguments(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[list[object], dict[str, object] | None]:
        """Arguments, checked and as plain data. Raises `InvalidInput` that names the one that is wrong."""
        return self._parameters.encode(args, kwargs)

    def prepare(self, args: Sequence[object], kwargs: Mapping[str, object] | None) -> functools.partial[Any]:
        """The function with its arguments of plain data, ready to be called. Raises `InvalidInput`."""
        bound, named = self._parameters.bind(args, kwargs)
        function: Any = self.function
        return functools.partial(function, *bound, **named)

    def encode_result(self, value: object) -> Any:
        """A result as plain data. Raises `InvalidInput` if it is not what the annotation says."""
        return encoded(value, self._result, self._result_name)

    def decode_result(self, value: object) -> Any:
        """A result of plain data, of the annotated type. Raises `InvalidInput` if it does not fit."""
        return value if type(value) is self._result.kind else decoded(value, self._result, self._result_name)


class AsyncActivity(Activity[P, R_co]):
    """An activity that is an `async def`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        return cast("Coroutine[Any, Any, R_co]", self.function(*args, **kwargs))


class PlainActivity(Activity[P, R_co]):
    """An activity that is a `def`: it runs in a thread."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return cast("R_co", self.function(*args, **kwargs))


class ActivityDecorator(Protocol):
    """What `@app.activity(…)` with options gives."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # first match counts
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncActivity[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> PlainActivity[P, R]: ...


def make_activity(
    function: Callable[..., Any],
    name: str | None = None,
    *,
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
) -> Activity[..., Any]:
    """The activity that a function is. Raises like `Activity`."""
    form = AsyncActivity[..., Any] if inspect.iscoroutinefunction(function) else PlainActivity[..., Any]
    return form(
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


def check_flag(name: str, value: bool) -> bool:
    """An option that is set or not. Raises `InvalidInput`."""
    if type(value) is not bool:  # pyright: ignore[reportUnnecessaryComparison]
        raise InvalidInput(f"{name}={value!r}", "it is True or False")
    return value


def _check_queue(queue: str) -> str:
    if not isinstance(queue, str) or len(queue) > QUEUE_LENGTH_MAX or not queue.isprintable():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"queue {queue!r}", f"a queue's name has at most {QUEUE_LENGTH_MAX} printable characters")
    return queue
