"""Looks for what cannot be replayed in an orchestrator's code, at its definition.

It reads the function's source, and that of the functions of the same module that it calls. What a name stands for is looked
up where the function would find it (its closure, its globals, imports within it), so that `from datetime import datetime as
dt` is known and a variable that happens to be called `time` is not meant.

It is a help, not a proof: what it cannot see (methods of objects, other modules' functions) it passes over in silence, because
a false alarm is worse than a miss. Whatever it misses, a replay that differs is found at run time (`NonDeterminismError`).
"""

from __future__ import annotations

import ast
import collections
import datetime
import functools
import inspect
import itertools
import os
import pathlib
import random
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

from stead.orchestrations._history.errors import NonDeterminismWarning, NotDeterministic

from .activity import Activity
from .determinism_bindings import FunctionSource, made_by, names_in
from .determinism_calls import (
    CALLABLE,
    CLOCK,
    ENVIRONMENT,
    GLOBAL,
    HELD,
    INPUT_OUTPUT,
    PATH_METHODS,
    RANDOM,
    SET,
    ZONE,
    Forbidden,
    is_without_zone,
    known_calls,
    known_unless_told,
)
from .determinism_globals import GlobalsReader
from .determinism_sets import SetReader
from .function_source import MISSING, Unit, unit_of

FUNCTIONS_MAX = 200  # that are followed from one orchestrator


class Finding(NamedTuple):
    """What cannot be replayed, where it stands, and what to use instead."""

    file: str
    line: int
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}; {self.instead}"


def check_determinism(name: str, function: Callable[..., Any], mode: Literal["warn", "error", "off"]) -> None:
    """Say what a replay of an orchestrator would find changed.

    "warn": a `NonDeterminismWarning` for each place, at its file and line; "error": raises `NotDeterministic`.
    """
    if mode == "off":
        return
    found = find_nondeterminism(function)
    if mode == "error" and found:
        raise NotDeterministic(name, map(str, found))
    for finding in found:
        warnings.warn_explicit(
            f"orchestration {name!r}: {finding.what}; {finding.instead}",
            NonDeterminismWarning,
            finding.file,
            finding.line,
            module=function.__module__,
        )


def find_nondeterminism(function: Callable[..., Any]) -> list[Finding]:
    """The places in an orchestrator's code that cannot be replayed, in their order; none if there is no source."""
    inner = inspect.unwrap(function)
    first = unit_of(inner) if isinstance(inner, types.FunctionType) else None
    if first is None:
        return []
    known = known_calls()
    waiting, seen = [first], {id(first.node)}
    found: set[Finding] = set()
    while waiting and len(seen) <= FUNCTIONS_MAX:
        unit = waiting.pop()
        reader = _Reader(unit, known)
        reader.read()
        via = "" if unit is first else f", in {unit.node.name!r}, which it calls"
        found.update(Finding(unit.file, line, what + via, instead) for line, what, instead in reader.found)
        for called in reader.called:
            if id(called.node) not in seen:
                seen.add(id(called.node))
                waiting.append(called)
    return sorted(found)


# -- reading a function ----------------------------------------------------------------------------------------------------

_SHOWN_LENGTH_MAX = 60
_UNLESS_TOLD = known_unless_told()
_CALL_THEIR_FIRST = (map, filter, iter, itertools.starmap, functools.reduce, collections.defaultdict)


class _Reader(SetReader, GlobalsReader, ast.NodeVisitor):
    """Reads one function's body, with the functions and classes within it."""

    def __init__(self, unit: Unit, known: Mapping[object, tuple[Forbidden, str]]) -> None:
        SetReader.__init__(self, unit.node)
        GlobalsReader.__init__(self, unit.node)
        self.found: list[tuple[int, str, str]] = []
        self.called: list[Unit] = []
        self._unit = unit
        self._known = known
        self._globals = {name for node in ast.walk(unit.node) if isinstance(node, ast.Global) for name in node.names}
        imported, bound = names_in(unit.node)
        self._bound = (bound | imported.keys()) - self._globals
        self._imported = {name: value for name, value in imported.items() if name not in bound}

    def read(self) -> None:
        for statement in self._unit.node.body:
            self.visit(statement)

    # -- what is not run, or not in a replay

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _visit_function(self, node: FunctionSource) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        if not node.decorator_list:  # a decorated one may be an activity
            for statement in node.body:
                self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.look_at_target(node.target)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        # What is done only when nothing is replayed may do what it likes.
        for statement in () if _says_new(node.test) else node.body:
            self.visit(statement)
        for statement in () if _says_replaying(node.test) else node.orelse:
            self.visit(statement)

    # -- assignments

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.look_at_target(target)
        self.look_at_assignment(node)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self.look_at_target(node.target)
        super().visit_For(node)

    def note_global(self, node: ast.expr, name: str) -> None:
        self._note(node, repr(name), GLOBAL)

    def note_set(self, node: ast.expr) -> None:
        shown = ast.unparse(node)
        self._note(node, repr(shown if len(shown) <= _SHOWN_LENGTH_MAX else shown[: _SHOWN_LENGTH_MAX - 1] + "…"), SET)

    # -- calls

    def visit_Call(self, node: ast.Call) -> None:
        self._look_at(node)
        self._look_at_functions_given(node)
        self.look_at_call_over_sets(node)
        self.look_at_change(node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._look_at_held(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._look_at_held(node)
        self.generic_visit(node)

    def _look_at_held(self, node: ast.Name | ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            return
        value = self.resolve(node)
        if value is os.environ or value is getattr(os, "environb", os.environ):
            self._note(node, "os.environ", ENVIRONMENT)
        elif isinstance(node, ast.Attribute):
            owner = self.resolve(node.value)
            kind = HELD.get((owner.__name__, node.attr)) if isinstance(owner, types.ModuleType) else None
            if kind is not None:
                self._note(node, ast.unparse(node), kind)

    def _look_at_functions_given(self, node: ast.Call) -> None:
        """What is called by whom it is given to: `sorted(names, key=hash)`, `map(id, names)`."""
        given = [keyword.value for keyword in node.keywords if keyword.arg in ("key", "default_factory")]
        called = self.resolve(node.func)
        if node.args and any(called is one for one in _CALL_THEIR_FIRST):
            given.append(node.args[0])
        for each in given:
            if isinstance(each, ast.Attribute):
                owner = self.resolve(each.value)
                if isinstance(owner, type) and _reads_clock(owner, each.attr):
                    self._note(each, f"{owner.__name__}.{each.attr}()", CLOCK)
            self._look_up(each, self.resolve(each))

    def _look_at(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Attribute) and self._look_at_method(node, function):
            return
        value = self.resolve(function)
        if isinstance(value, Activity):
            what = f"activity {cast('Activity[..., Any]', value).name!r} is called as a function"
            self.found.append((node.lineno, what, "use context.call_activity, which keeps its result"))
        elif isinstance(value, types.FunctionType):
            self._look_at_function(node, value)
        elif value is random.Random:
            if not node.args and not node.keywords:
                self._note(node, "random.Random()", RANDOM)
        elif value is MISSING:
            self._follow_later(function)
        else:
            self._look_up(node, value)

    def _look_at_function(self, node: ast.Call, value: types.FunctionType) -> None:
        inner = inspect.unwrap(value)
        if self._look_up(node, value) or not isinstance(inner, types.FunctionType):
            return
        if inner.__module__ == self._unit.module:
            unit = unit_of(inner)
            if unit is not None:
                self.called.append(unit)

    def _look_up(self, node: ast.expr, value: object) -> bool:
        if not isinstance(value, CALLABLE):
            return False
        if value in _UNLESS_TOLD:
            kind, name, most = _UNLESS_TOLD[value]
            if isinstance(node, ast.Call) and len(node.args) + len(node.keywords) <= most:
                self._note(node, f"{name}()", kind)
            return True
        if value not in self._known:
            return False
        kind, name = self._known[value]
        self._note(node, f"{name}()", kind)
        return True

    def _look_at_method(self, node: ast.Call, function: ast.Attribute) -> bool:
        """`datetime.now()` and the like: functions of a class; and `Path(…).read_text()`."""
        owner = self.resolve(function.value)
        name = function.attr
        if isinstance(owner, type) and issubclass(owner, datetime.date):
            if name == "fromtimestamp" and len(node.args) + len(node.keywords) == 1:
                self._note(node, f"{owner.__name__}.{name}()", ZONE)
                return True
            clock = _reads_clock(owner, name)
            if clock:
                self._note(node, f"{owner.__name__}.{name}()", CLOCK)
            return clock
        if isinstance(owner, type) and issubclass(owner, pathlib.Path) and name in ("cwd", "home"):
            self._note(node, f"{owner.__name__}.{name}()", ENVIRONMENT)
            return True
        local = name == "timestamp" and is_without_zone(function.value, self.resolve)
        if local or (name == "astimezone" and not node.args and not node.keywords):
            self._note(node, f"{name}()", ZONE)
            return True
        if isinstance(function.value, ast.Call) and name in PATH_METHODS:
            made = self.resolve(function.value.func)
            if isinstance(made, type) and issubclass(made, pathlib.Path):
                self._note(node, f"{made.__name__}.{name}()", INPUT_OUTPUT)
                return True
        return False

    def _follow_later(self, function: ast.expr) -> None:
        """A function that its module defines further down: there is only its source yet."""
        if not isinstance(function, ast.Name) or function.id in self._bound or function.id in self._unit.closure:
            return
        made = [node for node in self._unit.tree.body if function.id in made_by(node)]
        node = made[0] if len(made) == 1 else None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.decorator_list:
            self.called.append(self._unit._replace(node=node, closure={}))

    def _note(self, node: ast.expr, name: str, kind: Forbidden) -> None:
        self.found.append((node.lineno, f"{name} {kind.does}", kind.instead))

    # -- what a name stands for

    def resolve(self, node: ast.expr) -> object:
        """What an expression stands for: `None` if that cannot be known, `MISSING` for a name that is not there yet."""
        if isinstance(node, ast.Name):
            return self._resolve_name(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value)
            if isinstance(owner, types.ModuleType):
                return vars(owner).get(node.attr)
            # A class of a module, as in `datetime.datetime`, is enough: classes' own attributes are looked at by name.
        return None

    def _resolve_name(self, name: str) -> object:
        if name in self._imported:
            return self._imported[name]
        if name in self._bound:
            return None
        return self._unit.look_up(name)


def _reads_clock(owner: type, name: str) -> bool:
    if not issubclass(owner, datetime.date):
        return False
    return name == "today" or (name in ("now", "utcnow") and issubclass(owner, datetime.datetime))


def _says_replaying(test: ast.expr) -> bool:
    """`context.is_replaying`."""
    return isinstance(test, ast.Attribute) and test.attr == "is_replaying"


def _says_new(test: ast.expr) -> bool:
    """`not context.is_replaying`, and perhaps more."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(map(_says_new, test.values))
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and _says_replaying(test.operand)
