"""What clients may ask and tell a running instance: `OrchestrationQuery` and `OrchestrationUpdate`, functions of an orchestration
whose first parameters are given by stead, and the others by the caller.

Arguments are checked twice, as those of activities are: where they are given, and where they arrive.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from stead.entities import InvalidDefinition
from stead.entities.extending import Parameters, encoded, signature_of, value_of
from stead.transport import InvalidInput

from .signature import Decorated, awaited_type, check_function, decoded, hints_of, is_async, name_of, with_self

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Question(Decorated, Generic[P, R_co]):
    """What queries and updates have in common."""

    kind = "question"
    own: tuple[str, ...] = ()
    """What the function takes first, in words."""

    def __init__(self, function: Callable[..., object], orchestration: str) -> None:
        """Raises `InvalidDefinition` for a function that cannot be one."""
        found = check_function(self.kind, function, f"{orchestration}.{self.kind}")
        self.name, self.canonical = name_of(self.kind, found, None)
        self.orchestration = orchestration
        self.function: Callable[..., Any] = found
        what = self._what = f"{self.kind} {self.name} of orchestration {orchestration}"
        parameters = list(signature_of(found).parameters.values())
        first = parameters[: len(self.own)]
        if len(first) < len(self.own) or any(parameter.kind not in _POSITIONAL for parameter in first):
            raise InvalidDefinition(what, f"it takes {' and '.join(self.own)} first")
        hints = hints_of(found, what, skip=first[0].name)
        result = hints.get("return", Any)
        self.is_async = is_async(found, result)
        self._parameters = Parameters(with_self(found, len(self.own)), hints, what)
        self._result = value_of(awaited_type(result), f"the result of {what}")
        self._result_name = f"the result of {what}"
        functools.update_wrapper(cast("Any", self), found, updated=())

    def __repr__(self) -> str:
        return f"<{self._what}>"

    def encode_arguments(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[list[object], dict[str, object] | None]:
        """Arguments, checked and as plain data. Raises `InvalidInput` that names the one that is wrong."""
        return self._parameters.encode(args, kwargs)

    def prepare(self, args: Sequence[object], kwargs: Mapping[str, object] | None) -> functools.partial[Any]:
        """What calls a function with what stead gives it, and then these arguments of plain data. Raises `InvalidInput`."""
        bound, named = self._parameters.bind(args, kwargs)
        return functools.partial(_call, bound, named)

    def encode_result(self, value: object) -> Any:
        """A result as plain data. Raises `InvalidInput` if it is not what the annotation says."""
        return encoded(value, self._result, self._result_name)

    def decode_result(self, value: object) -> Any:
        """A result of plain data, of the annotated type. Raises `InvalidInput` if it does not fit."""
        return decoded(value, self._result, self._result_name)


def _call(args: list[object], named: Mapping[str, object], function: Callable[..., Any], /, *own: object) -> Any:
    return function(*own, *args, **named)


def refuse_awaitable(value: object, what: str) -> None:
    """Raises `InvalidInput` for what has to be awaited: a `def` may give that too, and nobody would."""
    if value is not None and inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise InvalidInput(what, "it gave something to be awaited, and it waits for nothing")


class OrchestrationQuery(Question[P, R_co]):
    """A question to an instance, answered from what its code shares: it changes nothing, and leaves nothing in the history.

    `@trip.query` makes one of a `def` that takes the shared object first. Called itself, it is the function.
    """

    kind = "query"
    own = ("what the orchestration shares",)

    def __init__(self, function: Callable[..., object], orchestration: str) -> None:
        super().__init__(function, orchestration)
        if self.is_async:
            raise InvalidDefinition(self._what, "it waits for nothing: write it as `def`")

    def encode_result(self, value: object) -> Any:
        refuse_awaitable(value, self._what)
        return super().encode_result(value)

    def __call__(self, state: Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return cast("R_co", self.function(state, *args, **kwargs))


class OrchestrationUpdate(Question[P, R_co], Generic[S, P, R_co]):
    """Something that an instance is told, and gives a result for: it runs as a part of the orchestration.

    `@trip.update` makes one of an `async def` or a `def` that takes the context and the shared object first. Called itself, it
    is the function.
    """

    kind = "update"
    own = ("the context", "what the orchestration shares")

    def __init__(self, function: Callable[..., object], orchestration: str) -> None:
        super().__init__(function, orchestration)
        self._check: Callable[..., object] | None = None

    def __call__(self, context: Any, state: S, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self.function(context, state, *args, **kwargs)

    def validator(self, function: Callable[Concatenate[S, P], object]) -> Callable[Concatenate[S, P], object]:
        """Put above a `def` of the shared object and the same arguments: what it raises refuses the update, which then leaves
        nothing behind. It changes nothing."""
        found = check_function("validator", function, f"{self.name}.validator")
        what = f"the validator of {self._what}"
        if is_async(found, None):
            raise InvalidDefinition(what, "it waits for nothing: write it as `def`")
        if self._check is not None:
            raise InvalidDefinition(what, "it has one already")
        given, asked = (list(signature_of(one).parameters) for one in (found, self.function))
        if given[1:] != asked[2:]:
            raise InvalidDefinition(
                what, f"it takes the shared object, and then what the update takes: {', '.join(asked[2:])}"
            )
        self._check = found
        return function

    def check(self, state: Any, args: Sequence[object], kwargs: Mapping[str, object] | None) -> None:
        """Raises what the validator raises, and `InvalidInput`."""
        call = self.prepare(args, kwargs)
        if self._check is not None:
            refuse_awaitable(call(self._check, state), f"the validator of {self._what}")

    def start(self, context: Any, state: Any, args: Sequence[object], kwargs: Mapping[str, object] | None) -> Any:
        """What the function gives: a coroutine, or its result."""
        return self.prepare(args, kwargs)(self.function, context, state)
