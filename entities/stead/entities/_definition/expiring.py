"""Entities that expire: how long that takes, and the operation that nobody can name which deletes them.

It runs the class's `on_expire`, if there is one, as a turn of the entity: what that gives keeps the entity, or does not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from types import FunctionType
from typing import Any, cast

from stead.entities._message.errors import InvalidDefinition
from stead.entities._message.reminders import EXPIRE
from stead.entities._message.times import delay_in_ms
from stead.transport import InvalidInput

from .class_rules import ON_EXPIRE
from .entity import Entity
from .operations import Operation
from .own_context import keep_for

EXPIRES_MS_MIN = 1_000


def checked_expiry(expires_after: timedelta, name: str) -> int:
    """In milliseconds. Raises `InvalidDefinition` for less than a second."""
    what = f"expires_after of {name}"
    try:
        expires_ms = delay_in_ms(expires_after)
    except InvalidInput as error:
        raise InvalidDefinition(what, error.reason) from error
    if expires_ms < EXPIRES_MS_MIN:
        raise InvalidDefinition(what, f"{expires_after} is too short: a second is the least")
    return expires_ms


def has_hook(cls: type[Entity]) -> bool:
    """Whether a class has something to run when one of its entities ends."""
    return inspect.getattr_static(cls, ON_EXPIRE, None) is not None


def expire_operation(cls: type[Entity], name: str, expires_ms: int) -> Operation:
    """The operation that ends an entity. Raises `InvalidDefinition` for an `on_expire` that cannot be run."""
    hook = cast("Callable[[Any], Any] | None", inspect.getattr_static(cls, ON_EXPIRE, None))
    what = f"{cls.__name__}.{ON_EXPIRE}"
    if hook is not None and (not isinstance(hook, FunctionType) or len(inspect.signature(hook).parameters) != 1):
        raise InvalidDefinition(what, "it is a method that takes `self` and nothing else")

    def expire(self: Any) -> None:
        _end(self, None if hook is None else hook(self), expires_ms, what)

    async def expire_later(self: Any) -> None:
        assert hook is not None, "it waits for something"
        _end(self, await hook(self), expires_ms, what)

    waits = hook is not None and inspect.iscoroutinefunction(hook)
    return Operation(EXPIRE, expire_later if waits else expire, {}, name)


def _end(self: Entity, kept: object, expires_ms: int, what: str) -> None:
    """Delete the entity, or keep it for as long as its class says: for a step, if that is none, so that it is not asked again and again."""
    if kept is None:
        self.context.delete_state()
    elif isinstance(kept, timedelta):
        keep_for(self.context, delay_in_ms(kept) or max(1, expires_ms // 10))
    else:
        raise InvalidInput(what, f"it gives a timedelta or None, not {kept!r}")
