"""Finds where an orchestrator changes what outlives it: a replay finds that changed, and another process does not have it."""

from __future__ import annotations

import ast
import collections
import functools
import inspect
import types
from collections.abc import Iterator
from typing import Final

_CHANGEABLE: Final = (list, dict, set, bytearray, collections.deque)
_MADE_ANEW: Final = (property, functools.cached_property, types.MemberDescriptorType, types.GetSetDescriptorType)
_CHANGES: Final = frozenset(
    {
        *(
            "append",
            "appendleft",
            "extend",
            "extendleft",
            "insert",
            "remove",
            "pop",
            "popleft",
            "popitem",
            "clear",
            "rotate",
        ),
        *("update", "setdefault", "add", "discard", "sort", "reverse", "subtract", "move_to_end"),
        *("intersection_update", "difference_update", "symmetric_difference_update"),
    }
)


class GlobalsReader(ast.NodeVisitor):
    """The part of the reader of a function that looks for changes of globals, and of variables of functions around it."""

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._outer = _declared(function, ast.Global) | (_declared(function, ast.Nonlocal) - _bound_within(function))

    def resolve(self, node: ast.expr) -> object:
        """What an expression stands for outside of the function; None if that cannot be known."""
        raise NotImplementedError

    def note_global(self, node: ast.expr, name: str) -> None:
        """A global variable, or what it holds, is changed or drawn from."""
        raise NotImplementedError

    def look_at_target(self, target: ast.expr) -> None:
        """What is assigned to or deleted."""
        match target:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self.look_at_target(part)
            case ast.Starred(value=inner):
                self.look_at_target(inner)
            case ast.Name(id=name):
                if name in self._outer:
                    self.note_global(target, name)
            case ast.Subscript(value=owner) if self._is_changeable(owner):
                self.note_global(target, ast.unparse(owner))
            case ast.Attribute(value=owner) if self._has_attributes(owner):
                self.note_global(target, ast.unparse(target))
            case _:
                pass

    def look_at_change(self, node: ast.Call) -> None:
        """A call that changes what a global variable holds, or takes the next of what it counts."""
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr in _CHANGES and self._is_changeable(function.value):
                self.note_global(function.value, ast.unparse(function.value))
        elif isinstance(function, ast.Name) and function.id in ("setattr", "delattr") and node.args:
            if self._has_attributes(node.args[0]):
                self.note_global(node.args[0], ast.unparse(node.args[0]))
        elif isinstance(function, ast.Name) and function.id == "next" and node.args and self.resolve(function) is next:
            drawn = self.resolve(node.args[0])
            if not isinstance(drawn, type) and hasattr(type(drawn), "__next__"):
                self.note_global(node.args[0], ast.unparse(node.args[0]))

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.look_at_target(target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.look_at_target(node.target)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.look_at_target(node.target)
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars is not None:
            self.look_at_target(node.optional_vars)
        self.generic_visit(node)

    def _is_changeable(self, owner: ast.expr) -> bool:
        if isinstance(owner, ast.Subscript):  # what is in it
            return self._is_changeable(owner.value)
        return issubclass(type(self._held(owner)), _CHANGEABLE)

    def _has_attributes(self, owner: ast.expr) -> bool:
        """Whatever is there outside of the function, as a module, a class or an object: what is set there stays."""
        return self._held(owner) is not None

    def _held(self, node: ast.expr) -> object:
        """What an expression stands for outside of the function, or what that has as an attribute, found without running
        anything of it; None if that cannot be known."""
        found = self.resolve(node)
        if found is None and isinstance(node, ast.Attribute):
            owner = self._held(node.value)
            found = None if owner is None else inspect.getattr_static(owner, node.attr, None)
            if isinstance(found, _MADE_ANEW):
                found = None
        return found


def _declared(function: ast.AST, kind: type[ast.Global | ast.Nonlocal]) -> set[str]:
    return {name for node in ast.walk(function) if isinstance(node, kind) for name in node.names}


def _bound_within(function: ast.AST) -> set[str]:
    """The names that a function binds itself: what a function within it declares nonlocal is its own."""
    return set(_own_names(function))


def _own_names(function: ast.AST) -> Iterator[str]:
    waiting = list(ast.iter_child_nodes(function))
    outer = {name for node in waiting if isinstance(node, ast.Nonlocal) for name in node.names}
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in outer:
            yield node.id
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
