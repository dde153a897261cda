"""What a function's source says of its names: which it binds, to what, and what is done with them. Syntax only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

FunctionSource: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def names_in(function: FunctionSource) -> tuple[dict[str, Any], set[str]]:
    """What a function imports, and the names that it or a function within it binds otherwise."""
    imported: dict[str, Any] = {}
    bound: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.partition(".")[0]
                imported[alias.asname or full] = sys.modules.get(full)
        elif isinstance(node, ast.ImportFrom):
            module = None if node.level else sys.modules.get(node.module or "")
            for alias in node.names:
                found = None if module is None else vars(module).get(alias.name)
                imported[alias.asname or alias.name] = found
        elif node is not function:
            bound.update(_bound_by(node))
    return imported, bound


def _bound_by(node: ast.AST) -> Iterable[str]:
    """The names that one piece of syntax binds."""
    match node:
        case ast.Name(ctx=ast.Store() | ast.Del()):
            return (node.id,)
        case ast.arg():
            return (node.arg,)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return (node.name,)
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
            return (node.name,) if node.name else ()
        case ast.MatchMapping():
            return (node.rest,) if node.rest else ()
        case _:
            return ()


def made_by(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module may bind."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        yield from _bound_by(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def bindings_in(function: ast.AST) -> dict[str, list[tuple[str, ast.expr | None]]]:
    """What each local name is bound to: "value" or "element" of an expression, or of an "annotation"; None: who knows."""
    found: dict[str, list[tuple[str, ast.expr | None]]] = {}
    known: set[int] = set()

    def bind(target: ast.expr, kind: str, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            known.add(id(target))
            found.setdefault(target.id, []).append((kind, value))

    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    bind(target, "value", value)
            case ast.AnnAssign(target=target, annotation=annotation):
                bind(target, "annotation", annotation)
            case ast.NamedExpr(target=target, value=value):
                bind(target, "value", value)
            case ast.AugAssign(target=ast.Name() as target):
                known.add(id(target))  # it stays what it was
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                bind(target, "element", value)
            case ast.arg(arg=name, annotation=annotation):
                found.setdefault(name, []).append(("annotation", annotation))
            case _:
                pass
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in known:
            found.setdefault(node.id, []).append(("value", None))
    return found


def added_in(function: ast.AST) -> dict[str, list[ast.expr]]:
    """What is added to each name: `names.add(…)`."""
    found: dict[str, list[ast.expr]] = {}
    for name, method, arguments in _method_calls(function):
        if method == "add":
            found.setdefault(name, []).extend(arguments)
    return found


def sorted_in(function: ast.AST) -> set[str]:
    """The names of lists that are sorted in place."""
    return {name for name, method, _ in _method_calls(function) if method == "sort"}


def _method_calls(function: ast.AST) -> Iterator[tuple[str, str, list[ast.expr]]]:
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=arguments):
                yield name, method, arguments
            case _:
                pass
