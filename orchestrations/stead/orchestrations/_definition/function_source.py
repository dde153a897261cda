"""A function as it stands in its source, and what its names stand for."""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
import types
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .determinism_bindings import FunctionSource

MISSING: Final = object()
"""What stands for a name that is not defined yet."""


class Unit(NamedTuple):
    """A function that is read: its syntax, and where its names are looked up."""

    node: FunctionSource
    tree: ast.Module
    file: str
    module: str
    names: Mapping[str, Any]  # its globals
    closure: Mapping[str, Any]

    def look_up(self, name: str) -> Any:
        """What a name that the function does not bind itself stands for; `MISSING` if that is not there (yet)."""
        if name in self.closure:
            return self.closure[name]
        value = self.names.get(name, MISSING)
        return getattr(builtins, name, MISSING) if value is MISSING else value


def unit_of(function: types.FunctionType) -> Unit | None:
    """A function as it stands in its source, if that can be found."""
    code = function.__code__
    tree = _parse(code.co_filename, function.__globals__)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            begins = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if code.co_firstlineno in (begins, node.lineno):
                return Unit(node, tree, code.co_filename, function.__module__, function.__globals__, _closure(function))
    return None


def _closure(function: types.FunctionType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            found[name] = MISSING  # not defined yet
    return found


def _parse(file: str, names: dict[str, Any]) -> ast.Module | None:
    linecache.checkcache(file)
    lines = linecache.getlines(file, names)
    return _parsed("".join(lines)) if lines else None


@functools.lru_cache(maxsize=8)
def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
