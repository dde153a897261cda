"""What went wrong, as data: it is stored in histories and statuses, and travels between instances."""

from __future__ import annotations

import traceback as tracebacks
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stead.entities import SteadError, qualified_name

TRACEBACK_LENGTH_MAX = 8_000  # characters of a traceback that are kept: its end says most
MESSAGE_LENGTH_MAX = 4_000
CAUSES_MAX = 8


@dataclass(frozen=True, slots=True)
class FailureDetails:
    """Why something failed: the error's qualified name (`ValueError`, `decimal.InvalidOperation`), its message, the text of
    its traceback, and what caused it. `non_retriable`: trying again is of no use, and no retry policy does.
    """

    error_type: str
    message: str
    traceback: str = ""
    cause: FailureDetails | None = None
    non_retriable: bool = False

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}" if self.message else self.error_type

    def is_caused_by(self, error: type[BaseException] | str) -> bool:
        """Whether this or one of its causes is of that type, by its qualified name."""
        name = error if isinstance(error, str) else qualified_name(error)
        return self.error_type == name or (self.cause is not None and self.cause.is_caused_by(name))

    @classmethod
    def of(cls, error: BaseException, depth: int = 0) -> FailureDetails:
        """The details of an error, with those of its causes. An error that carries details as its `cause` keeps them."""
        carried = getattr(error, "cause", None)
        inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        cause: FailureDetails | None = None
        if isinstance(error, SteadError) and isinstance(carried, cls):
            cause = carried
        elif inner is not None and depth < CAUSES_MAX:
            cause = cls.of(inner, depth + 1)
        text = "".join(tracebacks.format_exception(type(error), error, error.__traceback__, chain=False))
        return cls(
            qualified_name(type(error)),
            storable(_message_of(error))[:MESSAGE_LENGTH_MAX],
            storable(text)[-TRACEBACK_LENGTH_MAX:],
            cause,
            bool(getattr(error, "non_retriable", False)),
        )

    def as_map(self) -> dict[str, Any]:
        """As plain data, in the form in which failures travel: `kind`, `type`, `message`, `traceback`, `cause`."""
        return {
            "kind": "non_retriable" if self.non_retriable else "operation",
            "type": self.error_type,
            "message": self.message,
            "traceback": self.traceback,
            "cause": None if self.cause is None else self.cause.as_map(),
        }

    @classmethod
    def from_map(cls, data: Mapping[str, Any]) -> FailureDetails:
        """The details of plain data. An entity's failure has a text as its cause: `type: message`."""
        cause = data.get("cause")
        if isinstance(cause, str):
            name, _, message = cause.partition(": ")
            inner = cls(name, message) if cause else None
        else:
            inner = None if cause is None else cls.from_map(cause)
        return cls(data["type"], data["message"], data.get("traceback", ""), inner, data.get("kind") == "non_retriable")


def storable(text: str) -> str:
    """Text that msgpack takes: halves of surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an error's own text may be broken
        return f"(its message cannot be shown: {type(broken).__name__})"
