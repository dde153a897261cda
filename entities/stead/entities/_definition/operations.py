"""An operation: its name, its function, and its arguments' types compiled into quick checks.

Arguments are validated twice: where they are sent, if the class is known there, so that a mistake is the caller's error;
and where they arrive, because the sender may be older than the code here.
"""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError

from stead.entities._message.errors import ArgumentRefused, InvalidDefinition
from stead.transport import InvalidInput

from .annotations import signature_of
from .schema import describe_errors
from .values import NO_TYPE, Value, check_models, dumped, encoded, value_of

Runner = Callable[[Any, Sequence[object], Mapping[str, object] | None], Any]


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    value: Value
    required: bool
    by_name: bool  # may be given by its name


class Parameters:
    """An operation's parameters (without `self`), in the order of its signature."""

    def __init__(
        self, function: Callable[..., Any], hints: Mapping[str, Any], what: str, *, exact: bool = False
    ) -> None:
        """`exact`: as for `value_of`."""
        self._what = what
        self._exact = exact
        self._positional: list[_Parameter] = []
        self._named: dict[str, _Parameter] = {}
        self._rest: Value | None = None
        self._named_rest: Value | None = None
        parameters = list(signature_of(function).parameters.values())
        if not parameters or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            raise InvalidDefinition(what, "an operation takes `self` first; else make it a @staticmethod")
        for parameter in parameters[1:]:
            self._add(parameter, hints.get(parameter.name, Any))
        self._order = [parameter.name for parameter in self._positional]
        only_named = [parameter for name, parameter in self._named.items() if name not in self._order]
        self._required = [parameter for parameter in (*self._positional, *only_named) if parameter.required]
        # So many positional arguments are enough; if one is required that has to be named, no number is.
        self._needed: float = sum(parameter.required for parameter in self._positional)
        if any(parameter.required for parameter in only_named):
            self._needed = math.inf
        self._simple = not only_named and self._rest is None
        only = self._simple and len(self._positional) == 1
        self._only_kind = self._positional[0].value.kind if only else NO_TYPE
        # Arguments of exactly these types are right as they are, and plain data: most are.
        self._kinds = tuple(parameter.value.kind for parameter in self._positional) if self._simple else None

    def _add(self, parameter: inspect.Parameter, hint: Any) -> None:
        if hint is not Any and parameter.kind is inspect.Parameter.VAR_KEYWORD:
            unpacked = typing.get_origin(hint) is typing.Unpack
            hint = Any if unpacked else hint  # a typed dictionary of arguments: the type checker checks it
        value = value_of(hint, f"argument {parameter.name!r} of {self._what}", exact=self._exact)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            self._rest = value
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            self._named_rest = value
        else:
            required = parameter.default is inspect.Parameter.empty
            by_name = parameter.kind is not inspect.Parameter.POSITIONAL_ONLY
            found = _Parameter(parameter.name, value, required, by_name)
            if by_name:
                self._named[parameter.name] = found
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                self._positional.append(found)

    def runner(self, function: Callable[..., Any]) -> Runner:
        """A function that checks arguments and calls `function`, made for the number of parameters."""
        bind = self.bind_arriving
        if self._simple:
            if not self._positional:
                return _runner_of_none(function, bind)
            if len(self._positional) == 1:
                return _runner_of_one(function, bind, self._positional[0], self._refuse_arriving)

        def run(instance: Any, args: Sequence[object], kwargs: Mapping[str, object] | None) -> Any:
            bound, named = bind(args, kwargs)
            return function(instance, *bound, **named) if named else function(instance, *bound)

        return run

    @property
    def required(self) -> bool:
        """At least one argument has to be given."""
        return bool(self._required)

    @property
    def first(self) -> Value | None:
        """How the first argument is checked; None if there can be none."""
        return self._value_at(0)

    def bind(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[list[object], Mapping[str, object]]:
        """The arguments, validated. Raises `InvalidInput` that names the one that is wrong."""
        if not kwargs and len(args) == 1 and type(args[0]) is self._only_kind:
            return [args[0]], {}
        bound = [self._checked(value, position) for position, value in enumerate(args)]
        if not kwargs and len(bound) >= self._needed:
            return bound, {}
        given = len(bound)
        named = {name: self._checked_named(name, value, given) for name, value in (kwargs or {}).items()}
        passed = self._order[:given]
        for parameter in self._required:
            if parameter.name not in named and parameter.name not in passed:
                raise InvalidInput(f"argument {parameter.name!r} of {self._what}", "it is missing")
        return bound, named

    def encode(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[list[object], dict[str, object] | None]:
        """The arguments, validated and as plain data. Those given by name become positional as far as they can."""
        if not kwargs and len(args) == 1 and type(args[0]) is self._only_kind:
            return [args[0]], None
        if not kwargs and tuple(map(type, args)) == self._kinds:
            return list(args), None
        bound, named = self.bind(args, kwargs)
        rest = dict(named)
        for parameter in self._positional[len(bound) :]:
            if not parameter.by_name or parameter.name not in rest:
                break
            bound.append(rest.pop(parameter.name))
        plain = [
            self._dumped(value, self._value_at(position), self._name_at(position))
            for position, value in enumerate(bound)
        ]
        if not rest:
            return plain, None
        return plain, {
            name: self._dumped(value, self._named[name].value if name in self._named else self._named_rest, name)
            for name, value in rest.items()
        }

    def _value_at(self, position: int) -> Value | None:
        return self._positional[position].value if position < len(self._positional) else self._rest

    def _name_at(self, position: int) -> str:
        return self._positional[position].name if position < len(self._positional) else f"{position + 1}"

    def _checked(self, value: object, position: int) -> object:
        how = self._value_at(position)
        if how is None:
            count = len(self._positional)
            raise InvalidInput(self._what, f"it takes {count} argument{'' if count == 1 else 's'}, and got more")
        if type(value) is how.kind:
            return value
        try:
            return how.check(value)
        except ValidationError as error:
            self._refuse(self._name_at(position), error)

    def _checked_named(self, name: str, value: object, given: int) -> object:
        parameter = self._named.get(name)
        how = self._named_rest if parameter is None else parameter.value
        if how is None:
            raise InvalidInput(f"argument {name!r} of {self._what}", "there is no such argument")
        if parameter is not None and name in self._order[:given]:
            raise InvalidInput(f"argument {name!r} of {self._what}", "it is given twice")
        try:
            return how.check(value)
        except ValidationError as error:
            self._refuse(name, error)

    def _dumped(self, value: object, how: Value | None, name: str) -> object:
        return value if how is None or how.dump is None else dumped(value, how, f"argument {name!r} of {self._what}")

    def bind_arriving(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[list[object], Mapping[str, object]]:
        """`bind`, where the arguments have arrived: by its type the error tells that the operation did not even begin."""
        try:
            return self.bind(args, kwargs)
        except InvalidInput as error:
            raise ArgumentRefused(error.what, error.reason) from error.__cause__

    def _refuse_arriving(self, name: str, error: ValidationError) -> NoReturn:
        raise ArgumentRefused(f"argument {name!r} of {self._what}", describe_errors(error)) from error

    def _refuse(self, name: str, error: ValidationError) -> NoReturn:
        raise InvalidInput(f"argument {name!r} of {self._what}", describe_errors(error)) from error


def _runner_of_none(function: Callable[..., Any], bind: Callable[..., Any]) -> Runner:
    def run(instance: Any, args: Sequence[object], kwargs: Mapping[str, object] | None) -> Any:
        if args or kwargs:
            bound, named = bind(args, kwargs)
            return function(instance, *bound, **named)
        return function(instance)

    return run


def _runner_of_one(
    function: Callable[..., Any],
    bind: Callable[..., Any],
    parameter: _Parameter,
    refuse: Callable[[str, ValidationError], NoReturn],
) -> Runner:
    name, kind, check = parameter.name, parameter.value.kind, parameter.value.check

    def run(instance: Any, args: Sequence[object], kwargs: Mapping[str, object] | None) -> Any:
        if kwargs or len(args) != 1:
            bound, named = bind(args, kwargs)
            return function(instance, *bound, **named)
        argument = args[0]
        if type(argument) is not kind:
            try:
                argument = check(argument)
            except ValidationError as error:
                refuse(name, error)
        return function(instance, argument)

    return run


class Operation:
    """One operation of an entity. `run(instance, args, kwargs)` checks the arguments and starts it."""

    __slots__ = (
        "_parameters",
        "_result",
        "_what",
        "apart",
        "function",
        "hints",
        "is_async",
        "key",
        "most",
        "name",
        "run",
        "seen",
    )

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        hints: Mapping[str, Any],
        entity: str,
        seen: Callable[..., Any] | None = None,
    ) -> None:
        """`seen`: what callers see of it, if that is another function."""
        self.name = name
        self.key = name.lower()
        self.function = function
        self.hints = hints
        self.seen = seen or function
        self._what = f"{entity}.{name}"
        inner = inspect.unwrap(function)
        if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
            raise InvalidDefinition(self._what, "an operation cannot be a generator: collect what it yields in a list")
        result = hints.get("return", Any)
        self.is_async = inspect.iscoroutinefunction(inner) or _awaited_type(result) is not result
        self.apart = self.is_async  # it is not simply run with its message
        self.most = 1  # messages in one call of it
        self._parameters = Parameters(self.seen, hints, self._what, exact=True)
        self._result = value_of(_awaited_type(result), f"the result of {self._what}", exact=True)
        self.run: Runner = self._parameters.runner(function)

    def __repr__(self) -> str:
        return f"<operation {self._what}>"

    @property
    def takes_nothing(self) -> bool:
        """It can be called without arguments."""
        return not self._parameters.required

    @property
    def first(self) -> Value | None:
        """How its first argument is checked; None if it takes none."""
        return self._parameters.first

    def bind(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[Sequence[object], Mapping[str, object]]:
        """The arguments, validated. Raises `InvalidInput` that names the one that is wrong."""
        return self._parameters.bind(args, kwargs)

    def encode(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[Sequence[object], Mapping[str, object] | None]:
        """The arguments, validated and as plain data to send. Raises `InvalidInput` that names the one that is wrong."""
        return self._parameters.encode(args, kwargs)

    def encode_result(self, value: object) -> object:
        """A result as plain data. Raises `InvalidInput` if it is not what the annotation says."""
        if type(value) is self._result.kind:
            return value
        return encoded(value, self._result, f"the result of {self._what}")

    def decode_result(self, value: object) -> object:
        """A result from plain data, of the annotated type. Raises `InvalidInput` if it does not fit."""
        if type(value) is self._result.kind:
            return value
        try:
            return self._result.check(value)
        except ValidationError as error:
            raise InvalidInput(f"the result of {self._what}", describe_errors(error)) from error


def _awaited_type(hint: Any) -> Any:
    """What is sent back: for a function that returns an awaitable, what that gives."""
    origin = typing.get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Awaitable):
        arguments = typing.get_args(hint)
        return arguments[-1] if arguments else Any
    return hint


class FunctionOperation(Operation):
    """An operation of a function entity, which takes whatever it is sent: its function checks the input itself."""

    __slots__ = ()

    def __init__(self, name: str, function: Callable[..., Any], entity: str) -> None:
        self.name = name
        self.key = name.lower()
        self.function = function
        self._what = f"{entity}.{name}"
        self.is_async = self.apart = inspect.iscoroutinefunction(inspect.unwrap(function))
        self.most = 1
        self.run = lambda context, args, kwargs: function(context)

    @property
    def takes_nothing(self) -> bool:
        return True

    @property
    def first(self) -> Value | None:
        return value_of(Any, self._what)

    def bind(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[Sequence[object], Mapping[str, object]]:
        return args, kwargs or {}

    def encode(
        self, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> tuple[Sequence[object], Mapping[str, object] | None]:
        for value in (*args, *(kwargs or {}).values()):
            check_models(value, f"an argument of {self._what}")
        return args, kwargs or None

    def encode_result(self, value: object) -> object:
        return value

    def decode_result(self, value: object) -> object:
        return value
