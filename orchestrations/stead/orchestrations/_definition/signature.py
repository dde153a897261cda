"""What a decorated function says of itself: whether it can be one, its name, the types of its arguments and its result."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, cast

from pydantic import ValidationError

from stead.entities import InvalidDefinition
from stead.entities.extending import Value, canonical_name, describe_errors, hints_in, signature_of
from stead.transport import InvalidInput


class Decorated:
    """What a decorator made of a function: it has a name, as given and in the form in which names are compared."""

    __name__: str
    name: str
    canonical: str


def check_function(kind: str, function: object, decorator: str = "") -> types.FunctionType:
    """A function of a module, or one within another function. `decorator`: what stands above it, if not `app.KIND`. Raises `InvalidDefinition` for everything else."""
    if isinstance(function, Decorated):
        raise InvalidDefinition(f"{kind} {function.name}", "it has been decorated already")
    if isinstance(function, (staticmethod, classmethod)) or inspect.ismethod(function):
        name = getattr(cast("Any", function), "__qualname__", "")
        raise InvalidDefinition(f"{kind} {name}", _NO_METHODS)
    if not isinstance(function, types.FunctionType):
        raise InvalidDefinition(
            f"{kind} {function!r}", f"@{decorator or f'app.{kind}'} goes above a function (`def` or `async def`)"
        )
    what = f"{kind} {function.__qualname__}"
    if function.__name__ == "<lambda>":
        raise InvalidDefinition(what, "a lambda has no name by which it could be found again: write a `def`")
    around = function.__qualname__.split(".")[:-1]
    if around and around[-1] != "<locals>":
        raise InvalidDefinition(what, _NO_METHODS)
    inner = inspect.unwrap(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise InvalidDefinition(what, f"{_article(kind)} cannot be a generator: use `await`, and return one result")
    return function


_NO_METHODS = "a method has an object that cannot travel with it: write a function outside of classes"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def name_of(kind: str, function: types.FunctionType, name: str | None) -> tuple[str, str]:
    """The name of a definition, as given and in the form in which names are compared. Raises `InvalidInput`."""
    given = function.__name__ if name is None else name
    try:
        return given, canonical_name(given)
    except InvalidInput as error:
        raise InvalidInput(error.what.replace("entity name", f"{kind} name"), error.reason) from None


def is_async(function: types.FunctionType, result: Any) -> bool:
    """Whether what a function gives is to be awaited."""
    inner = inspect.unwrap(function)
    return (
        inspect.iscoroutinefunction(function)
        or inspect.iscoroutinefunction(inner)
        or awaited_type(result) is not result
    )


def awaited_type(hint: Any) -> Any:
    """What awaiting a result of a type gives; the type itself if there is nothing to await."""
    origin = typing.get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Awaitable):
        arguments = typing.get_args(hint)
        return arguments[-1] if arguments else Any
    return hint


def hints_of(function: types.FunctionType, what: str, skip: str | None = None) -> dict[str, Any]:
    """The annotations of a function, resolved, except the one of the parameter `skip`.

    Raises `InvalidDefinition` if a name in them is unknown.
    """
    try:
        return hints_in(function, _names_around(function), skip)
    except Exception as error:
        raise InvalidDefinition(
            what,
            f"an annotation cannot be resolved ({error}): import its types at run time, not under TYPE_CHECKING, "
            "and define them before the function",
        ) from error


def _names_around(function: types.FunctionType) -> dict[str, Any]:
    """The local names of the functions in which a function is defined, as far as they are still running."""
    names: dict[str, Any] = {}
    if "<locals>" not in function.__qualname__:
        return names
    frame: types.FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        own = frame.f_globals.get("__name__") == function.__module__
        if own and frame.f_locals is not frame.f_globals:
            names = {**frame.f_locals, **names}
        frame = frame.f_back
    return names


def with_self(function: types.FunctionType, own: int = 0) -> Callable[..., Any]:
    """A stand-in with the function's parameters after a `self`: the form in which entities' machinery knows functions. So many
    of them are stead's `own` to give, and left out."""
    parameters = list(signature_of(function).parameters.values())[own:]

    def stand_in() -> None:
        """Never called: only its signature is looked at."""

    first = inspect.Parameter("stead_self", inspect.Parameter.POSITIONAL_ONLY)
    cast("Any", stand_in).__signature__ = inspect.Signature([first, *parameters])
    return stand_in


def decoded(value: object, how: Value, what: str) -> Any:
    """A value of plain data, of the annotated type. Raises `InvalidInput` if it does not fit."""
    return value if type(value) is how.kind else _checked(value, how, what)


def accepts_none(how: Value) -> bool:
    """Whether None is a value of the type."""
    try:
        return how.check(None) is None
    except ValidationError:
        return False


def _checked(value: object, how: Value, what: str) -> Any:
    try:
        return how.check(value)
    except ValidationError as error:
        _refuse(what, error)


def _refuse(what: str, error: ValidationError) -> NoReturn:
    raise InvalidInput(what, describe_errors(error)) from error
