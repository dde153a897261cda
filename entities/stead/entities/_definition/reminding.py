"""What `reminder` of a context gives: a reminder that still has to be told what to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from stead.entities._message.ids import EntityClass
from stead.entities._message.rhythm import Every, Rhythm, checked_cron, checked_every
from stead.entities._message.times import delay_in_ms, instant_in_ms
from stead.transport import InvalidInput

P = ParamSpec("P")
E = TypeVar("E", bound=EntityClass)

SetReminder = Callable[[Any, Sequence[Any], Mapping[str, Any]], None]
"""Sets the reminder, given an operation and its arguments."""


class ReminderToSet:
    """A reminder that is not set before its `signal` is called: an operation that forgets that fails."""

    __slots__ = ("_set",)

    def __init__(self, set_reminder: SetReminder) -> None:
        self._set = set_reminder

    @overload
    def signal(self, operation: Callable[Concatenate[E, P], object], /, *args: P.args, **kwargs: P.kwargs) -> None: ...

    @overload
    def signal(self, operation: str, /, *args: Any, **kwargs: Any) -> None: ...

    def signal(self, operation: Any, /, *args: Any, **kwargs: Any) -> None:
        """What is to run then, on this entity: `(Station.flush, "late")`, or by name, `("flush", "late")`.

        Raises `InvalidInput` for an operation that is not one of this entity's and for arguments that it does not take, and
        `UnknownOperation`.
        """
        self._set(operation, args, kwargs)


def first_due(
    now_ms: int,
    after: timedelta | None,
    at: datetime | None,
    every: timedelta | None,
    cron: str | None,
    timezone: str | None,
) -> tuple[int, Rhythm | None]:
    """When a reminder with these options is due, and how it goes on. Raises `InvalidInput`."""
    if cron is not None:
        if after is not None or at is not None or every is not None:
            raise InvalidInput("reminder", "`cron` says all that there is to say: leave out `after`, `at` and `every`")
        rule = checked_cron(cron, "UTC" if timezone is None else timezone)
        due_ms = rule.next_after(now_ms)
        if due_ms is None:
            raise InvalidInput(f"cron {cron!r}", "it is never due")
        return due_ms, rule
    if timezone is not None:
        raise InvalidInput("reminder", "`timezone` goes with `cron`: everything else is the same in every zone")
    if after is not None and at is not None:
        raise InvalidInput("reminder", "`after` and `at` exclude each other")
    every_ms = None if every is None else checked_every(every)
    if after is not None:
        due_ms = now_ms + delay_in_ms(after)
    elif at is not None:
        due_ms = instant_in_ms(at)
    elif every_ms is not None:
        due_ms = now_ms + every_ms
    else:
        raise InvalidInput("reminder", "say when: `after`, `at`, `every` or `cron`")
    return due_ms, None if every_ms is None else Every(every_ms, due_ms)
