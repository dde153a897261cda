"""Words of a command line and the values that they stand for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

from stead.app._console.faults import CommandFault, one_line
from stead.app._console.words import (
    json_data,
    parse_argument,
    parse_duration,
    parse_keywords,
    parse_local_instant,
    shorten,
    to_json_line,
)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("3.5", 3.5),
        ("-3", -3),
        ("true", True),
        ("null", None),
        ('{"a": [1]}', {"a": [1]}),
        ('"3"', "3"),
        ("oslo", "oslo"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("", ""),
        ("{broken", "{broken"),
        ("007", "007"),
    ],
)
def test_a_word_is_json_or_text(word: str, value: object) -> None:
    assert parse_argument(word) == value


def test_keywords_are_names_and_values() -> None:
    assert parse_keywords(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("pairs", [["a"], ["=1"], ["1a=2"], ["a=1", "a=2"]])
def test_other_keywords_are_refused(pairs: list[str]) -> None:
    with pytest.raises(CommandFault) as caught:
        parse_keywords(pairs)
    assert caught.value.status == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1.5h", 5400), ("2d", 172_800)]
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5x", "m", "-5m", "5 m", "99999999999999w"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(CommandFault, match="--after"):
        parse_duration(text)


def test_instants_are_iso_8601_and_local_without_an_offset() -> None:
    assert parse_local_instant("2030-01-31T12:00:00Z") == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert parse_local_instant("2030-01-31T12:00") == datetime(2030, 1, 31, 12).astimezone()
    with pytest.raises(CommandFault, match="ISO 8601"):
        parse_local_instant("tomorrow")


def test_anything_becomes_json() -> None:
    value = {"bytes": b"\xff\x00", "when": datetime(2030, 1, 1, tzinfo=UTC), "price": Decimal("1.10"), "set": {1}}
    assert json_data(value) == {"bytes": "_wA=", "when": "2030-01-01T00:00:00Z", "price": "1.10", "set": [1]}
    assert json.loads(to_json_line({"nan": float("nan"), "æ": object})) == {"nan": "NaN", "æ": str(object)}


def test_long_values_are_cut() -> None:
    assert shorten({"a": 1, "b": "x"}) == 'a 1, b "x"'
    assert len(shorten(["x" * 500])) == 200


def test_a_line_cannot_steer_the_terminal() -> None:
    assert one_line("no\n\x1b[31m  way\x07") == "no \N{REPLACEMENT CHARACTER}[31m way\N{REPLACEMENT CHARACTER}"


class Sized(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True, extra="forbid")

    width: int = Field(alias="w")

    @computed_field
    def area(self) -> int:
        return self.width**2


def test_a_model_is_shown_as_it_is_stored_and_taken() -> None:
    assert json_data([Sized(w=3)]) == [{"width": 3}]
