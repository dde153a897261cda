"""What `@app.activity(concurrency=…, rate=…, key=…)` says: how much of an activity there may be in a whole hub, and for each what."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from stead.entities import InvalidDefinition
from stead.entities.extending import signature_of
from stead.transport import KEY_LENGTH_MAX, PRIORITY_MAX, InvalidInput, LimitNumbers, limit_of

_RATE = re.compile(r"\s*(\d{1,9})\s*/\s*(\d{0,6})\s*([a-z]+)\s*")
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
}
_CONCURRENCY_MAX = 1_000_000
_PERIOD_S_MAX = 366 * 86_400
_RATE_PER_S_MAX = 10_000
_HASH_LENGTH = 16

LimitKey = (
    Callable[[Any], object]
    | Callable[[Any, Any], object]
    | Callable[[Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any], object]
)
"""The key of limits: a function of an activity's arguments. (In this way the parameters of a lambda are `Any` to a type checker, and
not unknown.)"""


@dataclass(frozen=True, slots=True)
class ActivityLimits:
    """The limits of one activity."""

    concurrency: int | None
    rate: str | None
    numbers: LimitNumbers
    key: Callable[..., object] | None
    by_name: tuple[str, ...] | None
    """Which of the activity's parameters the key takes; None: all that a call gives, as the activity gets them."""

    def limit(
        self, activity: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> str:
        """Which limit a call is behind. Raises `InvalidInput` if its key cannot be told."""
        if self.key is None:
            return limit_of(activity, None)
        what = f"the limit's key of activity {activity!r}"
        try:
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            if self.by_name is None:
                found = self.key(*given.args, **given.kwargs)
            else:
                found = self.key(**{name: given.arguments[name] for name in self.by_name})
        except Exception as error:
            raise InvalidInput(
                what,
                f"`key` raised {type(error).__name__}: {error}; it takes the call's arguments, and gives a text or a number",
            ) from error
        return limit_of(activity, _text_of(what, found))


def make_limits(
    name: str,
    function: Callable[..., Any],
    concurrency: int | None,
    rate: str | None,
    key: LimitKey | None,
) -> ActivityLimits | None:
    """The limits that a decorator gives an activity; None if there are none. Raises `InvalidInput` and `InvalidDefinition`."""
    what = f"activity {name!r}"
    if concurrency is None and rate is None:
        if key is not None:
            raise InvalidDefinition(what, "`key` says for what each a limit holds: give it `concurrency` or `rate` too")
        return None
    if concurrency is not None and (type(concurrency) is not int or not 0 < concurrency <= _CONCURRENCY_MAX):  # pyright: ignore[reportUnnecessaryComparison]
        raise InvalidInput(
            f"concurrency={concurrency!r}",
            f"it is a whole number from 1 to {_CONCURRENCY_MAX:,}: so many may run at once",
        )
    numbers = LimitNumbers.of(concurrency or 0, *(_read_rate(rate) if rate is not None else (0, 0)))
    return ActivityLimits(
        concurrency, rate, numbers, key, _parameters(what, function, key) if key is not None else None
    )


def check_priority(priority: int, limited: bool, name: str) -> int:
    """A priority. Raises `InvalidInput`."""
    if type(priority) is not int or not -PRIORITY_MAX <= priority <= PRIORITY_MAX:  # pyright: ignore[reportUnnecessaryComparison]
        raise InvalidInput(
            f"priority={priority!r}",
            f"it is a whole number from -{PRIORITY_MAX} to {PRIORITY_MAX}; what is higher goes first, 0 is what others have",
        )
    if not limited:
        raise InvalidInput(
            f"priority={priority!r}",
            f"activity {name!r} has no limit, so that nothing of it waits to be put in order: give it concurrency or rate",
        )
    return priority


def _read_rate(rate: object) -> tuple[int, int]:
    """How many, and in how many microseconds."""
    found = _RATE.fullmatch(rate.lower()) if isinstance(rate, str) else None
    if found is not None and found[3] in _SECONDS:
        count, seconds = int(found[1]), int(found[2] or 1) * _SECONDS[found[3]]
        if count and 0 < seconds <= _PERIOD_S_MAX and count <= seconds * _RATE_PER_S_MAX:
            return count, seconds * 1_000_000
    raise InvalidInput(
        f"rate={rate!r}",
        'it is a text such as "100/min": how many may begin within a time (s, min, h, d, or some of them: "5/10min"), at most '
        f"{_RATE_PER_S_MAX:,} a second, and the time at most {_PERIOD_S_MAX // 86_400} days",
    )


def _parameters(what: str, function: Callable[..., Any], key: Callable[..., object]) -> tuple[str, ...] | None:
    """By which names a key takes what it takes; None if it takes all, as the activity does."""
    if not callable(key):
        raise InvalidDefinition(what, f"`key` is a function of the call's arguments, not {key!r}")
    if inspect.iscoroutinefunction(key):
        raise InvalidDefinition(what, "`key` is a plain function: it is called where the activity is, and cannot wait")
    own = signature_of(function).parameters
    try:
        parameters = inspect.signature(key).parameters.values()
    except (TypeError, ValueError):  # one that is written in C, such as operator.attrgetter("shop")
        return None
    variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    needed = [each for each in parameters if each.default is each.empty and each.kind not in variable]
    if all(each.name in own and each.kind is not each.POSITIONAL_ONLY for each in needed) and not variable & {
        each.kind for each in parameters
    }:
        return tuple(each.name for each in parameters if each.name in own)
    if variable & {each.kind for each in parameters} or len(needed) == len(own):
        return None
    raise InvalidDefinition(
        what,
        f"its `key` takes ({', '.join(each.name for each in needed)}), and the activity ({', '.join(own)}): a key takes some of "
        "the activity's parameters by their names, or all of them in their order",
    )


def _text_of(what: str, value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, (str, int, UUID)):
        raise InvalidInput(what, f"`key` gave {value!r}: it is a text, a whole number, a UUID, or an Enum of those")
    text = str(value)
    if not text.isprintable():
        text = "".join(
            each
            if each.isprintable() and each != "%"
            else "".join(f"%{byte:02x}" for byte in each.encode("utf-8", "surrogatepass"))
            for each in text
        )
    if len(text) > KEY_LENGTH_MAX:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_LENGTH // 2).hexdigest()
        text = f"{text[: KEY_LENGTH_MAX - _HASH_LENGTH - 1]}#{digest}"
    return text
