"""What a schedule is to do, and when: plain data, checked when it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel

from stead.entities.extending import (
    Cron,
    Every,
    Rhythm,
    check_instance_id,
    checked_cron,
    checked_every,
    delay_in_ms,
    instant_in_ms,
)
from stead.transport import InvalidInput, pack

Overlap: TypeAlias = Literal["skip", "buffer_one", "allow", "terminate"]
"""What happens when a run is due while an earlier one still runs: it is left out, the first that comes waits for the end, both
run, or the earlier one is terminated."""

NAME_LENGTH_MAX = 200  # an instance's ID is made of it
CATCH_UP_DEFAULT = timedelta(minutes=1)


_TIMES = ("cron", "timezone", "every_ms", "start_ms", "end_ms")


class ScheduledStart(BaseModel):
    """An orchestration is started."""

    name: str
    version: str | None = None
    input: Any = None
    tags: dict[str, str] | None = None


class ScheduledSignal(BaseModel):
    """A signal is sent."""

    target: str
    operation: str
    args: list[Any]
    kwargs: dict[str, Any] | None = None


class Spec(BaseModel):
    """What a schedule is told. Times are milliseconds."""

    cron: str | None = None
    timezone: str = "UTC"
    every_ms: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    jitter_ms: int = 0
    overlap: Overlap = "skip"
    catch_up_ms: int = 60_000
    start: ScheduledStart | None = None
    signal: ScheduledSignal | None = None

    def rhythm(self, created_ms: int) -> Rhythm:
        """When it is due. An interval counts from `start_ms`, else from its creation."""
        if self.cron is not None:
            return Cron(self.cron, self.timezone)
        assert self.every_ms is not None, "a schedule has one of the two"
        return Every(self.every_ms, created_ms if self.start_ms is None else self.start_ms)

    def has_times_of(self, other: Spec) -> bool:
        """Whether the occurrences are those of another one; not how they are run."""
        return all(getattr(self, name) == getattr(other, name) for name in _TIMES)

    def mark(self) -> str:
        """Tells specs apart, over processes and versions of Python."""
        return hashlib.blake2b(bytes(pack(self.model_dump())), digest_size=16).hexdigest()


def check_schedule_name(name: str) -> str:
    """A schedule's name, if it can be one: it begins the IDs of instances. Raises `InvalidInput`."""
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"schedule {name!r}", "a name is text")
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise InvalidInput(f"schedule {name[:20]!r}", f"a name has 1 to {NAME_LENGTH_MAX} characters")
    try:
        return check_instance_id(name)
    except InvalidInput as error:
        raise InvalidInput(f"schedule {name!r}", error.reason) from error


def make_timing(
    *,
    cron: str | None,
    every: timedelta | None,
    timezone: str | None,
    start: datetime | None,
    end: datetime | None,
    jitter: timedelta | None,
    overlap: Overlap | None,
    catch_up: timedelta | None,
) -> Spec:
    """A spec that says when, and not yet what. Raises `InvalidInput`."""
    if (cron is None) == (every is None):
        raise InvalidInput("schedule", "say when: either `cron` or `every`")
    if timezone is not None and cron is None:
        raise InvalidInput("schedule", "`timezone` goes with `cron`: an interval is the same in every zone")
    if overlap is not None and overlap not in get_args(Overlap):
        raise InvalidInput(f"overlap={overlap!r}", f"write one of {', '.join(map(repr, get_args(Overlap)))}")
    start_ms = None if start is None else instant_in_ms(start)
    end_ms = None if end is None else instant_in_ms(end)
    if start_ms is not None and end_ms is not None and end_ms < start_ms:
        raise InvalidInput("schedule", f"it ends ({end}) before it starts ({start})")
    return Spec(
        cron=None if cron is None else checked_cron(cron, timezone or "UTC").expression,
        timezone=timezone or "UTC",
        every_ms=None if every is None else checked_every(every),
        start_ms=start_ms,
        end_ms=end_ms,
        jitter_ms=0 if jitter is None else _span_in_ms("jitter", jitter),
        overlap=overlap or "skip",
        catch_up_ms=_span_in_ms("catch_up", CATCH_UP_DEFAULT if catch_up is None else catch_up),
    )


def _span_in_ms(what: str, duration: timedelta) -> int:
    milliseconds = delay_in_ms(duration)
    if duration < timedelta(0):
        raise InvalidInput(f"{what}={duration!r}", "it is a time to wait: nothing, or more")
    return milliseconds


def signal_of(
    target: str, operation: str, args: Sequence[object], kwargs: Mapping[str, object] | None
) -> ScheduledSignal:
    """The signal that a schedule sends."""
    return ScheduledSignal(target=target, operation=operation, args=list(args), kwargs=dict(kwargs) if kwargs else None)
