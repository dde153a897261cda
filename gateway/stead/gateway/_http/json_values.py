"""Between what Python has and what HTTP carries: JSON of any value, instants, and the parameters of a query.

JSON has no bytes, instants or decimals: they become base64, ISO 8601 and text. A number that is none (NaN, infinity) becomes
text as well.
"""

from __future__ import annotations

import dataclasses
import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any, cast

import pydantic_core
from pydantic import BaseModel
from starlette.responses import Response

JSON = "application/json; charset=utf-8"
_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def to_json(value: object) -> bytes:
    """A value as JSON, compact, in UTF-8."""
    try:
        return json.dumps(
            value, default=_simpler, allow_nan=False, ensure_ascii=False, separators=(",", ":"), check_circular=False
        ).encode()
    except (ValueError, TypeError):  # a number that is none, half a surrogate pair, a key that is no text
        return json.dumps(plain_json(value), separators=(",", ":")).encode()


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = JSON
) -> Response:
    """An answer with a JSON body."""
    return Response(to_json(value), status, dict(headers or {}), media_type)


def plain_json(value: object) -> Any:
    """A value as JSON data."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NO_NUMBERS[str(value)]
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {_key(name): plain_json(inner) for name, inner in mapping.items()}
    if isinstance(value, list | tuple):
        return [plain_json(inner) for inner in cast("Iterable[object]", value)]
    return plain_json(_simpler(value))


def _key(name: object) -> str:
    if isinstance(name, str):
        return name
    simple = plain_json(name)
    return simple if isinstance(simple, str) else json.dumps(simple)


def _simpler(value: object) -> Any:
    """What JSON lacks, as something that is closer to it."""
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(bytes(cast("bytes", value))).decode()
    if isinstance(value, datetime | time):  # as `--json` writes them, and `milliseconds`
        text = value.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return pydantic_core.to_jsonable_python(value)
    if isinstance(value, BaseModel):
        # As it is stored, and as every door takes it: by its fields' names, without what is computed of them.
        return value.model_dump(by_alias=False, round_trip=True)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return list(cast("Iterable[object]", value))
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return pydantic_core.to_jsonable_python(value, fallback=str, serialize_unknown=True)


# -- instants ----------------------------------------------------------------------------------------------------------


def whole_seconds(instant: datetime) -> str:
    """An instant as the Durable Functions routes write it: `2018-02-28T05:18:49Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(instant: datetime) -> str:
    """An instant as `/api/v1` writes it: `2018-02-28T05:18:49.345Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def ticks(instant: datetime) -> str:
    """An instant as the history and the entities of the Durable Functions routes have it: seven digits."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def parse_instant(text: str) -> datetime:
    """An instant in ISO 8601; without an offset it is UTC. Raises `ValueError`.

    The "+" of an offset that nobody escaped arrives as a blank.
    """
    head, blank, offset = text.strip().rpartition(" ")
    if blank and "T" in head and ":" in offset:
        text = f"{head}+{offset}"
    instant = datetime.fromisoformat(text.strip())
    try:
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None
