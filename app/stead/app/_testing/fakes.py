"""What a test sees of activities, and what runs in their place: `fake_activity`, `fail_activity`, `calls`.

All of it belongs to the hub, not to its worker: it stays when the worker is replaced.
"""

from __future__ import annotations

import inspect
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from stead.orchestrations import HttpResponse, OrchestrationRegistry, activity_context
from stead.transport import InvalidInput

P = ParamSpec("P")
R = TypeVar("R")


class _Fakeable(Protocol):
    """What is needed of an activity."""

    @property
    def name(self) -> str: ...

    @property
    def canonical(self) -> str: ...

    @property
    def is_async(self) -> bool: ...

    def encode_result(self, value: Any) -> Any: ...


class _HttpCalls:
    """The activity behind `context.call_http`: its results are `HttpResponse`s to whoever fakes it, and maps to the worker."""

    name = "call_http"
    canonical = "stead.http"
    is_async = True

    def encode_result(self, value: Any) -> Any:
        if not isinstance(value, HttpResponse):
            raise InvalidInput("fake of call_http", f"it gives an HttpResponse, not {value!r}")
        headers = {name.lower(): text for name, text in value.headers.items()}
        return {"status": value.status, "headers": headers, "body": value.body}


_HTTP = _HttpCalls()


@dataclass(frozen=True, slots=True)
class ObservedCall:
    """One call of an activity that a worker has made, or has had a fake or an error make in its place.

    The arguments are as the activity got them, of its own types. `attempt` counts from 1 by the retry policy.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    instance_id: str = ""
    attempt: int = 1


class FakeActivity(Generic[P, R]):
    """What is to run in place of an activity, for as long as the hub is there. Made by `TestHub.fake_activity`; nothing is
    faked until one of these is called, and what is called last holds.

    The value stands in a call of its own: beside the activity, type checkers would take any value for one of a result that
    is `object`.
    """

    def __init__(self, activity: _Fakeable, install: Callable[[Callable[..., Any]], None]) -> None:
        self._activity = activity
        self._install = install

    def __repr__(self) -> str:
        return f"<fake of {self._activity!r}>"

    def returns(self, value: R) -> None:
        """Let it give this value. Raises `InvalidInput` here if the activity may not."""
        self._activity.encode_result(value)
        self._install(
            _asynchronous(lambda *args, **kwargs: value) if self._activity.is_async else lambda *args, **kwargs: value
        )

    def calls(self, function: Callable[P, R] | Callable[P, Awaitable[R]]) -> None:
        """Let it call this function with the activity's arguments. In place of an `async def` it runs in the event loop and may
        be one too; in place of a `def` it runs in a thread and has to be a `def`."""
        if self._activity.is_async:
            self._install(_asynchronous(function))
        elif inspect.iscoroutinefunction(function):
            raise InvalidInput(
                f"fake of activity {self._activity.name}",
                "the activity is a plain `def`, which runs in a thread: write its fake as a `def` too",
            )
        else:
            self._install(function)


class Activities:
    """What a hub's test has said of activities, and what has become of them."""

    def __init__(self, registry: Callable[[], OrchestrationRegistry]) -> None:
        """`registry` gives what the present worker knows."""
        self._registry = registry
        self._calls: dict[str, list[ObservedCall]] = defaultdict(list)
        self._fakes: dict[str, Callable[..., Any]] = {}
        self._faults: dict[str, deque[BaseException]] = defaultdict(deque)

    def fake(self, activity: Any) -> FakeActivity[..., Any]:
        found = self._find(activity)
        return FakeActivity(found, partial(self._install, found))

    def _install(self, activity: _Fakeable, function: Callable[..., Any]) -> None:
        self._fakes[activity.canonical] = _as_map(function) if activity is _HTTP else function

    def fail(self, activity: Any, error: BaseException, times: int) -> None:
        if _is_http(activity):
            name = _HTTP.canonical
        else:
            name = activity if isinstance(activity, str) else activity.name
        self._faults[name.lower()].extend([error] * times)

    def calls(self, activity: Any) -> list[ObservedCall]:
        return list(self._calls[self._find(activity).canonical])

    def _find(self, activity: Any) -> _Fakeable:
        """The activity that is registered by that name: another one would never run, and its fake neither."""
        if _is_http(activity):
            return _HTTP
        name = activity if isinstance(activity, str) else activity.name
        registry = self._registry()
        found = registry.activity(name)
        if found is None:
            known = ", ".join(registry.activity_names()) or "none"
            raise InvalidInput(f"activity {name!r}", f"the app of this TestHub has no such activity (it has: {known})")
        return found

    def intercept(self, name: str, call: partial[Any]) -> Callable[[], Any]:
        """Runs where the activity runs: in the event loop, or in a thread. See `ActivitySlots.intercept`."""
        context = activity_context()
        self._calls[name].append(ObservedCall(call.args, dict(call.keywords), context.instance_id, context.attempt))
        faults = self._faults.get(name)
        if faults:
            return partial(_raise, faults.popleft())
        fake = self._fakes.get(name)
        return call if fake is None else partial(fake, *call.args, **call.keywords)


def _as_map(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return _HTTP.encode_result(await function(*args, **kwargs))

    return call


def _is_http(activity: object) -> bool:
    return activity == _HTTP.name


def _asynchronous(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        return await made if inspect.isawaitable(made) else made

    return call


def _raise(error: BaseException) -> None:
    raise error
