"""Defaults of parameters that can change, such as a list: each run of a function gets its own."""

from __future__ import annotations

import copy
import functools
import inspect
from datetime import date, time, timedelta
from types import FunctionType
from typing import Any, cast
from uuid import UUID

_UNCHANGING = (date, time, timedelta, UUID)  # of these, too, a deep copy is another object
_MARK = "__stead_own_defaults__"


def with_own_defaults(function: FunctionType) -> FunctionType:
    """A function whose defaults are copied whenever it is called, so that what one call does to them no other one sees.

    The function itself if they cannot change, as most, or if it is such a one already.
    """
    if _MARK in vars(function):
        return function
    inner: Any = inspect.unwrap(function)
    defaults: tuple[object, ...] = getattr(inner, "__defaults__", None) or ()
    named: dict[str, object] = getattr(inner, "__kwdefaults__", None) or {}
    if not any(map(_can_change, (*defaults, *named.values()))):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        inner.__defaults__ = tuple(map(_own, defaults)) or None
        inner.__kwdefaults__ = {name: _own(value) for name, value in named.items()} or None
        return function(*args, **kwargs)

    vars(call)[_MARK] = True
    return cast("FunctionType", call)


def _can_change(value: object) -> bool:
    return _own(value) is not value


def _own(value: object) -> object:
    if isinstance(value, _UNCHANGING):
        return value
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - what cannot be copied, a lock or a connection, is meant to be one
        return value
