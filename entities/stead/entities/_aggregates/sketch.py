"""What the aggregates on Apache DataSketches have in common.

1. What is added waits in a list, and is folded into the sketch when somebody reads it, or once a commit.
2. A sketch that somebody else may go back to, or shares, is never changed: another one is made of it. `_own` says whether it
   may be changed in place.
3. Sketches draw random numbers, and the bytes of equal ones may differ: what is compared is what can be seen of them.
4. The library trusts the bytes that it reads, and damaged ones would end the process. So a checksum stands before them, and
   nothing is read without it.
"""

from __future__ import annotations

import abc
import zlib
from typing import Any, Self, cast

from .base import Aggregate, parts_of

FOLD_LENGTH = 4_096  # so many may wait
_CHECK_LENGTH = 4


class SketchesMissing(ImportError):
    """Apache DataSketches is not installed."""


def sketches(what: str) -> Any:
    """The library. Raises `SketchesMissing`."""
    try:
        import datasketches
    except ImportError as error:
        raise SketchesMissing(
            f"{what} is a sketch of Apache DataSketches, which is not installed: pip install 'stead[sketches]', wherever code "
            "with such a field runs"
        ) from error
    return cast("Any", datasketches)


class Sketch(Aggregate):
    """An aggregate that is a sketch, and what is not in it yet."""

    __slots__ = ("_base", "_own", "_raw", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._base: Any = None  # None: nothing is in it
        self._own = True
        self._raw: bytes | None = None  # the bytes of `_base`, if they are known
        self._waiting: list[Any] = []

    # -- what each kind does with its sketch ----------------------------------------------------------------------------

    @abc.abstractmethod
    def _new(self) -> Any:
        """An empty sketch."""

    @staticmethod
    @abc.abstractmethod
    def _write(base: Any) -> bytes:
        """The bytes of a sketch."""

    @abc.abstractmethod
    def _load(self, raw: bytes) -> Any:
        """The sketch of bytes; of the parameters of this one. Raises whatever it does."""

    @abc.abstractmethod
    def _update(self, base: Any, items: list[Any]) -> None: ...

    @abc.abstractmethod
    def _join(self, base: Any, other: Any) -> Any:
        """A sketch of what two hold; it may be the first one, changed."""

    @abc.abstractmethod
    def _value(self) -> Any:
        """The parameter."""

    @abc.abstractmethod
    def _visible(self, base: Any) -> object:
        """What can be seen of a sketch."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        if self._value() != other._value():
            return False
        own, given = self._fold(), other._fold()
        if own is None or given is None or own is given:
            return own is given
        return self._visible(own) == self._visible(given)

    __hash__ = None

    # -- folding -------------------------------------------------------------------------------------------------------

    def _take(self, item: Any) -> None:
        if self._token is not None:
            self._change()
        waiting = self._waiting
        waiting.append(item)
        if len(waiting) >= FOLD_LENGTH:
            self._fold()

    def _fold(self) -> Any:
        """The sketch with all that waits; None if there is nothing."""
        items = self._waiting
        if items:
            base = self._changeable()
            self._update(base, items)
            if self._before is None:
                items.clear()
            else:  # somebody may go back to what waited
                self._waiting = []
        return self._base

    def _changeable(self) -> Any:
        """The sketch, to be changed."""
        if self._base is None:
            self._base, self._own = self._new(), True
        elif not self._own:
            self._base, self._own = self._load(self._write(self._base)), True
        self._raw = None
        return self._base

    # -- as an aggregate -----------------------------------------------------------------------------------------------

    def _parameters(self) -> tuple[object, ...]:
        return (self._value(),)

    def _is_empty(self) -> bool:
        return self._base is None and not self._waiting

    def _clear(self) -> None:
        self._base, self._own, self._raw, self._waiting = None, True, None, []

    def _merge(self, other: Any) -> None:
        given = other._fold()
        self._fold()
        self._base = self._join(self._changeable(), given)

    def _snapshot(self) -> Any:
        before = (self._base, self._own, self._raw, self._waiting, len(self._waiting))
        self._own = False
        return before

    def _restore(self, before: Any) -> None:
        self._base, self._own, self._raw, self._waiting, length = before
        del self._waiting[length:]

    def _kept(self, before: Any) -> None:
        if self._base is before[0]:
            self._own = before[1]

    def _copied(self) -> Self:
        copy = self._bare()
        if self._before is None:
            self._fold()
        copy._base, copy._raw, copy._waiting = self._base, self._raw, [*self._waiting]
        copy._own = self._own = False
        return copy

    def _bare(self) -> Self:
        """An empty one of the same parameter."""
        return cast("Self", cast("Any", type(self))(self._value()))

    def _stored(self) -> list[Any]:
        base = self._fold()
        if base is None:
            return [self._value()]
        if self._raw is None:
            raw = self._write(base)
            self._raw = zlib.crc32(raw).to_bytes(_CHECK_LENGTH, "big") + raw
        return [self._value(), self._raw]

    def _read_into(self, raw: Any) -> Self:
        """Go on with bytes that `_stored` gave. Raises `ValueError`."""
        if (
            type(raw) is not bytes
            or zlib.crc32(raw[_CHECK_LENGTH:]).to_bytes(_CHECK_LENGTH, "big") != raw[:_CHECK_LENGTH]
        ):
            raise ValueError(f"the bytes of this {type(self).__name__} are damaged")
        try:
            self._base = self._load(raw[_CHECK_LENGTH:])
        except Exception as error:  # the library's own
            raise ValueError(f"this is no {type(self).__name__}: {error}") from error
        self._raw = raw
        return self

    @staticmethod
    def _parts(held: Any) -> tuple[Any, Any]:
        """The parameter and the bytes of what is stored; None for the bytes of an empty one."""
        parts: Any = held
        if type(held) is list and len(parts) == 1:
            return parts[0], None
        value, raw = parts_of(held, 2)
        return value, raw
