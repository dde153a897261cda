"""What is given to an instance and what is known of it afterwards: an input, which may be left out, and an ID with a type."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

from stead.entities.extending import check_models
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


def untyped_input(name: str, value: Any) -> Any:
    """The input of an orchestration of which nothing but its name is known here; None if it was left out. Raises `InvalidInput` for
    models that would arrive as others."""
    if value is OMITTED:
        return None
    check_models(value, f"the input of orchestration {name}")
    return value


class TakesNoInput(InvalidInput):
    """An orchestration that takes no input was given one."""
