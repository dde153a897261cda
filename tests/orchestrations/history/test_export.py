"""A history as JSON and back: nothing is lost, and what is no history is refused with a reason."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from stead.entities import InvalidInput
from stead.orchestrations._history.event_codec import decode_event, encode_event
from stead.orchestrations._history.event_table import FORMS
from stead.orchestrations._history.events import EventRaised, ExecutionRewound
from stead.orchestrations._history.export import History, export_history, history_text, import_history

STRANGE: list[Any] = [
    None,
    True,
    2**80,
    1.5,
    float("inf"),
    "text, \N{SNOWMAN}",
    b"\xff\x00",
    (1, "a"),
    {"deep": [{"set": {1, 2}}]},
    {1: "a key that is no text"},
    {"$packed": "one who means it"},
    Decimal("1.10"),
    date(2030, 1, 2),
    datetime(2030, 1, 2, tzinfo=UTC),
]


@pytest.mark.parametrize("value", STRANGE, ids=str)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    event = decode_event(encode_event(EventRaised(5, 0, "Approval", value)))
    text = history_text(History("order-17", [event, event]))
    assert import_history(text) == History("order-17", [event, event])
    (back, _), (again, _) = import_history(json.loads(text)).events, import_history(text).events
    assert isinstance(back, EventRaised) and isinstance(again, EventRaised)
    assert back.input == value
    assert type(again.input) is type(value)


def test_every_type_of_event_comes_back() -> None:
    events = [form.cls(1_767_225_600_000, form.number % 3, *range(len(form.names))) for form in FORMS]
    history = History("all", events)
    assert import_history(history_text(history)) == history
    assert import_history(history_text(History("none", []))) == History("none", [])


def test_an_event_of_an_older_version_lacks_its_last_fields() -> None:
    whole = ExecutionRewound(1, 0, "mended", "f" * 32, ["i:1"], [])
    older = [ExecutionRewound(1, 0, "mended"), ExecutionRewound(1, 0, "mended", "f" * 32), whole]
    history = History("a", [*older])
    assert import_history(history_text(history)) == history
    lengths = [len(event["fields"]) for event in export_history(history)["events"]]
    assert lengths == [1, 2, 4]


REFUSED: list[tuple[Any, str]] = [
    ("{", "not JSON"),
    ("[]", "an object"),
    ({"format": "stead history 9"}, "stead history 9"),
    ({"format": "stead history 1", "events": []}, "instance_id"),
    ([{}], "type None"),
    ([{"type": "NeverHeardOf"}], "NeverHeardOf"),
    ([{"type": "EntityLockGranted"}], "at_ms"),
    ([{"type": "EventRaised", "at_ms": 1, "fields": {"input": 1}}], "one of them is missing"),
    ([{"type": "EventRaised", "at_ms": 1, "fields": {"name": "a"}}], "one of them is missing"),
    ([{"type": "EventRaised", "at_ms": 1, "fields": {"name": "a", "input": 1, "colour": 1}}], "colour"),
    ([{"type": "EventRaised", "at_ms": 1, "fields": {"name": {"$packed": "?"}, "input": 1}}], "base64"),
    ([{"type": "EventRaised", "at_ms": 1, "fields": 1}], "is an object"),
    ([1], "event 1"),
]


@pytest.mark.parametrize(("data", "said"), REFUSED)
def test_what_is_no_history_is_refused(data: Any, said: str) -> None:
    with_events: dict[str, Any] = {**export_history(History("a", [])), "events": data}
    whole: Any = with_events if type(data) is list else data
    with pytest.raises(InvalidInput, match=said):
        import_history(whole)
