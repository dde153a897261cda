"""What a class's annotations allow, found once: whether its state can be checked, packed and copied the short way.

1. A *plain* class holds scalars and containers of scalars only, without validators or serializers of its own. What it
   holds goes to msgpack as it is; each field is checked by its own strict validator, and scalars by their very type.
2. Any other class is dumped, and checked by loading what was dumped: see `_turns/class_cell`.
3. Types that could not be read back, or that must not be written (secrets), are refused at the definition.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, Flag
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple, TypeVar, cast, get_args, get_origin

import typing_extensions
from pydantic import BaseModel, RootModel, Secret, SecretBytes, SecretStr, ValidationError
from pydantic_core import SchemaValidator

from stead.entities._aggregates.base import aggregate_of, has_aggregates
from stead.entities._aggregates.marks import twin_of
from stead.entities._aggregates.window import Windowed
from stead.transport import DEPTH_MAX
from stead.transport.describing import repr_of, text_of, text_of_error

from .indexed import WRONG_PLACE, Indexed, inside_of
from .schema_exact import (
    Exact,
    Holders,
    Same,
    can_convert,
    can_nest,
    exactness,
    has_enums,
    has_times,
    holding,
    is_native,
    levels,
    sameness,
)

Copier = Callable[[Any], Any]

# Strictly validated scalars of these types are what msgpack gives back.
_SCALARS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "bytes": bytes, "none": type(None)}
_IMMUTABLE = frozenset({"literal", "datetime", "date", "time", "timedelta", "decimal", "uuid", "enum"})
# Settings of a core schema that change nothing about what may be stored.
_HARMLESS_CONFIG = frozenset({"title", "validate_default", "extra_fields_behavior", "strict", "hide_input_in_errors"})
_TRANSFORMS = ("strip_whitespace", "to_lower", "to_upper")


class _NotPlain(Exception):
    """The schema has a part that cannot be handled the short way."""


@dataclass(frozen=True, slots=True)
class Field:
    """How to handle one field of a plain class."""

    name: str
    kind: type | None  # a value of exactly this type needs no further check
    check: Callable[[Any], object]  # raises `ValidationError` for a value that the annotation does not allow
    load: Callable[[Any], object]  # the value of what is stored; raises like `check`
    copy: Copier | None  # None: the values are immutable
    native: (
        bool  # msgpack has types for all of it, so that a value that it packs by itself is exact; and it is not deep
    )
    exact: Exact  # whether an allowed value is just what would be read back
    # For what can be copied: whether a value that equals an earlier copy of it is stored alike. None: yes.
    same: Same | None
    holders: Holders | None  # for what can be copied: adds all that can change in a value, itself included, to a list
    nests: bool  # in what can change there is more that can
    converts: bool  # what its validator makes of what it allows may be stored in another way


def fields_of(cls: type[BaseModel]) -> list[Field] | None:
    """The fields of a plain class, in order; None if the class is not plain."""
    schema: Mapping[str, Any] = cast("Any", cls.__pydantic_core_schema__)
    if schema["type"] != "model" or schema.get("custom_init") or schema.get("post_init") or "serialization" in schema:
        return None
    inner = schema["schema"]
    if inner["type"] != "model-fields" or inner.get("extras_schema") or inner.get("computed_fields"):
        return None
    config = schema.get("config", {})
    if not _HARMLESS_CONFIG.issuperset(config) or config.get("extra_fields_behavior") == "allow":
        return None
    if schema.get("frozen") or cls.model_config.get("validate_assignment"):
        return None
    if any(field.frozen for field in cls.model_fields.values()):
        return None
    if cls.__private_attributes__ or any(isinstance(value, cached_property) for _, value in _members(cls)):
        return None
    try:
        return [_field(name, field["schema"]) for name, field in inner["fields"].items()]
    except _NotPlain:
        return None


def plain_exactness(schema: Mapping[str, Any]) -> Exact | Literal[True] | None:
    """For an annotation's schema: what tells whether an accepted value comes back as it is; True if each does. None: it can
    only be tried."""
    try:
        _copier(schema, in_union=False)
    except _NotPlain:
        return None
    if has_aggregates(schema) or has_enums(schema, strict=True):
        return None
    return exactness(schema) if has_times(schema) else True


def _members(cls: type) -> Iterator[tuple[str, object]]:
    for base in cls.__mro__:
        yield from vars(base).items()


def _field(name: str, schema: Mapping[str, Any]) -> Field:
    if schema["type"] == "default":
        if schema.get("default_factory_takes_data") or schema.get("on_error", "raise") != "raise":
            raise _NotPlain
        if "serialization" in schema:  # that of the field: `_copier` sees only that of its annotation
            raise _NotPlain
        schema = schema["schema"]
    copy = _copier(schema, in_union=False)
    kind = _SCALARS.get(schema["type"]) if len(schema) == 1 else aggregate_of(schema)
    if kind is Windowed:  # what its buckets hold is to be looked at
        kind = None
    validate = SchemaValidator(cast("Any", schema)).validate_python

    check = partial(validate, strict=True)
    # The value of an enum member is no member, strictly.
    load = partial(validate, strict=False) if has_enums(schema) else check
    same, holders = (None, None) if copy is None else (sameness(schema), holding(schema))
    return Field(
        name,
        kind,
        check,
        load,
        copy,
        is_native(schema) and levels(schema) < DEPTH_MAX,  # the state is a level as well
        exactness(schema),
        same,
        holders,
        can_nest(schema),
        can_convert(schema),
    )


def _copier(schema: Mapping[str, Any], *, in_union: bool) -> Copier | None:
    """How to copy a value of a schema: None if it is immutable. Raises `_NotPlain` for what is not handled here."""
    kind = schema["type"]
    if aggregate_of(schema) is not None:
        return twin_of
    if "serialization" in schema or any(schema.get(transform) for transform in _TRANSFORMS):
        raise _NotPlain
    if kind == "literal" and any(isinstance(value, Enum) for value in schema["expected"]):
        raise _NotPlain
    if kind in _SCALARS or kind in _IMMUTABLE:
        if kind == "enum" and (in_union or not _is_simple(schema["cls"])):
            raise _NotPlain  # it is stored as its value, and which member of the union that was cannot be told
        return None
    if kind == "nullable":
        inner = _copier(schema["schema"], in_union=in_union)
        return None if inner is None else lambda value: None if value is None else inner(value)
    if kind == "union":
        for choice in cast("list[Any]", schema["choices"]):
            if _copier(cast("Any", choice)[0] if isinstance(choice, tuple) else choice, in_union=True) is not None:
                raise _NotPlain
        return None
    return _container_copier(schema, in_union)


def _is_simple(cls: type[Enum]) -> bool:
    """Whether the members of an enum are found again by their values, once these are stored."""
    return not issubclass(cls, Flag) and all(type(member.value) in (str, int) for member in cls)


def _container_copier(schema: Mapping[str, Any], in_union: bool) -> Copier | None:
    kind = schema["type"]
    if kind in ("list", "set", "frozenset"):
        item = _copier(schema["items_schema"], in_union=in_union) if "items_schema" in schema else _refuse_any()
        if kind == "frozenset" and item is None:
            return None
        make: Callable[[Any], Any] = {"list": list, "set": set, "frozenset": frozenset}[kind]
        return make if item is None else lambda values: make(item(value) for value in values)
    if kind == "tuple":
        items = [_copier(item, in_union=in_union) for item in schema["items_schema"]]
        if all(item is None for item in items):
            return None
        raise _NotPlain
    if kind == "dict":
        if "keys_schema" not in schema or _copier(schema["keys_schema"], in_union=in_union) is not None:
            raise _NotPlain
        value = _copier(schema["values_schema"], in_union=in_union) if "values_schema" in schema else _refuse_any()
        if value is None:
            return dict
        return lambda values: {key: value(item) for key, item in values.items()}
    raise _NotPlain


def _refuse_any() -> typing.NoReturn:
    """A bare `list` holds anything, and only loading it shows whether it can be read back."""
    raise _NotPlain


# -- what is refused at the definition -----------------------------------------------------------------------------------

_UNSTORABLE: tuple[Any, ...] = (get_origin(Callable[[], None]), complex, type)
_CONSUMED: tuple[Any, ...] = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
    collections.abc.Awaitable,
    collections.abc.Coroutine,
)


def unstorable(annotation: object) -> str | None:
    """Why values of a type cannot be stored or sent, for the types of which this is known beforehand."""
    for part in _types_in(annotation, set()):
        if isinstance(part, _Hashed):
            return f"{part.name} cannot be a key, nor in a set: it is stored as a map; use a NamedTuple, or a tuple"
        if isinstance(part, type) and issubclass(part, (SecretStr, SecretBytes, Secret)):
            return f"{part.__name__} would be stored as asterisks; keep secrets out of entities, and store a reference"
        if part is Indexed:
            return WRONG_PLACE
        if part in _UNSTORABLE:
            return f"{part.__name__} cannot be stored"
        if part in _CONSUMED:
            return f"{part.__name__} can be read only once; use a list"
    return None


class _Hashed(NamedTuple):
    """A class of records in a place where what is stored has to be hashed."""

    name: str


def _hashed_in(origin: Any, arguments: tuple[Any, ...]) -> Iterator[_Hashed]:
    if arguments and isinstance(origin, type) and issubclass(origin, (collections.abc.Mapping, collections.abc.Set)):
        for part in _types_in(arguments[0], set()):
            if isinstance(part, type) and _is_map_when_stored(cast("type[Any]", part)):
                yield _Hashed(cast("type[Any]", part).__name__)


def _is_map_when_stored(cls: type[Any]) -> bool:
    if not issubclass(cls, BaseModel) or issubclass(cls, RootModel):
        return dataclasses.is_dataclass(cast("Any", cls))
    return not cast("Any", cls).__pydantic_decorators__.model_serializers


def _types_in(annotation: Any, seen: set[int]) -> Iterator[Any]:
    """All the types that a type is made of, itself included."""
    if id(annotation) in seen or isinstance(annotation, (str, TypeVar, typing.ForwardRef)):
        return
    seen.add(id(annotation))
    if isinstance(annotation, typing_extensions.TypeAliasType):
        yield from _types_in(annotation.__value__, seen)
        return
    origin = get_origin(annotation)
    if origin is not None:
        if origin is typing.Literal:
            return
        arguments = get_args(annotation)[:1] if origin is typing.Annotated else get_args(annotation)
        yield origin
        yield from _hashed_in(origin, arguments)
        for argument in arguments:
            yield from _types_in(argument, seen)
        return
    yield annotation
    if isinstance(annotation, type):
        for inner in _attributes_of(cast("type[Any]", annotation)):
            yield from _types_in(inner, seen)


def _attributes_of(cls: type[Any]) -> list[Any]:
    if issubclass(cls, BaseModel):
        annotations = [field.annotation for field in cls.model_fields.values()]
        # What an entity indexes is not indexed where the entity is a value, and is no error there.
        is_entity = hasattr(cls, "__stead_operations__")
        return [inside_of(annotation) for annotation in annotations] if is_entity else annotations
    if dataclasses.is_dataclass(cls) or typing_extensions.is_typeddict(cls) or hasattr(cls, "_field_defaults"):
        try:
            return list(typing.get_type_hints(cls).values())
        except Exception:  # noqa: BLE001 - names that cannot be resolved: pydantic reports them better
            return []
    return []


# -- names and annotations ------------------------------------------------------------------------------------------------


def substitute(hint: Any, parameters: Mapping[Any, Any]) -> Any:
    """A type with its type parameters replaced."""
    if isinstance(hint, TypeVar):
        return parameters.get(hint, hint)
    generic = getattr(hint, "__pydantic_generic_metadata__", None)
    own = generic["parameters"] if generic is not None else getattr(hint, "__parameters__", ())
    if not own or inspect.isfunction(hint):
        return hint
    arguments = tuple(parameters.get(parameter, parameter) for parameter in own)
    return hint if arguments == tuple(own) else hint[arguments]


def describe_errors(error: ValidationError, name: str = "") -> str:
    """What a validation found, in a line: where, what is wrong, and what was given. (All of which may be the user's.)"""
    try:
        found = error.errors(include_url=False, include_context=False)
    except Exception as broken:  # noqa: BLE001 - the text of an error that a validator raised
        return f"it was refused, and why cannot be shown ({text_of_error(broken)})"
    lines: list[str] = []
    for detail in found[:3]:
        where = ".".join(text_of(part) for part in ((name, *detail["loc"]) if name else detail["loc"]))
        lines.append(f"{where + ': ' if where else ''}{detail['msg']} (it is {repr_of(detail['input'], 80)})")
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(lines) + more
