"""`Indexed`, `indexed`, and the metaclass by which `Player.score` is a field to query by, while `player.score` is a value.

The metaclass answers only for what a class has not got otherwise: pydantic takes a field's default out of the class. And not
when pydantic makes a class, since it would see a base's field as something that a field of the same name shadows. (That is seen
by who asks: a `__new__` of the metaclass would stand between a class and the function around it, whose names pydantic needs.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin, overload

from pydantic import BaseModel, GetCoreSchemaHandler, PrivateAttr
from pydantic import Field as PydanticField
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined
from typing_extensions import dataclass_transform

from stead.entities._index.conditions import OptionalQueryField, QueryField
from stead.entities._index.types import ALLOWED, IndexType, index_type
from stead.entities._message.errors import InvalidDefinition
from stead.transport import InvalidInput

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

T = TypeVar("T")
N = TypeVar("N")
K = TypeVar("K", bound=BaseModel)

WRONG_PLACE = "Indexed[…] is the whole annotation of an entity's field, or it indexes nothing"


class Indexed(Generic[T]):
    """The annotation of a field that entities can be queried by: `score: Indexed[int] = indexed(0)`.

    On an instance it is an int; on the class it is a `QueryField`. In the brackets: int, float, bool, str, an aware datetime, date,
    UUID, Literals and Enums of one of these, with constraints and `| None` if you like.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self: Indexed[N | None], instance: None, owner: type[K]) -> OptionalQueryField[K, N]: ...
        @overload
        def __get__(self, instance: None, owner: type[K]) -> QueryField[K, T]: ...
        @overload
        def __get__(self, instance: BaseModel, owner: type) -> T: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: BaseModel, value: T) -> None: ...

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inside = get_args(source)
        if len(inside) != 1:
            raise InvalidDefinition("Indexed", "say of what: Indexed[int]")
        return handler(inside[0])


class _Given:
    """Marks the default that `indexed(…)` gives: a field that is not `Indexed` may not have it."""


_GIVEN = _Given()


@overload
def indexed(default: T) -> Indexed[T]: ...


@overload
def indexed(*, default_factory: Callable[[], T]) -> Indexed[T]: ...


def indexed(default: Any = PydanticUndefined, *, default_factory: Any = None) -> Any:
    """The default of an indexed field: a value, or a function that makes one for each new entity."""
    if (default is PydanticUndefined) == (default_factory is None):
        raise InvalidInput("indexed", "give a default, or a default_factory")
    made = FieldInfo(default=default) if default_factory is None else FieldInfo(default_factory=default_factory)
    made.metadata.append(_GIVEN)
    return made


@dataclass_transform(kw_only_default=True, field_specifiers=(PydanticField, PrivateAttr))
class EntityMeta(ModelMetaclass):
    """The class of entities' classes."""

    if not TYPE_CHECKING:  # checkers would take the signature for that of every entity's class

        def __getattr__(self, name: str) -> Any:
            fields = self.__dict__.get("__pydantic_fields__")
            if fields and name in fields and is_indexed(fields[name]) and not _pydantic_asks():
                return _field_of(self, name, fields[name])
            return super().__getattr__(name)


def _pydantic_asks() -> bool:
    """Whether pydantic's code wants to know, which it does of the bases of a class that it makes."""
    asker: str = sys._getframe(2).f_globals.get("__name__", "")  # pyright: ignore[reportPrivateUsage]
    return asker.startswith("pydantic.")


def is_indexed(field: FieldInfo) -> bool:
    """Whether a field is annotated as indexed."""
    return get_origin(field.annotation) is Indexed


def inside_of(annotation: Any) -> Any:
    """What stands in the brackets of an `Indexed`; any other annotation as it is."""
    return get_args(annotation)[0] if get_origin(annotation) is Indexed else annotation


def _field_of(cls: type, name: str, field: FieldInfo) -> QueryField[Any, Any]:
    """The field of a class: always the same object, so that it can be in sets and be compared by `is`."""
    known: dict[str, QueryField[Any, Any]] | None = cls.__dict__.get("__stead_fields__")
    if known is None:
        known = {}
        type.__setattr__(cls, "__stead_fields__", known)
    found = known.get(name)
    if found is None:
        found = known[name] = OptionalQueryField(cls, name, _type_of(cls, name, field))
    return found


def _type_of(cls: type, name: str, field: FieldInfo) -> IndexType:
    found = index_type(inside_of(field.annotation))
    if found is None:
        raise InvalidDefinition(
            f"field {name!r} of {cls.__name__}",
            f"{inside_of(field.annotation)!r} cannot be indexed; what can be: {ALLOWED}",
        )
    return found


def indexed_types(cls: type[BaseModel]) -> Mapping[str, IndexType]:
    """The indexed fields of an entity's class, with their types."""
    return {name: _type_of(cls, name, field) for name, field in cls.model_fields.items() if is_indexed(field)}


def check_indexed(cls: type[BaseModel], name: str, field: FieldInfo) -> None:
    """Refuse a field that would be indexed and is not, or the other way round. Raises `InvalidDefinition`."""
    what = f"field {name!r} of {cls.__name__}"
    if is_indexed(field):
        if any(part is not _GIVEN for part in field.metadata):
            raise InvalidDefinition(what, "constraints go inside the brackets: Indexed[Annotated[int, …]]")
        _type_of(cls, name, field)
        return
    if _GIVEN in field.metadata:
        raise InvalidDefinition(what, "indexed(…) is the default of a field that is Indexed[…]: annotate it so")
    for base in cls.__mro__:
        inherited = vars(base).get("__pydantic_fields__", {}).get(name)
        if base is not cls and inherited is not None and is_indexed(inherited):
            raise InvalidDefinition(what, f"{base.__name__} has an index of it: annotate it as Indexed[…] here, too")
