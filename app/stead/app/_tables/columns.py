"""The columns of a kind's table: one for each field, by its type, and the entity's key before them.

1. A field's *form* is found by what its type says of its JSON. Numbers, truth values, text, bytes, dates, times and lists of these
   have columns of their own kind; everything else is JSON.
2. A value that its column cannot hold (an integer of more than 64 bits above all) makes the column a *loose* one, which holds
   text as it is, and of anything else its JSON. Whoever reads begins anew then.
3. SQL does not tell upper from lower case: a field that differs from one before by this alone has a number after its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pydantic_core
from pydantic import TypeAdapter

from stead.entities import ClassEntityType, EntityType
from stead.entities.aggregates import summarized

from .libraries import arrow

KEY = "_key"
STATE = "_state"  # of kinds without fields. No field begins with "_"

_EXACT: dict[str, type] = {
    "bool": bool,
    "int": int,
    "float": float,
    "bytes": bytes,
    "date": date,
    "datetime": datetime,
    "timedelta": timedelta,
}
_TEXTS = (UUID, Decimal, time)  # stored as such, and text in a column
_BY_JSON_TYPE = {"boolean": "bool", "integer": "int", "number": "float"}
_BY_JSON_FORMAT = {"binary": "bytes", "date": "date", "date-time": "datetime", "duration": "timedelta"}


class Unfit(ValueError):
    """A value is none that its column can hold."""


@dataclass(frozen=True, slots=True)
class CellForm:
    """What the cells of a column are; of a list, what its items are."""

    name: str
    items: CellForm | None = None


JSON = CellForm("json")
LOOSE = CellForm("loose")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the field that it shows (None: the state as a whole), and the name by which it is asked for."""

    name: str
    field: str | None
    form: CellForm


def columns_of(kind: EntityType | None) -> list[Column]:
    """The columns of a kind's table but for the key; those of one that is not defined here hold its state as a whole."""
    if not isinstance(kind, ClassEntityType) or kind.entity_class.__pydantic_decorators__.model_serializers:
        return [Column(STATE, None, JSON)]
    taken = {KEY}
    columns: list[Column] = []
    for field, info in kind.entity_class.model_fields.items():
        name, number = field, 1
        while name.lower() in taken:
            number += 1
            name = f"{field}_{number}"
        taken.add(name.lower())
        columns.append(Column(name, field, form_of(info.annotation)))
    return columns


def form_of(annotation: Any) -> CellForm:
    """The form of a type's values as they are stored."""
    try:
        schema = TypeAdapter(annotation).json_schema(mode="serialization")
    except Exception:  # noqa: BLE001 - users' types may raise whatever they like; what has no schema is JSON all the same
        return JSON
    return _form(schema, schema.get("$defs", {}))


def _form(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> CellForm:
    if "$ref" in schema:
        schema = definitions.get(schema["$ref"].rpartition("/")[2], {})
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        return _form(choices[0], definitions)
    kind = schema.get("type")
    if kind == "string":
        return CellForm(_BY_JSON_FORMAT.get(schema.get("format", ""), "text"))
    if kind == "array" and "items" in schema:
        items = _form(schema["items"], definitions)
        return JSON if items == JSON else CellForm("list", items)
    return CellForm(_BY_JSON_TYPE[kind]) if kind in _BY_JSON_TYPE else JSON


# -- cells -------------------------------------------------------------------------------------------------------------


def type_of(form: CellForm) -> Any:
    """The type of Arrow that holds a form's cells. A time without a zone counts as one of UTC."""
    pa = arrow()
    if form.items is not None:
        return pa.list_(type_of(form.items))
    types = {
        "bool": pa.bool_,
        "int": pa.int64,
        "float": pa.float64,
        "bytes": pa.binary,
        "date": pa.date32,
        "datetime": lambda: pa.timestamp("us", "UTC"),
        "timedelta": lambda: pa.duration("us"),
    }
    return types.get(form.name, pa.string)()


def array_of(form: CellForm, values: Sequence[Any]) -> Any:
    """An array of stored values. Raises `Unfit`, but not if the form is loose."""
    pa = arrow()
    try:
        return pa.array(_cells(form, values), type_of(form))
    except (pa.ArrowException, OverflowError) as error:
        raise Unfit(str(error)) from error


def _cells(form: CellForm, values: Iterable[Any]) -> list[Any]:
    if form == JSON:
        return [None if value is None else to_json(value) for value in values]
    if form == LOOSE:
        return [None if value is None else _loose(value) for value in values]
    if form.name == "text":
        return [value if value is None or type(value) is str else _text(value) for value in values]
    if form.items is not None:
        items = form.items
        return [None if value is None else _cells(items, _items(value)) for value in values]
    exact = _EXACT[form.name]
    cells = list(values)
    for value in cells:
        if type(value) is not exact and value is not None:
            raise Unfit(f"{type(value).__name__}, where {form.name} was expected")
    return cells


def _loose(value: object) -> str:
    """Text as it is, and so what is text in JSON, such as a time; of anything else its JSON."""
    if type(value) is str:
        return value
    text = to_json(value)
    return text[1:-1] if text.startswith('"') else text


def _text(value: object) -> str:
    if isinstance(value, _TEXTS):
        return str(value)
    raise Unfit(f"{type(value).__name__}, where text was expected")


def _items(value: object) -> Sequence[Any]:
    """The items of what is a list in a table; those of a set in order."""
    if isinstance(value, list | tuple):
        return cast("Sequence[Any]", value)
    if isinstance(value, set | frozenset):
        members = cast("set[Any]", value)
        try:
            return sorted(members)
        except TypeError:
            return sorted(members, key=repr)
    raise Unfit(f"{type(value).__name__}, where a list was expected")


def to_json(value: object) -> str:
    """A stored value as JSON text. What JSON does not have is as `stead state` shows it."""
    return json_bytes(summarized(value)).decode()


def json_bytes(value: object) -> bytes:
    """JSON of whatever is shown: bytes as base64, times in ISO 8601, anything else that JSON lacks as text."""
    return pydantic_core.to_json(
        value,
        bytes_mode="base64",
        inf_nan_mode="strings",
        fallback=str,
        serialize_unknown=True,
        by_alias=False,  # as it is stored, and as every door takes it: by the fields' names, without computed ones
        round_trip=True,
    )
