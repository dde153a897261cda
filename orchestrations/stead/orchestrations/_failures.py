"""What went wrong, as data: it is stored in histories and statuses, and travels between instances."""

from __future__ import annotations

import traceback as tracebacks
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from stead.entities import SteadError, qualified_name

TRACEBACK_LENGTH_MAX = 8_000  # characters of a traceback that are kept: its end says most
MESSAGE_LENGTH_MAX = 4_000
CAUSES_MAX = 8


@dataclass(frozen=True, slots=True)
class FailureDetails:
    """Why something failed: the error's qualified name (`ValueError`, `decimal.InvalidOperation`), its message, the text of
    its traceback, and what caused it. `non_retriable`: trying again is of no use, and no retry policy does. A group of
    errors (of a task group) has the first of them as its cause, and the others as `more_causes`.
    """

    error_type: str
    message: str
    traceback: str = ""
    cause: FailureDetails | None = None
    non_retriable: bool = False
    more_causes: tuple[FailureDetails, ...] = ()

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}" if self.message else self.error_type

    def is_caused_by(self, error: type[BaseException] | str) -> bool:
        """Whether this or one of its causes is of that type, by its qualified name."""
        name = error if isinstance(error, str) else qualified_name(error)
        causes = self.more_causes if self.cause is None else (self.cause, *self.more_causes)
        return self.error_type == name or any(cause.is_caused_by(name) for cause in causes)

    @classmethod
    def of(cls, error: BaseException, depth: int = 0) -> FailureDetails:
        """The details of an error, with those of its causes. One that stands for a failure elsewhere (`details`) has that as its cause."""
        carried = getattr(error, "details", getattr(error, "cause", None))
        inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        cause: FailureDetails | None = None
        more: tuple[FailureDetails, ...] = ()
        if isinstance(error, SteadError) and isinstance(carried, cls):
            cause = carried
        elif (members := _members(error)) and depth < CAUSES_MAX:
            cause, *others = (cls.of(member, depth + 1) for member in members)
            more = tuple(others)
        elif inner is not None and depth < CAUSES_MAX:
            cause = cls.of(inner, depth + 1)
        text = "".join(tracebacks.format_exception(type(error), error, error.__traceback__, chain=False))
        return cls(
            qualified_name(type(error)),
            storable(_message_of(error))[:MESSAGE_LENGTH_MAX],
            storable(text)[-TRACEBACK_LENGTH_MAX:],
            cause,
            bool(getattr(error, "non_retriable", False)),
            more,
        )

    def as_map(self) -> dict[str, Any]:
        """As plain data, in the form in which failures travel: `kind`, `type`, `message`, `traceback`, `cause`."""
        data: dict[str, Any] = {
            "kind": "non_retriable" if self.non_retriable else "operation",
            "type": self.error_type,
            "message": self.message,
            "traceback": self.traceback,
            "cause": None if self.cause is None else self.cause.as_map(),
        }
        if self.more_causes:
            data["more_causes"] = [cause.as_map() for cause in self.more_causes]
        return data

    @classmethod
    def from_map(cls, data: Mapping[str, Any]) -> FailureDetails:
        """The details of plain data. An entity's failure has a text as its cause: `type: message`."""
        cause = data.get("cause")
        if isinstance(cause, str):
            name, _, message = cause.partition(": ")
            inner = cls(name, message) if cause else None
        else:
            inner = None if cause is None else cls.from_map(cause)
        more = tuple(cls.from_map(other) for other in data.get("more_causes", ()))
        non_retriable = data.get("kind") == "non_retriable"
        return cls(data["type"], data["message"], data.get("traceback", ""), inner, non_retriable, more)


def storable(text: str) -> str:
    """Text that msgpack takes: halves of surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _members(error: object) -> tuple[BaseException, ...]:
    """The first errors of a group of errors; none of any other error."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    return cast("BaseExceptionGroup[BaseException]", error).exceptions[:CAUSES_MAX]


def _message_of(error: BaseException) -> str:
    try:
        if isinstance(error, BaseExceptionGroup):
            members = cast("BaseExceptionGroup[BaseException]", error).exceptions
            named = "; ".join(f"{qualified_name(type(member))}: {member}" for member in members[:CAUSES_MAX])
            return f"{error}: {named}"
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an error's own text may be broken
        return f"(its message cannot be shown: {type(broken).__name__})"
