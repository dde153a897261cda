"""What an operation's arguments look like as JSON, for forms: workers publish it, and nobody checks anything by it.

It is of bounded size: an operation whose description would be too large has none, and its arguments are written as JSON.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from .annotations import signature_of

T = TypeVar("T")

ARGUMENTS = "arguments"
"""Where a kind's description has them."""
OPERATION_BYTES_MAX = 4_096
KIND_BYTES_MAX = 16_384
_PLAIN = (str, int, float, bool, type(None))


def schemas_of(
    operations: Iterable[tuple[str, Callable[..., Any], Mapping[str, Any]]],
) -> dict[str, list[dict[str, Any]]]:
    """By the names of operations, their arguments in order. `operations`: each with the function that callers see, and its hints."""
    found: dict[str, list[dict[str, Any]]] = {}
    room = KIND_BYTES_MAX
    for name, function, hints in sorted(operations, key=lambda each: each[0]):
        described = within_bounds(described_arguments(function, hints), room)
        if described is not None:
            found[name] = described
            room -= _size(described)
    return found


def within_bounds(described: T | None, room: int = OPERATION_BYTES_MAX) -> T | None:
    """A description; None if it is too large to be published."""
    return described if described is not None and _size(described) <= min(OPERATION_BYTES_MAX, room) else None


def _size(described: object) -> int:
    return len(json.dumps(described))


def described_arguments(function: Callable[..., Any], hints: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """All but the first argument of a function; None if there may be any number of them."""
    found: list[dict[str, Any]] = []
    for parameter in list(signature_of(function).parameters.values())[1:]:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            return None
        described: dict[str, Any] = {
            "name": parameter.name,
            "schema": schema_of(hints.get(parameter.name, Any)),
            "required": parameter.default is inspect.Parameter.empty,
        }
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            described["by_name"] = False
        if not described["required"] and type(parameter.default) in _PLAIN:
            described["default"] = parameter.default
        found.append(described)
    return found


def schema_of(hint: Any) -> dict[str, Any]:
    """A JSON schema; an empty one for what has none."""
    try:
        schema = TypeAdapter(hint).json_schema()
        return cast("dict[str, Any]", json.loads(json.dumps(schema)))
    except (PydanticUserError, PydanticInvalidForJsonSchema, TypeError, ValueError, RecursionError):
        return {}
