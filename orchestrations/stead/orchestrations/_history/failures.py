"""What went wrong, as data: it is stored in histories and statuses, and travels between instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from stead.entities import SteadError
from stead.transport.describing import (
    CAUSES_MAX,
    ERRORS_MAX,
    MESSAGE_LENGTH_MAX,
    NAME_LENGTH_MAX,
    TRACEBACK_LENGTH_MAX,
    cause_of,
    field_of,
    fields_of,
    is_a,
    members_of,
    message_of,
    qualified_name,
    says,
    text_of,
    traceback_of,
)

TEXT_LENGTH_MAX = 60_000  # characters of everything that is kept of an error and its causes


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
    def of(cls, error: BaseException) -> FailureDetails:
        """The details of an error, with those of its causes. One that stands for a failure elsewhere (`FailedElsewhere`) has
        that as its cause. Cannot fail, whatever the error is like, and gives at most so much."""
        return _Describing().of(error, 0)

    def final(self) -> FailureDetails:
        """The same, for what is of no use to be tried again."""
        return replace(self, non_retriable=True)

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


ENDED_UNSEEN = FailureDetails("asyncio.exceptions.CancelledError", "it was cancelled, and nobody knows how it ended")
"""Of an activity that was cancelled and did not begin, or whose worker ended before it did."""


class FailedElsewhere(SteadError):
    """An error that stands for a failure elsewhere: of an activity, of a sub-orchestration."""

    error_type: str
    message: str
    traceback: str
    cause: FailureDetails | None
    non_retriable: bool = False
    """It failed for good there: what fails by this error does so too, and no retry policy tries it again."""

    @property
    def details(self) -> FailureDetails:
        """What was raised there, as data."""
        return FailureDetails(self.error_type, self.message, self.traceback, self.cause, self.non_retriable)


def shown_ms(limit_ms: int | None) -> str:
    """A time-out for people."""
    return f"{(limit_ms or 0) / 1000:g} s"


class _Describing:
    """The details of one error in the making: so many errors and so much text, over the whole tree of its causes."""

    def __init__(self) -> None:
        self._errors = ERRORS_MAX
        self._length = TEXT_LENGTH_MAX
        self._seen: set[int] = set()

    def of(self, error: BaseException, depth: int) -> FailureDetails:
        self._errors -= 1
        self._seen.add(id(error))
        message = self._cut(message_of(error))
        text = self._cut(traceback_of(error, chain=False))
        final = says(error, "non_retriable")
        causes = self._causes(error, depth)
        name = qualified_name(type(error))
        return FailureDetails(name, message, text, causes[0] if causes else None, final, tuple(causes[1:]))

    def _causes(self, error: BaseException, depth: int) -> list[FailureDetails]:
        if depth >= CAUSES_MAX:
            return []
        if is_a(error, FailedElsewhere):
            return [self._elsewhere(fields_of(error), depth)]
        inner = cause_of(error)
        found = members_of(error)[:CAUSES_MAX] or (() if inner is None else (inner,))
        return [self.of(one, depth + 1) for one in found if self._errors > 0 and id(one) not in self._seen]

    def _elsewhere(self, fields: dict[str, object], depth: int) -> FailureDetails:
        """What an error says of a failure elsewhere: mostly stead has made it, but anybody can."""
        self._errors -= 1
        name = self._text(fields, "error_type", NAME_LENGTH_MAX)
        message = self._text(fields, "message", MESSAGE_LENGTH_MAX)
        text = self._text(fields, "traceback", TRACEBACK_LENGTH_MAX)
        more = field_of(fields, "more_causes")
        found = [field_of(fields, "cause"), *(cast("tuple[object, ...]", more) if type(more) is tuple else ())]
        causes = [
            self._elsewhere({field: getattr(one, field) for field in _FIELDS}, depth + 1)
            for one in found[: CAUSES_MAX + 1]
            if type(one) is FailureDetails and depth < CAUSES_MAX and self._errors > 0
        ]
        final = field_of(fields, "non_retriable") is True
        return FailureDetails(name, message, text, causes[0] if causes else None, final, tuple(causes[1:]))

    def _text(self, fields: dict[str, object], name: str, length_max: int) -> str:
        value = field_of(fields, name)
        return "" if value is None else self._cut(text_of(value, length_max))

    def _cut(self, text: str) -> str:
        text = text[: self._length]
        self._length -= len(text)
        return text


_FIELDS = ("error_type", "message", "traceback", "cause", "non_retriable", "more_causes")
