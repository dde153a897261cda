"""`Windowed`: an aggregate for each span of time, over the newest of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, Self, TypeVar, cast, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from stead.transport import InvalidInput

from .base import Aggregate, Parent, aggregate_schema, parts_of, read_aggregate

T = TypeVar("T", bound=Aggregate)

KEEP_MAX = 100_000
_WIDTH_MS_MAX = 36_525 * 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _system_ms() -> int:
    return time.time_ns() // 1_000_000


hub_clock: ContextVar[Callable[[], int]] = ContextVar("stead_hub_clock", default=_system_ms)
"""The time, in milliseconds, of the hub whose operation runs; outside of operations this machine's."""


def windowed(of: T, width: timedelta, *, keep: int, ahead: timedelta | None = None) -> Windowed[T]:
    """An aggregate for each span of time, as a field: `windowed(Tally(), timedelta(minutes=1), keep=60)`.

    `of` is what each bucket begins as, `width` how long it is (whole milliseconds; buckets begin at multiples of it since 1970,
    UTC), `keep` how many there are. Events may be up to `ahead` after the server's time (None: a width). Raises `InvalidInput`.
    """
    return Windowed(of, width, keep=keep, ahead=ahead)


class Windowed(Aggregate, Parent, Generic[T]):
    """Buckets by the time of events: the newest one that there was, and so many before it as are kept.

    What comes for an older one is counted in `late`, what is dated too far after the server's time in `early`; neither changes
    anything else. What is held, and what an event costs, does not grow with the number of events.
    """

    __slots__ = (
        "_ahead_ms",
        "_buckets",
        "_dropped",
        "_early",
        "_keep_count",
        "_late",
        "_newest",
        "_of",
        "_touched",
        "_width_ms",
    )

    _NAME: ClassVar[str] = "stead.windowed"

    def __init__(self, of: T, width: timedelta, *, keep: int, ahead: timedelta | None = None) -> None:
        super().__init__()
        if not isinstance(of, Aggregate) or isinstance(of, Windowed) or not of._is_empty():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInput("windowed", "its first argument is an empty aggregate that is no window itself")
        if type(keep) is not int or not 1 <= keep <= KEEP_MAX:
            raise InvalidInput("windowed, keep", f"it is a number of buckets, from 1 to {KEEP_MAX:,}")
        self._of = of._copied()
        self._width_ms = _milliseconds("width", width)
        if not 1 <= self._width_ms <= _WIDTH_MS_MAX:
            raise InvalidInput("windowed, width", "it is from a millisecond to a hundred years")
        self._keep_count = keep
        self._ahead_ms = self._width_ms if ahead is None else _milliseconds("ahead", ahead)
        if self._ahead_ms < 0:
            raise InvalidInput("windowed, ahead", "it is not less than nothing")
        self._buckets: dict[int, T] = {}  # empty ones may be among them, which are as good as none
        self._newest: int | None = None
        self._late = 0
        self._early = 0
        self._touched: list[T] = []  # while there is something to be undone: what has changed, and what was dropped
        self._dropped: dict[int, T] = {}

    # -- what users call -----------------------------------------------------------------------------------------------

    def at(self, moment: datetime) -> T:
        """The bucket of a moment, to add to. What is too old, or too far in the future, gets one that only counts what it is
        given, in `late` or `early`. Raises `ValueError` for a moment without a time zone.
        """
        moment_ms = _instant_ms(moment)
        index = moment_ms // self._width_ms
        newest = self._newest
        if newest is None or index >= newest:
            if moment_ms > hub_clock.get()() + self._ahead_ms:
                return self._part(_Outside(self, late=False))
        elif index <= newest - self._keep_count:
            return self._part(_Outside(self, late=True))
        return self._buckets.get(index) or self._made(index)

    def over(self, duration: timedelta) -> T:
        """What the newest buckets hold together, as many as cover a duration: a window that slides by buckets, and ends with the
        newest one. Raises `ValueError` for a duration that is not positive or longer than what is kept.
        """
        count = math.ceil(duration / timedelta(milliseconds=self._width_ms))
        if not 1 <= count <= self._keep_count:
            raise ValueError(f"{duration} is not within what is kept: {self.keep} buckets of {self.width}")
        result = self._of._copied()
        if self._newest is not None:
            for index in range(self._newest - count + 1, self._newest + 1):
                bucket = self._buckets.get(index)
                if bucket is not None:
                    result.merge(bucket)
        return result

    def series(self) -> list[tuple[datetime, T]]:
        """The beginning of each bucket and what is in it, oldest first, up to the newest: as many as are kept, gaps included.
        None at all before the first event. They are copies.
        """
        if self._newest is None:
            return []
        indexes = range(self._newest - self._keep_count + 1, self._newest + 1)
        return [(self._start(index), self._buckets.get(index, self._of)._copied()) for index in indexes]

    @property
    def late(self) -> int:
        """How many events were for a bucket that was not kept any more."""
        return self._late

    @property
    def early(self) -> int:
        """How many events were dated too far after the server's time."""
        return self._early

    @property
    def width(self) -> timedelta:
        """How long a bucket is."""
        return timedelta(milliseconds=self._width_ms)

    @property
    def keep(self) -> int:
        """How many buckets are kept."""
        return self._keep_count

    @property
    def ahead(self) -> timedelta:
        """How far an event may be after the server's time."""
        return timedelta(milliseconds=self._ahead_ms)

    def summary(self) -> dict[str, Any]:
        """`width_ms`, `buckets` (those with something in them: `start` and `value`), `late` and `early`."""
        buckets = [{"start": _shown(self._start(index)), "value": bucket.summary()} for index, bucket in self._filled()]
        return {"width_ms": self._width_ms, "buckets": buckets, "late": self._late, "early": self._early}

    def __repr__(self) -> str:
        held = len(self._filled())
        return f"<Windowed of {self._of!r}: {held} of {self.keep} buckets of {self.width}, late {self.late}, early {self.early}>"

    # -- buckets -------------------------------------------------------------------------------------------------------

    def _part(self, parent: Parent) -> T:
        part = self._of._copied()
        part._parent = parent
        part._quiet()
        return part

    def _made(self, index: int) -> T:
        """An empty bucket, which changes nothing yet."""
        if len(self._buckets) > 2 * self._keep_count:
            self._buckets = {place: part for place, part in self._buckets.items() if not part._is_empty()}
        made = self._buckets[index] = self._part(self)
        made._place = index
        return made

    def child_changes(self, child: T) -> bool:
        """A bucket is about to change."""
        index = child._place
        if self._newest is not None and index <= self._newest - self._keep_count:
            self.count_outside(late=True)
            return False
        found = self._buckets.get(index)
        if found is None and child._is_empty():
            found = self._buckets[index] = child
        if found is not child:
            raise RuntimeError("this bucket is of no use any more: ask for it by `at`, where something is added")
        self._change()
        if self._before is not None:
            self._touched.append(child)
        if self._newest is None or index > self._newest:
            self._advance(index)
        return True

    def may_go_back(self) -> bool:
        """Whether a change of a bucket may be undone."""
        return self._before is not None

    def count_outside(self, *, late: bool) -> None:
        """An event has no bucket."""
        self._change()
        if late:
            self._late += 1
        else:
            self._early += 1

    def _advance(self, newest: int) -> None:
        """Another bucket is the newest: drop those that are too old."""
        self._newest = newest
        oldest = newest - self._keep_count + 1
        if min(self._buckets, default=oldest) < oldest:
            for index in [index for index in self._buckets if index < oldest]:
                dropped = self._buckets.pop(index)
                dropped._quiet()
                if self._before is not None:
                    self._dropped[index] = dropped

    def _filled(self) -> list[tuple[int, T]]:
        return sorted((index, bucket) for index, bucket in self._buckets.items() if not bucket._is_empty())

    def _start(self, index: int) -> datetime:
        return _EPOCH + timedelta(milliseconds=index * self._width_ms)

    # -- as an aggregate -----------------------------------------------------------------------------------------------

    @classmethod
    def _of_nothing(cls) -> Self:
        raise ValueError("there is nothing to merge, and so no width and no number of buckets")

    def _parameters(self) -> tuple[object, ...]:
        return type(self._of), self._of._parameters(), self._width_ms, self._keep_count, self._ahead_ms

    def _is_empty(self) -> bool:
        return self._newest is None and not self._late and not self._early

    def _clear(self) -> None:
        for bucket in self._buckets.values():
            bucket._quiet()
        if self._before is not None:
            self._dropped = self._buckets | self._dropped
        self._buckets, self._newest, self._late, self._early = {}, None, 0, 0

    def _merge(self, other: Any) -> None:
        if other._newest is not None and (self._newest is None or other._newest > self._newest):
            self._advance(other._newest)
        oldest = (self._newest or 0) - self._keep_count
        for index, bucket in other._filled():
            if index > oldest:
                (self._buckets.get(index) or self._made(index)).merge(bucket)
        self._late += other._late
        self._early += other._early

    def _snapshot(self) -> Any:
        return self._newest, self._late, self._early

    def _restore(self, before: Any) -> None:
        for index, bucket in self._dropped.items():
            self._buckets[index] = bucket
        for child in self._touched:
            child._undo()
        self._newest, self._late, self._early = before
        self._touched, self._dropped = [], {}

    def _kept(self, before: Any) -> None:
        for child in self._touched:
            child._keep()
            child._quiet()
        self._touched.clear()
        if self._dropped:
            self._dropped = {}

    def _seen(self) -> bytes:
        if self._token is None:
            for child in self._buckets.values() if self._before is None else self._touched:
                child._quiet()
        return super()._seen()

    def _copied(self) -> Self:
        copy = type(self)(self._of, self.width, keep=self._keep_count, ahead=self.ahead)
        copy._newest, copy._late, copy._early = self._newest, self._late, self._early
        for index, bucket in self._buckets.items():
            if not bucket._is_empty():
                copy._put(index, bucket._copied())
        return copy

    def _put(self, index: int, bucket: T) -> None:
        bucket._parent, bucket._place = self, index
        bucket._quiet()
        self._buckets[index] = bucket

    def _stored(self) -> list[Any]:
        buckets = [[index, bucket._stored()] for index, bucket in self._filled()]
        head = [self._width_ms, self._keep_count, self._ahead_ms, self._of.__stead_stored__()]
        return [*head, self._newest, self._late, self._early, buckets]

    @classmethod
    def _read(cls, held: Any) -> Self:
        width_ms, keep, ahead_ms, of, newest, late, early, buckets = parts_of(held, 8)
        counts = (width_ms, keep, ahead_ms, late, early)
        if any(type(count) is not int or count < 0 for count in counts) or type(newest) not in (int, type(None)):
            raise ValueError("this is no Windowed: its figures are none")
        made = cls(
            cast("T", read_aggregate(of)),
            timedelta(milliseconds=width_ms),
            keep=keep,
            ahead=timedelta(milliseconds=ahead_ms),
        )
        made._newest, made._late, made._early = newest, late, early
        if type(buckets) is not list or (buckets and newest is None):
            raise ValueError("this is no Windowed: it has no newest bucket")
        for place in cast("Any", buckets):
            index, part = place
            bucket = type(made._of).read_held(part)
            if (
                type(index) is not int
                or not newest - keep < index <= newest
                or bucket._parameters() != made._of._parameters()
            ):
                raise ValueError("this is no Windowed: a bucket is out of place")
            made._put(index, bucket)
        if newest is not None:
            made._start(newest)  # which has to be a moment
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        (wanted,) = get_args(source) or (Aggregate,)
        if isinstance(wanted, TypeVar):
            wanted = wanted.__bound__ or Aggregate

        def taken(value: object) -> Windowed[Any]:
            window = cls._taken(value)
            if not isinstance(window._of, wanted):
                raise PydanticCustomError(
                    "aggregate",
                    "its buckets hold {found}, and are to hold {wanted}",
                    {"found": type(window._of).__name__, "wanted": wanted.__name__},
                )
            return window

        return aggregate_schema(cls, taken)


class _Outside(Parent):
    """What an event gets for a bucket if it has none."""

    __slots__ = ("_late", "_window")

    def __init__(self, window: Windowed[Any], *, late: bool) -> None:
        self._window = window
        self._late = late

    def child_changes(self, child: Any) -> bool:
        self._window.count_outside(late=self._late)
        return False

    def may_go_back(self) -> bool:
        return False


def _milliseconds(name: str, duration: timedelta) -> int:
    if not isinstance(duration, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"windowed, {name}", "it is a timedelta")
    count, rest = divmod(duration, timedelta(milliseconds=1))
    if rest:
        raise InvalidInput(f"windowed, {name}", "it is a whole number of milliseconds")
    return count


def _instant_ms(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone, so that it is no moment: datetime.now(UTC) has one")
    since = moment - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def _shown(start: datetime) -> str:
    return start.isoformat(timespec="milliseconds" if start.microsecond else "seconds").removesuffix("+00:00") + "Z"
