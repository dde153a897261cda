"""What is given to an instance and what is known of it afterwards: an input, which may be left out, and an ID with a type."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

from stead.transport import InvalidInput

O_co = TypeVar("O_co", covariant=True)


class InstanceId(str, Generic[O_co]):
    """An instance's ID that knows the type of the instance's output; otherwise it is the text that it is."""

    __slots__ = ()


class _Omitted:
    """The type of `OMITTED`."""

    def __repr__(self) -> str:
        return "..."


OMITTED: Final[Any] = _Omitted()
"""Stands for an input that was left out."""


class TakesNoInput(InvalidInput):
    """An orchestration that takes no input was given one."""
