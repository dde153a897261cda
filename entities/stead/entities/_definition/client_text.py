"""Text that may hold JSON: what clients of Durable Functions send where they mean a value of another type.

Some of them encode what they send twice, so that a number arrives as the text "5" and an object as text with braces. What was
meant is told by what is declared where it arrives, which is not always known where it is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydantic_core

from stead.transport import InvalidInput

from .values import Value


class ClientText(str):
    """Such a text. `twice`: whoever sent it encodes everything twice, so that JSON is what it holds."""

    __slots__ = ("twice",)
    twice: bool

    @classmethod
    def of(cls, text: str, *, twice: bool = False) -> str:
        """The text; a plain one if it is no JSON, and can mean nothing else."""
        if not holds_json(text):
            return text
        made = cls(text)
        made.twice = twice
        return made

    def readings(self, *, untyped: bool) -> list[Any]:
        """What it can mean, the likeliest first. `untyped`: anything is taken where it arrives."""
        text, held = str(self), pydantic_core.from_json(self, allow_inf_nan=False)
        return [held, text] if self.twice or untyped else [text, held]

    def read(self, decode: Callable[[Any], Any] | None) -> Any:
        """What it means to a reader, which raises `InvalidInput` for what it does not take; None takes anything."""
        first, second = self.readings(untyped=decode is None or _passes_anything(decode))
        if decode is None:
            return first
        try:
            return decode(first)
        except InvalidInput as error:
            try:
                return decode(second)
            except InvalidInput as other:
                raise (error if isinstance(second, str) else other) from None


def reader_of_text(decode: Callable[[Any], Any] | None) -> Callable[[ClientText], Any]:
    """What reads client's texts, made of what reads values; None takes anything."""
    return lambda text: text.read(decode)


def holds_json(text: str) -> bool:
    """Whether a text can be read as JSON."""
    try:
        pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def takes_anything(how: Value) -> bool:
    """Whether a declared type says nothing: `Any`, or a union with it."""
    return _passes_anything(how.check)


def _passes_anything(check: Callable[[Any], Any]) -> bool:
    probe = object()
    try:
        return check(probe) is probe
    except Exception:  # noqa: BLE001 - a validator of the user's may raise whatever it likes at what it does not expect
        return False
