"""Conditions on indexed fields: what `Player.score >= 100` is.

    condition  ─ a comparison of a field with values, or others joined by & | ~

A condition knows of which classes its fields are, so that a query can refuse those of another class. Values are kept as they are
stored (of a member of an enum its value) and compared with what is stored.

1. None equals None, and is not between, before or after anything. `~` is plain negation: what does not match, None included.
2. Python would make a truth value of a condition for `and`, `or`, `not` and for chained comparisons, and go on with one half of
   it. So that is a `TypeError`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeAlias, TypeVar, cast

from stead.transport import InvalidInput
from stead.transport.describing import repr_of

from .types import IndexType, Unplaced, place_of, stored_form

T = TypeVar("T")
K_contra = TypeVar("K_contra", contravariant=True)

ONE_OF_MAX = 1000
_SHOWN_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of a field with values: `sign` is one of `COMPARISONS`."""

    field: str
    sign: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Conditions of which all have to match, or (`any_of`) one."""

    any_of: bool
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """What does not match."""

    part: Node


Node: TypeAlias = Compare | Join | Negation


def _between(value: Any, low: Any, high: Any) -> bool:
    return bool(low <= value <= high)


def _ordered(compare: Callable[..., Any]) -> Callable[..., bool]:
    """A comparison that None never passes, nor what cannot be compared with the values."""

    def passes(value: Any, *values: Any) -> bool:
        try:
            return value is not None and bool(compare(value, *values))
        except TypeError:
            return False

    return passes


def _begins(value: Any, prefix: str) -> bool:
    return isinstance(value, str) and value.startswith(prefix)


def _is_one_of(value: Any, *values: Any) -> bool:
    return value in values


COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "between": _ordered(_between),
    "startswith": _ordered(_begins),
    "one_of": _is_one_of,
}


def matches(node: Node, state: Mapping[str, Any]) -> bool:
    """Whether the stored fields of an entity match."""
    if isinstance(node, Compare):
        return COMPARISONS[node.sign](state.get(node.field), *node.values)
    if isinstance(node, Negation):
        return not matches(node.part, state)
    some = any if node.any_of else all
    return some(matches(part, state) for part in node.parts)


def fields_in(node: Node) -> Iterator[str]:
    """The fields that a condition asks for, as often as it does."""
    if isinstance(node, Compare):
        yield node.field
        return
    for part in (node.part,) if isinstance(node, Negation) else node.parts:
        yield from fields_in(part)


class Condition(Generic[K_contra]):
    """What an entity has to match to be found: made of the comparisons of indexed fields, joined by `&`, `|` and `~`."""

    __slots__ = ("node", "owners")

    def __init__(self, node: Node, owners: frozenset[type]) -> None:
        """`owners`: the classes whose fields are in it; none for fields by name."""
        self.node = node
        self.owners = owners

    def __and__(self, other: Condition[K_contra], /) -> Condition[K_contra]:
        return self._joined(other, any_of=False)

    def __or__(self, other: Condition[K_contra], /) -> Condition[K_contra]:
        return self._joined(other, any_of=True)

    # For checkers: `Base… & Sub…` is a condition of Sub, which the right one's type says.
    def __rand__(self, other: Condition[K_contra], /) -> Condition[K_contra]:
        return other & self

    def __ror__(self, other: Condition[K_contra], /) -> Condition[K_contra]:
        return other | self

    def __invert__(self) -> Condition[K_contra]:
        return Condition(Negation(self.node), self.owners)

    def _joined(self, other: object, *, any_of: bool) -> Condition[K_contra]:
        if not isinstance(other, Condition):
            raise InvalidInput(
                f"{self!r} joined with {repr_of(other, _SHOWN_LENGTH_MAX)}", "join conditions with conditions"
            )
        second = cast("Condition[K_contra]", other)
        parts: list[Node] = []
        for node in (self.node, second.node):  # flat, however many are joined one by one
            parts.extend(node.parts if isinstance(node, Join) and node.any_of == any_of else (node,))
        return Condition(Join(any_of, tuple(parts)), self.owners | second.owners)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a condition has no truth value: join conditions by & | ~, each in brackets, instead of and, or, not; "
            "and write field.between(low, high) instead of low <= field <= high"
        )

    def __repr__(self) -> str:
        return f"<condition {_text_of(self.node)}>"


def _text_of(node: Node) -> str:
    if isinstance(node, Compare):
        return f"{node.field} {node.sign} {', '.join(repr_of(value, _SHOWN_LENGTH_MAX) for value in node.values)}"
    if isinstance(node, Negation):
        return f"~({_text_of(node.part)})"
    return (" | " if node.any_of else " & ").join(f"({_text_of(part)})" for part in node.parts)


class QueryField(Generic[K_contra, T]):
    """An indexed field of a class, to query by: compared with a value it is a condition.

    On an `int | None`, say, `T` is int: only `==`, `!=` and `one_of` take None.
    """

    __slots__ = ("name", "owner", "type")

    __hash__ = object.__hash__

    def __init__(self, owner: type | None, name: str, type: IndexType | None) -> None:
        """`owner`, `type`: None for a field by its name, whose values are checked when its kind is known."""
        self.owner = owner
        self.name = name
        self.type = type

    def __repr__(self) -> str:
        return f"<field {self._shown}>"

    @property
    def _shown(self) -> str:
        return self.name if self.owner is None else f"{self.owner.__name__}.{self.name}"

    def _compared(self, sign: str, *values: object) -> Condition[K_contra]:
        kept = tuple(stored_form(value) for value in values)
        if self.type is not None:
            for value in kept:
                check_value(f"{self._shown} {sign} {repr_of(value, _SHOWN_LENGTH_MAX)}", self.type, sign, value)
        elif sign in ("<", "<=", ">", ">=", "between", "startswith") and None in kept:
            raise InvalidInput(f"{self._shown} {sign} None", "None is neither before nor after anything")
        return Condition(Compare(self.name, sign, kept), frozenset() if self.owner is None else frozenset({self.owner}))

    def __eq__(self, other: T, /) -> Condition[K_contra]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared("==", other)

    def __ne__(self, other: T, /) -> Condition[K_contra]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compared("!=", other)

    def __lt__(self, other: T, /) -> Condition[K_contra]:
        return self._compared("<", other)

    def __le__(self, other: T, /) -> Condition[K_contra]:
        return self._compared("<=", other)

    def __gt__(self, other: T, /) -> Condition[K_contra]:
        return self._compared(">", other)

    def __ge__(self, other: T, /) -> Condition[K_contra]:
        return self._compared(">=", other)

    def between(self, low: T, high: T) -> Condition[K_contra]:
        """From `low` to `high`, both included."""
        return self._compared("between", low, high)

    def one_of(self, *values: T) -> Condition[K_contra]:
        """One of these values, at most 1,000."""
        if len(values) > ONE_OF_MAX:
            raise InvalidInput(f"{self._shown}.one_of", f"{len(values)} values are given, and {ONE_OF_MAX} may be")
        return self._compared("one_of", *values)

    def startswith(self: QueryField[K_contra, str], prefix: str, /) -> Condition[K_contra]:
        """Text that begins with `prefix`."""
        return self._compared("startswith", prefix)


class OptionalQueryField(QueryField[K_contra, T]):
    """An indexed field that may be None."""

    __slots__ = ()

    if TYPE_CHECKING:
        __hash__ = object.__hash__

        def __eq__(self, other: T | None, /) -> Condition[K_contra]: ...  # type: ignore[override]
        def __ne__(self, other: T | None, /) -> Condition[K_contra]: ...  # type: ignore[override]
        def one_of(self, *values: T | None) -> Condition[K_contra]: ...


def field(name: str) -> OptionalQueryField[Any, Any]:
    """An indexed field by its name, for a query by name: `client.query("Player").where(field("score") >= 100)`.

    Its values are checked against what the workers have published when the query is carried out.
    """
    if not isinstance(name, str) or not name.isidentifier():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"field({name!r})", "give the name of an indexed field")
    return OptionalQueryField(None, name, None)


def check_value(what: str, type: IndexType, sign: str, value: object) -> None:
    """Refuse a value that a field of a type cannot be compared with. Raises `InvalidInput`."""
    if value is None:
        if sign in ("==", "!=", "one_of"):
            if type.optional:
                return
            raise InvalidInput(what, "the field is never None")
        raise InvalidInput(
            what, "None is neither before nor after anything; write == None, or ~ for what does not match"
        )
    if sign == "startswith" and type.code != "str":
        raise InvalidInput(what, f"the field is {type}, and only text begins with something")
    try:
        place_of(type.code, value)
    except Unplaced as error:
        raise InvalidInput(what, str(error)) from None


def checked(node: Node, types: Mapping[str, IndexType], what: str) -> None:
    """Refuse a condition by name that asks for fields which are not there, or not of such values. Raises `InvalidInput`."""
    if isinstance(node, Compare):
        wanted = types.get(node.field)
        if wanted is None:
            known = ", ".join(sorted(types)) or "none"
            raise InvalidInput(f"field {node.field!r}", f"{what} has no index of it; its indexed fields: {known}")
        for value in node.values:
            check_value(f"{node.field} {node.sign} {repr_of(value, _SHOWN_LENGTH_MAX)}", wanted, node.sign, value)
        return
    for part in (node.part,) if isinstance(node, Negation) else node.parts:
        checked(part, types, what)
