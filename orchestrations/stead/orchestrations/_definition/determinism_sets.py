"""Finds where an orchestrator goes over a set: its order is another one in each process, and after a Python update.

What is a set is told from the source as far as that is certain: displays, comprehensions, `set(…)`, operators and methods of
sets, annotations of parameters, fields and results, constants of the module. A name counts only if all that is ever assigned to
it is a set. Asking a set (`in`, `len`, `<=`), sorting it and making another set of it are fine, and so are sets of tasks, which
the orchestrator's loop keeps in order.
"""

from __future__ import annotations

import ast
import collections
import functools
import inspect
import itertools
import types
import typing
from collections.abc import Iterable
from typing import Any, Final, cast

from .determinism_bindings import added_in, bindings_in, sorted_in
from .determinism_types import element_of, hint_of, is_set_type, result_of

_BUILT_IN_SETS: Final = (set, frozenset)
_SET_METHODS: Final = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
_VIEWS: Final = frozenset({"keys", "values", "items"})
_SET_OPERATORS: Final = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
# What gives the same whatever order it gets its elements in.
_UNORDERED_USE: Final[tuple[object, ...]] = (sorted, set, frozenset, len, any, all, min, max, sum, bool)
# What keeps the order of its elements.
_ORDERED_USE: Final[tuple[object, ...]] = (
    *(list, tuple, enumerate, iter, zip, map, filter, collections.deque, collections.Counter),
    *(
        itertools.chain,
        itertools.product,
        itertools.permutations,
        itertools.combinations,
        itertools.islice,
        itertools.cycle,
    ),
    *(itertools.pairwise, itertools.starmap, itertools.accumulate, itertools.groupby, itertools.zip_longest),
    functools.reduce,
)
_ORDERED_METHODS: Final = frozenset({"join", "extend", "extendleft", "from_iterable"})
_COMMANDS: Final = frozenset(
    {
        *(
            "call_activity",
            "call_sub_orchestrator",
            "call_entity",
            "call_http",
            "create_timer",
            "wait_for_external_event",
        ),
        *("create_task", "ensure_future", "sleep", "signal_entity", "send_event", "start_new"),
    }
)
_WAITED_FOR: Final = frozenset({"call_activity", "call_sub_orchestrator", "call_entity"})
_DEPTH_MAX: Final = 20

_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class SetReader(ast.NodeVisitor):
    """The part of the reader of a function that looks for sets."""

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bindings = bindings_in(function)
        self._added = added_in(function)
        self._sorted = sorted_in(function)
        self._harmless: set[int] = set()  # expressions whose order nobody sees
        self._asked: list[str] = []

    def resolve(self, node: ast.expr) -> object:
        """What an expression stands for outside of the function; None if that cannot be known."""
        raise NotImplementedError

    def note_set(self, node: ast.expr) -> None:
        """An expression whose order matters is a set."""
        raise NotImplementedError

    # -- where order matters

    def visit_For(self, node: ast.For) -> None:
        self._look_over(node.iter)
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._look_over(node.iter)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        if not _commands_in(node):  # its own order is looked at where somebody goes over it
            self._harmless.add(id(node))
        self._visit_comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        if not _commands_in(node):
            self._harmless.add(id(node))
        self._visit_comprehension(node)

    def _visit_comprehension(self, node: _Comprehension) -> None:
        if id(node) not in self._harmless:
            for generator in node.generators:
                self._look_over(generator.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        if isinstance(node.ctx, ast.Load) and id(node) not in self._harmless:
            self._look_over(node.value)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        self._harmless.update(id(element) for element in node.elts)
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self._look_over(node.value)
        self.generic_visit(node)

    def look_at_assignment(self, node: ast.Assign) -> None:
        """`a, b = names`; and `names = list(found)`, which is sorted later."""
        for target in node.targets:
            if isinstance(target, (ast.Tuple, ast.List)) and not isinstance(node.value, (ast.Tuple, ast.List)):
                self._look_over(node.value)
            elif isinstance(target, ast.Name) and target.id in self._sorted and not _commands_in(node.value):
                self._harmless.add(id(node.value))

    def look_at_call_over_sets(self, node: ast.Call) -> None:
        """A call that takes the elements of a set in their order, or does not."""
        function = node.func
        found = self.resolve(function)
        if _is_among(found, _UNORDERED_USE):
            for argument in node.args:
                inner = argument.value if isinstance(argument, ast.Starred) else argument
                if not _commands_in(inner):
                    self._harmless.update((id(argument), id(inner)))
            return
        if id(node) in self._harmless:
            return
        if isinstance(function, ast.Attribute):
            name = function.attr
            if name == "pop" and not node.args and self._is_set(function.value):
                self._note_once(function.value)
            if name in _ORDERED_METHODS:
                self._look_over_all(node.args)
        if _is_among(found, _ORDERED_USE):
            self._look_over_all(node.args)

    def _look_over_all(self, arguments: Iterable[ast.expr]) -> None:
        for argument in arguments:
            self._look_over(argument)

    def _look_over(self, node: ast.expr) -> None:
        if id(node) not in self._harmless and self._is_set(node):
            self._note_once(node)

    def _note_once(self, node: ast.expr) -> None:
        self._harmless.add(id(node))  # once is enough
        self.note_set(node)

    # -- what is a set

    def _is_set(self, node: ast.expr) -> bool:
        return is_set_type(self._type_of(node, 0))

    def _type_of(self, node: ast.expr, depth: int) -> Any:
        """The type of an expression as far as it is certain; `set` for whatever has a set's order."""
        if depth > _DEPTH_MAX:
            return None
        depth += 1
        match node:
            case ast.Set(elts=elements):
                return None if elements and all(map(_makes_task, elements)) else set
            case ast.SetComp(elt=element):
                return None if _makes_task(element) else set
            case ast.DictComp(generators=[first, *_]):
                return set if is_set_type(self._type_of(first.iter, depth)) else dict
            case ast.IfExp(body=one, orelse=other):
                return self._one_of((one, other), depth)
            case ast.BoolOp(values=values):
                return self._one_of(values, depth)
            case ast.NamedExpr(value=value):
                return self._type_of(value, depth)
            case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _SET_OPERATORS):
                sides = (left, right)
                is_set = any(_is_view(side) or is_set_type(self._type_of(side, depth)) for side in sides)
                return set if is_set else None
            case ast.Await(value=ast.Call() as call):
                return self._type_of_awaited(call, depth)
            case ast.Call():
                return self._type_of_call(node, depth)
            case ast.Name(id=name):
                return self._type_of_name(node, name, depth)
            case ast.Attribute(value=owner, attr=name):
                kind = cast("Any", type(self.resolve(node)))
                return (
                    cast("Any", kind)
                    if issubclass(kind, _BUILT_IN_SETS)
                    else hint_of(self._type_of(owner, depth), name)
                )
            case ast.Subscript(value=owner, slice=index):
                return element_of(self._type_of(owner, depth), index)
            case _:
                return None

    def _one_of(self, nodes: Iterable[ast.expr], depth: int) -> Any:
        found = [self._type_of(node, depth) for node in nodes]
        return next(filter(is_set_type, found), None)

    def _type_of_call(self, node: ast.Call, depth: int) -> Any:
        function = node.func
        if isinstance(function, ast.Attribute):
            owner = self._type_of(function.value, depth)
            if is_set_type(owner):
                return set if function.attr in _SET_METHODS | _VIEWS else None
            if function.attr == "fromkeys" and node.args:
                return set if is_set_type(self._type_of(node.args[0], depth)) else dict
        found = self.resolve(function)
        if isinstance(found, type):
            tasks = issubclass(found, _BUILT_IN_SETS) and node.args and _holds_tasks(node.args[0])
            return None if tasks else cast("Any", found)
        return result_of(found) if isinstance(found, types.FunctionType) else None

    def _type_of_awaited(self, call: ast.Call, depth: int) -> Any:
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in _WAITED_FOR and call.args:
            return result_of(self.resolve_member(call.args[0]))
        return self._type_of_call(call, depth)

    def resolve_member(self, node: ast.expr) -> object:
        """What an expression stands for, as `resolve`; and a class's function, as `Station.names`."""
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value)
            if isinstance(owner, type):
                return inspect.getattr_static(owner, node.attr, None)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "with_options":
            return self.resolve(node.func.value)
        return self.resolve(node)

    def _type_of_name(self, node: ast.expr, name: str, depth: int) -> Any:
        bound = self._bindings.get(name)
        if bound is None:
            kind = cast("Any", type(self.resolve(node)))
            return cast("Any", kind) if issubclass(kind, _BUILT_IN_SETS) else None
        if name in self._asked:
            return None
        added = self._added.get(name, ())
        if added and all(map(_makes_task, added)):
            return None
        self._asked.append(name)
        try:
            found_types = [self._type_of_binding(kind, value, depth) for kind, value in bound]
        finally:
            self._asked.pop()
        if all(map(is_set_type, found_types)):
            return set
        return found_types[0] if len(found_types) == 1 else None

    def _type_of_binding(self, kind: str, value: ast.expr | None, depth: int) -> Any:
        if value is None:
            return None
        if kind == "annotation":
            return self._annotated(value)
        found = self._type_of(value, depth)
        return element_of(found, None) if kind == "element" else found

    def _annotated(self, node: ast.expr) -> Any:
        """The type that an annotation means: `set` if one of its alternatives is one."""
        match node:
            case ast.Constant(value=str(text)):
                try:
                    return self._annotated(ast.parse(text, mode="eval").body)
                except SyntaxError:
                    return None
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                sides = [self._annotated(side) for side in (left, right)]
                return next(filter(is_set_type, sides), None) or next(
                    (side for side in sides if side is not None), None
                )
            case ast.Subscript(value=owner, slice=index):
                return self._subscripted(self.resolve(owner), index)
            case ast.Name() | ast.Attribute():
                found = self.resolve(node)
                return found if isinstance(found, type) or typing.get_origin(found) is not None else None
            case _:
                return None

    def _subscripted(self, origin: object, index: ast.expr) -> Any:
        inner = list(index.elts) if isinstance(index, ast.Tuple) else [index]
        if _is_among(origin, (typing.Optional, typing.Union, typing.Annotated)):
            first = inner[:1] if origin is typing.Annotated else inner
            return next(filter(is_set_type, map(self._annotated, first)), None)
        if is_set_type(origin):
            return None if _is_about_tasks(index) else set
        arguments = tuple(self._annotated(part) for part in inner)
        if _is_among(origin, (list, dict, tuple)) and all(argument is not None for argument in arguments):
            return types.GenericAlias(cast("type", origin), arguments)
        return origin if isinstance(origin, type) else None


# -- syntax --------------------------------------------------------------------------------------------------------------


def _is_among(found: object, known: Iterable[object]) -> bool:
    """By identity: comparing could run the user's code."""
    return any(found is one for one in known)


def _is_view(node: ast.expr) -> bool:
    """`d.keys()`: an operator makes a set of it."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")


def _commands_in(node: ast.AST) -> bool:
    """Whether something is asked for in an expression: then the order in which it is evaluated matters."""
    return any(isinstance(inner, ast.Await) or _makes_task(inner) for inner in ast.walk(node))


def _makes_task(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _COMMANDS


def _holds_tasks(node: ast.expr) -> bool:
    """A list of what was just scheduled."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return bool(node.elts) and all(map(_makes_task, node.elts))
    return isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)) and _makes_task(node.elt)


def _is_about_tasks(index: ast.expr) -> bool:
    text = ast.unparse(index)
    return "Task" in text or "Future" in text
