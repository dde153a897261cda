"""What annotations say of values: whether they are sets, of what type their fields, elements and results are."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import types
import typing
from typing import Any, Final, cast

import typing_extensions

from .activity import Activity
from .orchestration import Orchestration

_SET_TYPES: Final = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)


def is_set_type(hint: Any) -> bool:
    """Whether values of a type may be sets; of tasks is meant to be fine."""
    if isinstance(hint, typing_extensions.TypeAliasType):
        return is_set_type(hint.__value__)
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return is_set_type(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return any(map(is_set_type, typing.get_args(hint)))
    if origin is not None:
        return (
            isinstance(origin, type) and origin in _SET_TYPES and "Task" not in str(hint) and "Future" not in str(hint)
        )
    return isinstance(hint, type) and (issubclass(hint, (set, frozenset)) or hint in _SET_TYPES)


def hint_of(owner: Any, name: str) -> Any:
    """The type of a class's field; None if that is not known."""
    cls = typing.get_origin(owner) or owner
    if not isinstance(cls, type):
        return None
    try:
        found = typing.get_type_hints(cls).get(name)
    except Exception:  # noqa: BLE001 - annotations are the user's, and need not be there at run time
        return None
    if found is None:
        member = inspect.getattr_static(cls, name, None)
        return result_of(member.fget) if isinstance(member, property) else None
    return found


def element_of(owner: Any, index: ast.expr | None) -> Any:
    """The type of the elements of a list or tuple, or of a dictionary's values (with an index) or keys."""
    arguments = typing.get_args(owner)
    origin = typing.get_origin(owner)
    if origin is dict and len(arguments) == 2:
        return arguments[0 if index is None else 1]
    return arguments[0] if origin in (list, tuple, collections.abc.Sequence) and arguments else None


def result_of(found: object) -> Any:
    """The type of what a function, an activity or an orchestration gives, awaited if it has to be."""
    function = cast("Any", found).function if isinstance(found, (Activity, Orchestration)) else found
    if not isinstance(function, types.FunctionType):
        return None
    try:
        return typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - annotations are the user's, and need not be there at run time
        return None
