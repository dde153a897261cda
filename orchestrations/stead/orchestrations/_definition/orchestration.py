"""What `@app.activity` and `@app.orchestration` make of a function: `Activity[P, R]` and `Orchestration[I, O]`.

Arguments are checked twice: where they are given, so that a mistake is the caller's error, and where they arrive, because the
sender may be older than the code here. The types are known to type checkers at every call:

1. An activity has its function's parameters, a `ParamSpec`. Its options come from `with_options`, never with a call.
2. An orchestration has one input, because the calls that start one have options of their own. `InputOptional` is one whose
   input may be left out: the function has none, or a default for it.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload

from stead.entities import InvalidDefinition
from stead.entities.extending import (
    ClientText,
    Parameters,
    check_instance_id,
    check_tags,
    encoded,
    signature_of,
    takes_anything,
    value_of,
    with_own_defaults,
)
from stead.transport import InvalidInput

from .retry import check_retry
from .signature import (
    accepts_none,
    awaited_type,
    check_function,
    decoded,
    hints_of,
    is_async,
    name_of,
    with_self,
)
from .versions import check_version

if TYPE_CHECKING:
    from stead.orchestrations._execution.context import OrchestrationContext

    from .retry import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
I = TypeVar("I")  # noqa: E741 - it is the input
I_contra = TypeVar("I_contra", contravariant=True)
O = TypeVar("O")  # noqa: E741 - it is the output
O_co = TypeVar("O_co", covariant=True)

QUEUE_LENGTH_MAX = 100


class InstanceId(str, Generic[O_co]):
    """An instance's ID that knows the type of the instance's output; otherwise it is the text that it is."""

    __slots__ = ()


class _Omitted:
    """The type of `OMITTED`."""

    def __repr__(self) -> str:
        return "..."


OMITTED: Final[Any] = _Omitted()
"""Stands for an input that was left out."""


# -- activities --------------------------------------------------------------------------------------------------------


class Activity(Generic[P, R_co]):
    """A function that does the work of orchestrations: it may do what it likes, and runs at least once for each call.

    `@app.activity` makes one. Called itself, it is the function: `await request_approval(expense)` in a test.
    """

    __name__: str
    name: str
    canonical: str

    def __init__(
        self,
        function: Callable[P, object],
        name: str | None = None,
        *,
        retry: RetryPolicy | None = None,
        queue: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Raises `InvalidDefinition` for a function that cannot be one, `InvalidInput` for a bad name or option."""
        if isinstance(function, (Activity, Orchestration)):
            raise InvalidDefinition(f"activity {function.name}", "it has been decorated already")
        found = check_function("activity", function)
        self.name, self.canonical = name_of("activity", found, name)
        self.function = cast("Callable[P, object]", with_own_defaults(found))
        self.retry = check_retry(retry)
        self.queue = _check_queue(queue)
        self.tags: Mapping[str, str] | None = check_tags(tags)
        what = f"activity {self.name}"
        hints = hints_of(found, what)
        result = hints.get("return", Any)
        self.is_async = is_async(found, result)
        self._parameters = Parameters(with_self(found), hints, what)
        self._result = value_of(awaited_type(result), f"the result of {what}")
        self._result_name = f"the result of {what}"
        functools.update_wrapper(cast("Any", self), found, updated=())

    def __repr__(self) -> str:
        return f"<activity {self.name}>"

    def with_options(
        self, *, retry: RetryPolicy | None = None, queue: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Self:
        """The same activity, called with other options: what is given replaces what the decorator said.

        `retry`: when it is tried again; `queue`: only workers that serve it run it; `tags`: text by text, seen in the
        history and by the activity. Raises `InvalidInput`.
        """
        changed = copy.copy(self)
        changed.retry = self.retry if retry is None else check_retry(retry)
        changed.queue = self.queue if queue is None else _check_queue(queue)
        changed.tags = self.tags if tags is None else check_tags(tags)
        return changed

    def encode_arguments(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[list[object], dict[str, object] | None]:
        """Arguments, checked and as plain data. Raises `InvalidInput` that names the one that is wrong."""
        return self._parameters.encode(args, kwargs)

    def prepare(self, args: Sequence[object], kwargs: Mapping[str, object] | None) -> Callable[[], Any]:
        """The function with its arguments of plain data, ready to be called. Raises `InvalidInput`."""
        bound, named = self._parameters.bind(args, kwargs)
        return functools.partial(cast("Callable[..., Any]", self.function), *bound, **named)

    def encode_result(self, value: object) -> Any:
        """A result as plain data. Raises `InvalidInput` if it is not what the annotation says."""
        return encoded(value, self._result, self._result_name)

    def decode_result(self, value: object) -> Any:
        """A result of plain data, of the annotated type. Raises `InvalidInput` if it does not fit."""
        return decoded(value, self._result, self._result_name)


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
) -> Activity[..., Any]:
    """The activity that a function is. Raises like `Activity`."""
    if inspect.iscoroutinefunction(function):
        return AsyncActivity[..., Any](function, name, retry=retry, queue=queue, tags=tags)
    return PlainActivity[..., Any](function, name, retry=retry, queue=queue, tags=tags)


def _check_queue(queue: str) -> str:
    if not isinstance(queue, str) or len(queue) > QUEUE_LENGTH_MAX or not queue.isprintable():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"queue {queue!r}", f"a queue's name has at most {QUEUE_LENGTH_MAX} printable characters")
    return queue


# -- orchestrations ----------------------------------------------------------------------------------------------------


class Orchestration(Generic[I, O_co]):
    """A workflow written as an `async def`: each step's result is kept, and its code is replayed to its last state.

    `@app.orchestration` makes one. Called itself, it is the function.
    """

    __name__: str
    name: str
    canonical: str

    def __init__(
        self,
        function: Callable[..., Coroutine[Any, Any, O_co]],
        name: str | None = None,
        *,
        version: str | None = None,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Raises `InvalidDefinition` for a function that cannot be one, `InvalidInput` for a bad name or option."""
        if isinstance(function, (Activity, Orchestration)):
            raise InvalidDefinition(f"orchestration {function.name}", "it has been decorated already")
        found = check_function("orchestration", function)
        self.name, self.canonical = name_of("orchestration", found, name)
        self.version = check_version(version)
        self.function = function
        self.retry = check_retry(retry)
        self.tags: Mapping[str, str] | None = check_tags(tags)
        self.instance_id: str | None = None
        what = f"orchestration {self.name}"
        context, self._parameter = _parameters_of(found, what)
        hints = hints_of(found, what, skip=context)
        result = hints.get("return", Any)
        if not is_async(found, result):
            raise InvalidDefinition(what, "it waits for what it calls: write it as `async def`")
        parameter = self._parameter
        self._input_name = f"the input of {what}" if parameter is None else f"argument {parameter.name!r} of {what}"
        self._input = value_of(Any if parameter is None else hints.get(parameter.name, Any), self._input_name)
        self._none_is_input = parameter is not None and accepts_none(self._input)
        self._output_name = f"the result of {what}"
        self._output = value_of(awaited_type(result), self._output_name)
        functools.update_wrapper(cast("Any", self), found, updated=())

    def __repr__(self) -> str:
        return f"<orchestration {self.name}{'' if self.version is None else f' {self.version}'}>"

    def __call__(self, context: OrchestrationContext, /, *input: I) -> Coroutine[Any, Any, O_co]:
        return self.function(context, *input)

    def with_options(
        self,
        *,
        retry: RetryPolicy | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        instance_id: str | None = None,
    ) -> Self:
        """The same orchestration, started with other options: what is given replaces what the decorator said.

        `retry`: when it is tried again as a sub-orchestration; `version`: of the instance; `tags`: text by text, seen in
        the instance's status; `instance_id`: of the sub-orchestration. Raises `InvalidInput`.
        """
        changed = copy.copy(self)
        changed.retry = self.retry if retry is None else check_retry(retry)
        changed.version = self.version if version is None else check_version(version)
        changed.tags = self.tags if tags is None else check_tags(tags)
        changed.instance_id = self.instance_id if instance_id is None else check_instance_id(instance_id)
        return changed

    def encode_input(self, value: object = OMITTED) -> Any:
        """An input, checked and as plain data. Raises `InvalidInput` if it is not of the annotated type.

        None stands for an input that was left out, unless the type has it: the function's default is taken when the
        instance starts. Without a default it is refused.
        """
        parameter = self._parameter
        if isinstance(value, ClientText):
            return self._encode_text(value)
        if value is OMITTED:
            value = None
            if parameter is not None and self._none_is_input and parameter.default is not inspect.Parameter.empty:
                value = parameter.default
        if parameter is None:
            if value is not None:
                raise InvalidInput(self._input_name, f"it takes none, and got {_shown(value)}")
            return None
        if value is None and not self._none_is_input:
            self._default()
            return None
        return encoded(value, self._input, self._input_name)

    def _encode_text(self, text: ClientText) -> Any:
        """The input that a client's text means: of the type, if it is of one."""
        untyped = self._parameter is not None and takes_anything(self._input)
        return text.read(None) if untyped else text.read(self.encode_input)

    def decode_input(self, value: object) -> Any:
        """An input of plain data as the function gets it. Raises `InvalidInput` if it does not fit."""
        if self._parameter is None:
            return None
        if value is None and not self._none_is_input:
            return self._default()
        return decoded(value, self._input, self._input_name)

    def start(self, context: OrchestrationContext, input: object) -> Coroutine[Any, Any, object]:
        """The function's coroutine for an input of plain data. One that does not fit fails when the coroutine is run."""
        if self._parameter is None:
            return self.function(context)
        try:
            value = self.decode_input(input)
        except InvalidInput as error:
            return _fail(error)
        return self.function(context, value)

    def encode_output(self, value: object) -> Any:
        """An output as plain data. Raises `InvalidInput` if it is not what the annotation says."""
        return encoded(value, self._output, self._output_name)

    def decode_output(self, value: object) -> Any:
        """An output of plain data, of the annotated type. Raises `InvalidInput` if it does not fit."""
        return decoded(value, self._output, self._output_name)

    def _default(self) -> Any:
        assert self._parameter is not None, "there is an input"
        if self._parameter.default is inspect.Parameter.empty:
            raise InvalidInput(self._input_name, "it is missing")
        return copy.deepcopy(self._parameter.default)  # one instance does not see what another one does to it


class InputOptional(Orchestration[I, O_co]):
    """An orchestration whose input may be left out."""


class FunctionWithDefault(Protocol[I_contra, O_co]):
    """A function whose input has a default."""

    def __call__(self, context: OrchestrationContext, input: I_contra = ..., /) -> Coroutine[Any, Any, O_co]: ...


class OrchestrationDecorator(Protocol):
    """What `@app.orchestration(…)` with options gives."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # first match counts
        self, function: FunctionWithDefault[I, O], /
    ) -> InputOptional[I, O]: ...

    @overload
    def __call__(
        self, function: Callable[[OrchestrationContext], Coroutine[Any, Any, O]], /
    ) -> InputOptional[None, O]: ...

    @overload
    def __call__(
        self, function: Callable[[OrchestrationContext, I], Coroutine[Any, Any, O]], /
    ) -> Orchestration[I, O]: ...


def make_orchestration(
    function: Callable[..., Any],
    name: str | None = None,
    *,
    version: str | None = None,
    retry: RetryPolicy | None = None,
    tags: Mapping[str, str] | None = None,
) -> Orchestration[Any, Any]:
    """The orchestration that a function is. Raises like `Orchestration`."""
    return InputOptional[Any, Any](function, name, version=version, retry=retry, tags=tags)


def _parameters_of(function: Callable[..., Any], what: str) -> tuple[str, inspect.Parameter | None]:
    """The name of the context's parameter, and the input's parameter. Raises `InvalidDefinition`."""
    parameters = list(signature_of(function).parameters.values())
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise InvalidDefinition(what, f"*{parameter.name} cannot be: it takes the context and one input")
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise InvalidDefinition(what, f"{parameter.name!r} cannot be keyword-only: the input is given by position")
    if not parameters:
        raise InvalidDefinition(what, "it takes the context first: `context: OrchestrationContext`")
    if len(parameters) > 2:
        extra = ", ".join(repr(parameter.name) for parameter in parameters[1:])
        raise InvalidDefinition(what, f"it has one input, and not {extra}: make them fields of one class")
    return parameters[0].name, parameters[1] if len(parameters) == 2 else None


async def _fail(error: InvalidInput) -> object:
    raise error


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
