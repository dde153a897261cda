"""What an object looks like inside, to tell whether something has changed it: for tests of queries, whose objects may be of
any class."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def picture_of(value: object) -> object:
    """A value that equals that of the same object later exactly if nothing in it has changed since."""
    return _picture(value, {})


def _picture(value: object, seen: dict[int, int]) -> object:
    kind: type = type(value)
    if kind in _PLAIN:
        return kind, value
    known = seen.get(id(value))
    if known is not None:
        return "seen", known
    seen[id(value)] = len(seen)
    try:
        return _inside(value, kind, seen)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - it does not want to be looked at: all that is known is that it is there
        return kind, id(value)


def _inside(value: object, kind: type, seen: dict[int, int]) -> object:
    members: Any = value
    if isinstance(value, Mapping):
        return kind, [(_picture(key, seen), _picture(each, seen)) for key, each in members.items()]
    if isinstance(value, (list, tuple)):
        return kind, [_picture(each, seen) for each in members]
    if isinstance(value, AbstractSet):
        return kind, frozenset(repr(_picture(each, {})) for each in members)
    names = [name for cls in kind.__mro__ for name in _slots_of(cls)]
    fields = {name: getattr(value, name) for name in names if hasattr(value, name)} | dict(
        getattr(value, "__dict__", {})
    )
    if not fields:  # a date, a decimal, a deque
        return kind, repr(value)
    return kind, [(name, _picture(each, seen)) for name, each in fields.items()]


def _slots_of(cls: type) -> tuple[str, ...]:
    slots: Any = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
