"""When the rules of cron are due: five fields, in the hours of a time zone.

Of a rule whose minutes and hours are both fixed (neither begins with `*`) each hour of the clock counts once: in an hour that
is repeated the first time, and in one that does not exist the next moment that does. Any other rule follows elapsed time: it
is due whenever the clock shows a fitting time, so in a repeated hour twice, and in one that does not exist not at all.

The fields are read, and gone through, by cronsim, on times without a zone; which instants those are is decided here. A day of
the month and a day of the week are alternatives, as in Vixie's cron: unless one begins with `*`, which restricts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from stead.transport import InvalidInput

_FIELDS = 5
_LENGTH_MAX = 200
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
# By so much a clock may be set back: no zone's has been by more in this century, and none is about to be.
_BACK = timedelta(hours=3)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = "it is never due: no month that it names has such a day"
_ANY_TIME = _EPOCH.replace(tzinfo=None)


def check_cron(expression: str, timezone: str) -> None:
    """Raises `InvalidInput` for what is no rule, no time zone, or a rule that is never due."""
    if not isinstance(expression, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"cron {expression!r}", "a rule is text, such as '0 9 * * MON-FRI'")
    zone_of(timezone)
    if len(expression) > _LENGTH_MAX or len(expression.split()) != _FIELDS:
        raise InvalidInput(
            f"cron {expression[:40]!r}",
            "a rule has five fields, minute, hour, day of the month, month and day of the week, such as '0 9 * * MON-FRI'",
        )
    try:
        first = next(_shown_times(expression, _ANY_TIME), None)
    except CronSimError as error:
        reason = (
            _NEVER
            if _is_read(expression)
            else f"{str(error).lower()}: see the how-to page on reminders for what a field can be"
        )
        raise InvalidInput(f"cron {expression!r}", reason) from error
    if first is None:
        raise InvalidInput(f"cron {expression!r}", _NEVER)


def _is_read(expression: str) -> bool:
    """Whether each field of a rule can be read: it could if it were of all months, and if it were of all days."""
    minute, hour, day, month, weekday = expression.split()
    try:
        for days, months in ((day, "*"), ("*", month)):
            CronSim(f"{minute} {hour} {days} {months} {weekday}", _ANY_TIME)
    except CronSimError:
        return False
    return True


@lru_cache(maxsize=256)
def zone_of(timezone: str) -> ZoneInfo:
    """A time zone by its name. Raises `InvalidInput` for what is none."""
    if not isinstance(timezone, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"time zone {timezone!r}", "it is named by text, such as 'Europe/Oslo'")
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder's name, a path, an empty one
        raise InvalidInput(f"time zone {timezone[:60]!r}", "there is none of that name; write 'Europe/Oslo'") from error


def next_due_ms(expression: str, timezone: str, after_ms: int) -> int | None:
    """The first due time of a checked rule after an instant; None if there is none in the next fifty years."""
    zone = zone_of(timezone)
    after = _EPOCH + timedelta(milliseconds=after_ms)
    due = (_next_fixed if _is_fixed(expression) else _next_elapsed)(expression, zone, after)
    return None if due is None else (due - _EPOCH) // timedelta(milliseconds=1)


def _is_fixed(expression: str) -> bool:
    minute, hour, *_ = expression.split()
    return not (minute.startswith("*") or hour.startswith("*"))


def _next_fixed(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    for shown in _shown_times(expression, after.astimezone(zone).replace(tzinfo=None)):
        due = _first_moment(shown, zone)
        if due > after:
            return due
    return None


def _first_moment(shown: datetime, zone: ZoneInfo) -> datetime:
    """The first moment at which a clock shows a time; if it never does, the first one after."""
    while not (moments := _moments(shown, zone)):
        shown += _MINUTE
    return moments[0]


def _moments(shown: datetime, zone: ZoneInfo) -> list[datetime]:
    """The moments at which a clock shows a time, in order: one, two in a repeated hour, none in one that is left out."""
    found = {
        moment
        for fold in (0, 1)
        if (moment := shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)).astimezone(zone).replace(tzinfo=None)
        == shown
    }
    return sorted(found)


def _next_elapsed(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    local = after.astimezone(zone)
    shown = next(_shown_times(expression, local.replace(tzinfo=None)), None)
    if shown is None:
        return None
    offset = local.utcoffset() or timedelta()
    due = (shown - offset).replace(tzinfo=UTC)
    if due - after < _DAY and due.astimezone(zone).utcoffset() == offset:
        return due  # the clock was not set in between
    # It was, or may have been: what it showed before may come again.
    best: datetime | None = None
    for shown in _shown_times(expression, local.replace(tzinfo=None) - _BACK):
        if best is not None and shown > best.astimezone(zone).replace(tzinfo=None) + _BACK:
            break
        for moment in _moments(shown, zone):
            if moment > after and (best is None or moment < best):
                best = moment
    return best


def _shown_times(expression: str, after: datetime) -> Iterator[datetime]:
    """What a clock shows when the rule is due, after a time that it shows."""
    return CronSim(expression, after)
