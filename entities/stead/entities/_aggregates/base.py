"""What all aggregates do.

1. As state they are compared by a *token* and not by what they hold: whoever packs a state writes the token in their place. It
   is dropped by the first change after it was given. So an operation costs what it changes, however much is held.
2. The first change also remembers how to go back (`_snapshot`), until the change is kept or undone.
3. What is empty has the bytes that it is stored as for a token: all that are empty alike have the same.
4. Stored they are plain data: a map of the aggregate's name and what it holds. What they show as JSON is a summary.
"""

from __future__ import annotations

import abc
import base64
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NoReturn, Self, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from stead.transport import InvalidInput, pack_exact, unpack

MARK = "stead_aggregate"
"""What the schemas of aggregates carry in their metadata: their class."""

PREFIX = "stead."  # of all names

KEPT = b"\2"
"""For a token: nothing has changed since the state was kept, and nobody has asked for one since."""

serials = itertools.count(1)
_kinds: dict[str, type[Aggregate]] = {}  # by name


class Aggregate(abc.ABC):
    """A field that takes many values in little room. Two are equal if they hold the same; none can be hashed."""

    __slots__ = ("_before", "_owner", "_parent", "_place", "_token", "_token_before")

    _NAME: ClassVar[str]  # Never change it: stored data carries it.

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_NAME" in vars(cls):
            _kinds[cls._NAME] = cls

    def __init__(self) -> None:
        self._token: bytes | None = None  # None: it has changed since it was seen, or was never seen
        self._token_before: bytes | None = None
        self._before: Any = None  # how to go back; None if nothing is to be undone
        self._owner = 0  # the state to which it belongs
        self._parent: Parent | None = None  # it is a part of another one
        self._place = 0  # in its parent

    # -- what users call -----------------------------------------------------------------------------------------------

    def merge(self, other: Self) -> None:
        """Take in all that another one of the same parameters holds; that one stays as it is. Raises `ValueError` if its
        parameters differ, `TypeError` if it is of another kind.
        """
        if type(other) is not type(self):
            raise TypeError(f"a {type(self).__name__} merges another one, and this is a {type(other).__name__}")
        if other._parameters() != self._parameters():
            raise ValueError(
                f"{self!r} and {other!r} have different parameters, and what they hold cannot be told apart any more: merge "
                "those of the same parameters"
            )
        if not other._is_empty():
            self._change()
            self._merge(other)

    @classmethod
    def merged(cls, parts: Iterable[Self]) -> Self:
        """A new one of all that some hold. Raises what `merge` does, and `ValueError` for nothing to merge if the parameters
        have no default."""
        given = list(parts)
        if not given:
            return cls._of_nothing()
        result = cls._copy_of(given[0])
        for part in given[1:]:
            result.merge(part)
        return result

    @classmethod
    def _of_nothing(cls) -> Self:
        return cls()

    @classmethod
    def _copy_of(cls, part: Self) -> Self:
        if type(part) is not cls:
            raise TypeError(f"{cls.__name__}.merged takes those of its kind, and this is a {type(part).__name__}")
        return part._copied()

    def clear(self) -> None:
        """Forget everything. From then on a field has the parameters that its class gives it."""
        if not self._is_empty():
            self._change()
            self._clear()

    @abc.abstractmethod
    def summary(self) -> dict[str, Any]:
        """What is shown of it as JSON."""

    def to_bytes(self) -> bytes:
        """All that it holds, as `from_bytes` reads it."""
        return bytes(pack_exact(self.__stead_stored__()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave. Raises `ValueError` for anything else."""
        try:
            return cls._read_any(unpack(data))
        except InvalidInput as error:
            raise ValueError(f"this is no {cls.__name__}: {error.reason}") from error

    @classmethod
    def _read_any(cls, stored: object) -> Self:
        """What `__stead_stored__` gave. Raises `ValueError` for anything else."""
        name, held = _named(stored)
        if name != cls._NAME:
            raise ValueError(f"this is no {cls.__name__}")
        return cls.read_held(held)

    @classmethod
    def read_held(cls, held: object) -> Self:
        """`_read`, whatever it is given."""
        try:
            return cls._read(held)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"this is no {cls.__name__}: its parts are not of the right types") from error

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or self._stored() == other._stored()

    __hash__ = None  # type: ignore[assignment]  # it changes; and pydantic shares defaults that have one

    def __copy__(self) -> Self:
        return self._copied()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._copied()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_bytes, (self.to_bytes(),)

    # -- what each kind says of itself ---------------------------------------------------------------------------------

    @abc.abstractmethod
    def _parameters(self) -> tuple[object, ...]:
        """What two have to have in common to be merged."""

    @abc.abstractmethod
    def _is_empty(self) -> bool: ...

    @abc.abstractmethod
    def _clear(self) -> None: ...

    @abc.abstractmethod
    def _merge(self, other: Any) -> None:
        """Take in another one of the same parameters, which is not empty."""

    @abc.abstractmethod
    def _snapshot(self) -> Any:
        """How to go back to what is held now; not None. Costs nothing that grows with what is held."""

    @abc.abstractmethod
    def _restore(self, before: Any) -> None:
        """Go back."""

    def _kept(self, before: Any) -> None:  # noqa: B027 - for some there is nothing to do
        """What came after the snapshot stays."""

    @abc.abstractmethod
    def _copied(self) -> Self:
        """Another one that holds the same. A mark of change is no part of it."""

    @abc.abstractmethod
    def _stored(self) -> list[Any]:
        """All that it holds, as plain data."""

    @classmethod
    @abc.abstractmethod
    def _read(cls, held: Any) -> Self:
        """What `_stored` gave. Raises `ValueError` or `TypeError` for anything else."""

    # -- changes -------------------------------------------------------------------------------------------------------

    def _change(self) -> None:
        """Comes before each change."""
        if self._token is None:
            return
        parent = self._parent
        if parent is not None and not parent.child_changes(self):
            return  # it is of no bucket: what it takes is counted by the parent, each time
        if self._before is None and (parent is None or parent.may_go_back()):
            self._before = self._snapshot()
            self._token_before = self._token
        self._token = None

    def _keep(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            self._kept(before)

    def _undo(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            self._restore(before)
            self._token = self._token_before

    def _seen(self) -> bytes:
        """The token; a new one if it has changed."""
        token = self._token
        if token is None or token is KEPT:
            token = b"\0" + self.to_bytes() if self._is_empty() else new_token()
            self._token = token
        return token

    def is_for(self, other: object) -> bool:
        """Whether the other one is an empty aggregate of other parameters than this one, which is to take its place."""
        if not isinstance(other, Aggregate) or not other._is_empty():
            return False
        return type(other) is not type(self) or other._parameters() != self._parameters()

    def _quiet(self) -> None:
        """A part tells its parent of the next change."""
        if self._token is None:
            self._token = KEPT

    def _twin(self) -> Self:
        """A copy that goes on in the same state: it has changed if this one has."""
        twin = self._copied()
        twin._token = None if self._token is None else self._seen()
        twin._owner = self._owner
        return twin

    # -- as a field ----------------------------------------------------------------------------------------------------

    def __stead_stored__(self) -> dict[str, Any]:
        """What the codec writes."""
        return {self._NAME: self._stored()}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return aggregate_schema(cls, cls._taken)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object", "title": cls.__name__, "description": f"A summary of a {cls.__name__}."}

    @classmethod
    def _taken(cls, value: object) -> Self:
        """What a validator makes of what it is given."""
        if type(value) is cls:
            return value
        if type(value) is bytes:
            return cls.from_bytes(value)
        if type(value) is str:  # as it stands in JSON on request
            try:
                data = base64.b64decode(value, validate=True)
            except ValueError:
                _refuse(cls, value)
            return cls.from_bytes(data)
        if type(value) is not dict:
            _refuse(cls, value)
        return cls._read_any(cast("object", value))


def new_token() -> bytes:
    """One that no other has."""
    return b"\1" + next(serials).to_bytes(8, "big")


class Parent(abc.ABC):
    """What holds aggregates of its own."""

    __slots__ = ()

    @abc.abstractmethod
    def child_changes(self, child: Any) -> bool:
        """One of them is about to change. False: that is no change of the parent's state, and is to be said each time."""

    @abc.abstractmethod
    def may_go_back(self) -> bool:
        """Whether a change of one of them may be undone."""


def aggregate_schema(cls: type[Aggregate], taken: Any) -> core_schema.CoreSchema:
    """How pydantic handles an aggregate: kept as it is in Python, and a summary as JSON."""
    return core_schema.no_info_plain_validator_function(
        taken,
        metadata={MARK: cls},
        serialization=core_schema.plain_serializer_function_ser_schema(_shown, info_arg=True),
    )


def aggregate_of(schema: Mapping[str, Any]) -> type[Aggregate] | None:
    """The aggregate whose schema this is; None if it is another one's."""
    metadata: Mapping[str, Any] = schema.get("metadata") or {}
    return metadata.get(MARK)


def has_aggregates(schema: object) -> bool:
    """Whether there are aggregates anywhere in what a schema describes."""
    if isinstance(schema, dict):
        found = cast("dict[str, Any]", schema)
        return aggregate_of(found) is not None or any(map(has_aggregates, found.values()))
    return isinstance(schema, (list, tuple)) and any(map(has_aggregates, cast("Any", schema)))


def _shown(value: Any, info: core_schema.SerializationInfo) -> Any:
    if not isinstance(value, Aggregate):
        raise TypeError(f"an aggregate was expected here, and not {type(value).__name__}")
    return value.summary() if info.mode == "json" else value


def _refuse(cls: type[Aggregate], value: object) -> NoReturn:
    raise PydanticCustomError(
        "aggregate",
        "a {name} is taken as one, or as the bytes of one (as base64 where there are no bytes)",
        {"name": cls.__name__},
    )


def _named(stored: object) -> tuple[str, object]:
    """The name and the contents of what is stored of an aggregate; no name if it is none."""
    if type(stored) is dict:
        items = list(cast("dict[object, object]", stored).items())
        if len(items) == 1 and type(items[0][0]) is str:
            return items[0][0], items[0][1]
    return "", None


def read_aggregate(stored: object) -> Aggregate:
    """An aggregate of any kind, from what is stored of it. Raises `ValueError` for anything else."""
    name, held = _named(stored)
    kind = _kinds.get(name)
    if kind is None:
        raise ValueError("this is no aggregate that this version of stead can read")
    return kind.read_held(held)


def parts_of(held: Any, length: int) -> list[Any]:
    """The parts of what an aggregate holds. Raises `ValueError` if there is another number of them."""
    parts: Any = held
    if type(held) is not list or len(parts) != length:
        raise ValueError("it is not what this version of stead stores")
    return [*parts]
