"""`batched`: an operation that is given all messages of it that wait in a row, in one call.

What stands in the class is a function of one item, so that callers, the class itself and type checkers see that. It carries
the function of many as `__wrapped__`, and under `__stead_batched__` how many at most. The worker calls that.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast, overload

from pydantic import ValidationError

from stead.entities._message.errors import ArgumentRefused, InvalidDefinition
from stead.transport import InvalidInput

from .annotations import signature_of
from .operations import Operation
from .schema import describe_errors
from .values import value_of

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

MOST = 1_000
"""How many messages are one batch at most, unless it is said."""
_MOST_MAX = 100_000
_MARK = "__stead_batched__"


class Batching(Protocol):
    """`batched` with its options."""

    @overload
    def __call__(
        self, function: Callable[[S, list[T]], Coroutine[Any, Any, None]], /
    ) -> Callable[[S, T], Coroutine[Any, Any, None]]: ...
    @overload
    def __call__(
        self, function: Callable[[S, list[T]], Coroutine[Any, Any, list[R]]], /
    ) -> Callable[[S, T], Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[[S, list[T]], None], /) -> Callable[[S, T], None]: ...
    @overload
    def __call__(self, function: Callable[[S, list[T]], list[R]], /) -> Callable[[S, T], R]: ...


@overload
def batched(
    function: Callable[[S, list[T]], Coroutine[Any, Any, None]], /
) -> Callable[[S, T], Coroutine[Any, Any, None]]: ...
@overload
def batched(
    function: Callable[[S, list[T]], Coroutine[Any, Any, list[R]]], /
) -> Callable[[S, T], Coroutine[Any, Any, R]]: ...
@overload
def batched(function: Callable[[S, list[T]], None], /) -> Callable[[S, T], None]: ...
@overload
def batched(function: Callable[[S, list[T]], list[R]], /) -> Callable[[S, T], R]: ...
@overload
def batched(*, most: int = MOST) -> Batching: ...


def batched(function: Any = None, /, *, most: int = MOST) -> Any:
    """An operation that takes a list: of the items of all messages of it that wait in a row, at most `most`.

    Callers send one item: `signal_entity(Station.record, "oslo", 3.5)`. The function gives None, or a list with a result for
    each item. A batch is one operation: all or nothing. If it fails, its messages run again one at a time, so that only the
    failing ones fail; what it does outside of the entity may then happen twice. It never waits for more messages to come.
    """
    if function is None:
        return functools.partial(_batched, most=most)
    return _batched(function, most=most)


def _batched(function: Any, *, most: int) -> Any:
    what = f"@batched {getattr(function, '__qualname__', repr(function))}"
    if not inspect.isfunction(function):
        raise InvalidDefinition(what, "it goes above a method, below nothing else")
    if type(most) is not int or not 1 <= most <= _MOST_MAX:
        raise InvalidDefinition(what, f"`most` is a number of messages, from 1 to {_MOST_MAX:,}")
    if function.__name__ in ("delete", "on_expire"):
        raise InvalidDefinition(what, f"`{function.__name__}` has no items")
    _parameter(function, what)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def one_later(self: Any, item: Any) -> Any:
            return _only(await function(self, [item]), what)

        wrapper: Any = one_later
    else:

        @functools.wraps(function)
        def one(self: Any, item: Any) -> Any:
            return _only(function(self, [item]), what)

        wrapper = one
    vars(wrapper)[_MARK] = most
    return wrapper


def _parameter(function: Callable[..., Any], what: str) -> str:
    """The name of the one parameter that gets the items."""
    parameters = list(signature_of(function).parameters.values())
    if len(parameters) != 2 or any(
        parameter.kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    ):
        raise InvalidDefinition(what, "it takes `self` and one parameter, a list of items")
    if parameters[1].default is not inspect.Parameter.empty:
        raise InvalidDefinition(what, "its parameter has no default: there is always an item")
    return parameters[1].name


def _only(result: object, what: str) -> object:
    """The result of a batch of one."""
    found = _results(result, 1, what)
    return None if found is None else found[0]


def _results(result: object, count: int, what: str) -> list[object] | None:
    found: Any = result
    if result is None:
        return None
    is_list = type(result) is list
    if not is_list or len(found) != count:
        given = f"{len(found)} results" if is_list else f"a {type(found).__name__}"
        raise InvalidInput(
            f"the result of {what}", f"it gave {given} for {count} items: give None, or a result for each"
        )
    return [*found]


class Whole(Operation):
    """A batch as an operation, for a turn that runs it: its one argument is the list of items."""

    __slots__ = ()

    def __init__(self, name: str, function: Callable[..., Any], what: str) -> None:
        self.name = name
        self.key = name.lower()
        self.function = function
        self._what = what
        self.run = lambda instance, args, kwargs: function(instance, args[0])


class BatchedOperation(Operation):
    """An operation whose messages run in batches. As an operation itself it is one of a single item."""

    __slots__ = ("_check", "_kind", "whole")

    def __init__(self, name: str, function: Callable[..., Any], hints: Mapping[str, Any], entity: str) -> None:
        what = f"{entity}.{name}"
        inner = inspect.unwrap(function)
        is_async = inspect.iscoroutinefunction(inner)
        items = hints.get(_parameter(inner, what), Any)
        if typing.get_origin(items) is not list:
            raise InvalidDefinition(what, "its parameter is annotated as list[…]: it gets the items of many messages")
        (item,) = typing.get_args(items)
        super().__init__(name, function, {"item": item, "return": _result_of_one(hints, what)}, entity, _one)
        self.is_async = is_async
        self.apart = True
        self.most = cast("int", vars(function)[_MARK])
        self.whole = Whole(name, inner, what)
        value = value_of(item, f"argument 'item' of {what}", exact=True)
        self._kind, self._check = value.kind, value.check

    def item(self, args: Sequence[object], kwargs: Mapping[str, object] | None) -> object:
        """The item of a message. Raises `ArgumentRefused`."""
        if kwargs or len(args) != 1:
            self._parameters.bind_arriving(args, kwargs)
        item = args[0]
        if type(item) is self._kind:
            return item
        try:
            return self._check(item)
        except ValidationError as error:
            raise ArgumentRefused(f"argument 'item' of {self._what}", describe_errors(error)) from error

    def results(self, result: object, count: int) -> list[object] | None:
        """What a batch gave, for each of its items; None if it gave nothing. Raises `InvalidInput`."""
        return _results(result, count, self._what)


def _one(self: Any, item: Any, /) -> None:
    """What callers of a batched operation see: an item without a name."""


def _result_of_one(hints: Mapping[str, Any], what: str) -> Any:
    """The type of an item's result."""
    result = hints.get("return", Any)
    if result in (None, type(None), Any):
        return result
    if typing.get_origin(result) is not list:
        raise InvalidDefinition(what, "it gives None, or a list with a result for each item: annotate it so")
    return typing.get_args(result)[0]


def operation_of(name: str, function: Callable[..., Any], hints: Mapping[str, Any], entity: str) -> Operation:
    """The operation that a method of a class is."""
    kind = BatchedOperation if _MARK in vars(function) else Operation
    return kind(name, function, hints, entity)
