"""Which external events an orchestrator's code waits for, and of what type they are, as far as its source says so: for forms.

Nobody checks anything by it. It reads the orchestrator itself, with the functions within it; an event whose name or type is made
while the code runs is left out, or has no type.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable
from typing import Any

from stead.entities.extending import schema_of

from .determinism_bindings import names_in
from .function_source import MISSING, Unit, unit_of

_WAITS = "wait_for_external_event"


class _Unknown(Exception):
    """What an expression stands for is not known before the code runs."""


def awaited_events(function: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """The JSON schemas of events' data by the names of the events, in the order of the code. An empty one: any type, or it is not known."""
    inner = inspect.unwrap(function)
    unit = unit_of(inner) if isinstance(inner, types.FunctionType) else None
    if unit is None:
        return {}
    reader = _EventReader(unit)
    found: dict[str, dict[str, Any]] = {}
    for call in sorted(_waits_in(unit), key=lambda each: (each.lineno, each.col_offset)):
        name = reader.name_of(_argument(call, 0, "name"))
        if name is None:
            continue
        known = next((each for each in found if each.lower() == name.lower()), name)
        schema = reader.schema_of(_argument(call, 1, "form"))
        found[known] = schema if found.get(known, schema) == schema else {}
    return found


def _waits_in(unit: Unit) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(unit.node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _WAITS
    ]


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    return call.args[place] if place < len(call.args) else given.get(name)


class _EventReader:
    """Says what expressions of a function stand for."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._imported, self._bound = names_in(unit.node)

    def name_of(self, node: ast.expr | None) -> str | None:
        """An event's name; None if it is not known."""
        try:
            found = None if node is None else self._value(node)
        except Exception:  # noqa: BLE001 - what names stand for is the user's, and may do anything
            return None
        return found if isinstance(found, str) else None

    def schema_of(self, node: ast.expr | None) -> dict[str, Any]:
        """A type's JSON schema."""
        try:
            if node is None or (isinstance(node, ast.Constant) and isinstance(node.value, str)):  # a name, as text
                return {}
            return schema_of(self._value(node))
        except Exception:  # noqa: BLE001 - the same
            return {}

    def _value(self, node: ast.expr) -> Any:
        """What names, and what is made of them as types are, stand for. Nothing is called. Raises `_Unknown`."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(value=owner, attr=name):
                return inspect.getattr_static(self._value(owner), name)
            case ast.Subscript(value=owner, slice=arguments):
                return self._value(owner)[self._value(arguments)]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._value(left) | self._value(right)
            case ast.Tuple(elts=elements):
                return tuple(map(self._value, elements))
            case _:
                raise _Unknown

    def _named(self, name: str) -> Any:
        if name in self._imported and name not in self._bound:
            return self._imported[name]
        found = MISSING if name in self._bound else self._unit.look_up(name)
        if found is MISSING:
            raise _Unknown
        return found
