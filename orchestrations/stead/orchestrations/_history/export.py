"""A history as JSON and back: what `stead history --json` writes, what `stead replay` reads, and what golden files are.

    {"format": "stead history 1", "instance_id": "order-17", "events": [
        {"type": "ExecutionStarted", "at_ms": 1767225600000, "task_id": 0, "fields": {"name": "order", …}}, …]}

An event's own fields have the names that they have in `HistoryEvent`. JSON lacks some of what a
history may hold (bytes, dates, sets, keys that are no text): such a value is `{"$packed": "base64 of its bytes in the
store", "text": "how it reads"}`, so that nothing is lost on the way and a person can read it all the same.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from stead.transport import InvalidInput, pack_exact, unpack

from .event_table import BY_NAME, Form, name_of, shown_fields
from .events import Event

FORMAT = "stead history 1"
TEXT_LENGTH_MAX = 200  # characters of a packed value that are shown
PACKED = "$packed"


class History(NamedTuple):
    """An instance's events, oldest first."""

    instance_id: str
    events: list[Event]


def export_history(history: History) -> dict[str, Any]:
    """A history as JSON data."""
    return {
        "format": FORMAT,
        "instance_id": history.instance_id,
        "events": [_export_event(event) for event in history.events],
    }


def history_text(history: History) -> str:
    """A history as the text of a file: one event a line, so that a difference between two files can be read."""
    data = export_history(history)
    events = ",\n  ".join(json.dumps(event, ensure_ascii=False) for event in data.pop("events"))
    head = json.dumps(data, ensure_ascii=False)[:-1]
    return f'{head}, "events": [\n  {events}\n]}}\n' if events else f'{head}, "events": []}}\n'


def import_history(data: object) -> History:
    """The history of JSON data, or of its text. Raises `InvalidInput` for what `export_history` has not made."""
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InvalidInput("history", f"it is not JSON that can be read ({error})") from None
    if not isinstance(data, Mapping):
        raise InvalidInput("history", "write what `stead history --json` writes: an object")
    found = cast("Mapping[str, Any]", data)
    if found.get("format") != FORMAT:
        raise InvalidInput("history", f"its format is {found.get('format')!r}; this version of stead reads {FORMAT!r}")
    instance_id = found.get("instance_id")
    events: list[Any] | None = found["events"] if type(found.get("events")) is list else None
    if not isinstance(instance_id, str) or events is None:
        raise InvalidInput("history", "it lacks `instance_id`, a text, or `events`, an array")
    return History(instance_id, [_import_event(place, event) for place, event in enumerate(events, 1)])


def _export_event(event: Event) -> dict[str, Any]:
    fields = {name: to_json_data(value) for name, value in shown_fields(event).items()}
    return {"type": name_of(event), "at_ms": event.at_ms, "task_id": event.task_id, "fields": fields}


def _import_event(place: int, data: object) -> Event:
    what = f"history, event {place}"
    if not isinstance(data, Mapping):
        raise InvalidInput(what, "an event is an object")
    found = cast("Mapping[str, Any]", data)
    form = BY_NAME.get(found.get("type", ""))
    if form is None:
        raise InvalidInput(
            what, f"type {found.get('type')!r} is not known to this version of stead, which has to be updated here"
        )
    at_ms, task_id = found.get("at_ms"), found.get("task_id", 0)
    if type(at_ms) is not int or type(task_id) is not int:
        raise InvalidInput(what, "`at_ms` and `task_id` are whole numbers")
    fields = found.get("fields", {})
    if not isinstance(fields, Mapping):
        raise InvalidInput(what, "`fields` is an object")
    return form.cls(at_ms, task_id, *_import_fields(what, form, cast("Mapping[str, Any]", fields)))


def _import_fields(what: str, form: Form, found: Mapping[str, Any]) -> tuple[Any, ...]:
    """The fields that are there: an event of an older version lacks the last ones."""
    name, names = form.cls.__name__, form.names
    present = [each for each in names if each in found]
    if tuple(present) != names[: len(present)] or len(present) < form.least:
        raise InvalidInput(what, f"{name} has the fields {', '.join(names)}; one of them is missing")
    strange = sorted(set(found) - set(names))
    if strange:
        raise InvalidInput(what, f"{name} has no field {strange[0]!r}")
    return tuple(from_json_data(what, found[each]) for each in present)


def to_json_data(value: object) -> Any:
    """A stored value as JSON data, without loss."""
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list):
        return [to_json_data(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[object, object]", value)
        if all(isinstance(key, str) for key in items) and PACKED not in items:
            return {key: to_json_data(item) for key, item in items.items()}
        return _packed(items)
    return _packed(value)


def _packed(value: object) -> dict[str, str]:
    return {PACKED: base64.b64encode(bytes(pack_exact(value))).decode(), "text": str(value)[:TEXT_LENGTH_MAX]}


def from_json_data(what: str, data: object) -> Any:
    """The stored value of JSON data."""
    if isinstance(data, list):
        return [from_json_data(what, item) for item in cast("list[object]", data)]
    if not isinstance(data, dict):
        return data
    items = cast("dict[str, Any]", data)
    if PACKED not in items:
        return {key: from_json_data(what, item) for key, item in items.items()}
    try:
        return unpack(base64.b64decode(items[PACKED], validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidInput(what, f"its {PACKED} is no base64 ({error})") from None
