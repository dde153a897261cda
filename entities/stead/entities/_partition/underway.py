"""An asynchronous operation that has begun, on its way from the partition to whoever awaits it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Coroutine, Generator
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from .activation import Activation

P = TypeVar("P")  # a partition


class WithVariables:
    """What a kind gives to be awaited, if it is to run with variables of its own."""

    __slots__ = ("awaitable", "variables")

    def __init__(self, awaitable: Awaitable[object], variables: Context) -> None:
        self.awaitable = awaitable
        self.variables = variables

    def __await__(self) -> Generator[Any, Any, object]:
        return self.awaitable.__await__()


@dataclass(frozen=True, slots=True)
class Underway(Generic[P]):
    """An asynchronous operation that the shell has to await, and to `finish` with what comes of it."""

    partition: P
    activation: Activation
    awaitable: Awaitable[object]
    variables: Context | None = None
    """With which it begins, if not with those of who awaits it."""

    @classmethod
    def of(cls, partition: P, activation: Activation, awaitable: Awaitable[object]) -> Underway[P]:
        """What a kind has given."""
        if type(awaitable) is WithVariables:
            return cls(partition, activation, awaitable.awaitable, awaitable.variables)
        return cls(partition, activation, awaitable)

    def close(self) -> None:
        """Nobody will await it any more. A coroutine that was cancelled before it began would complain otherwise, also one
        that something else stands for."""
        awaitable: Any = self.awaitable
        with contextlib.suppress(BaseException):  # what the operation does on its way out has no effect any more
            if isinstance(self.awaitable, Coroutine):
                awaitable.close()
