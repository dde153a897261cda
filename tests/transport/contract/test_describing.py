"""Whatever an error is like, it can be described, shortly and at once."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError, model_serializer

from stead.entities.extending import describe_errors
from stead.orchestrations import ActivityFailed, FailureDetails, NonRetriable
from stead.transport import InvalidInput, pack
from stead.transport.describing import (
    message_of,
    qualified_name,
    repr_of,
    says,
    text_of,
    text_of_error,
    traceback_of,
)
from support.hostile import ERRORS, Loose, Text

LENGTH_MAX = 100_000  # bytes of a failure with all its causes


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001 - with a traceback now
        return raised


@pytest.mark.parametrize("name", ERRORS)
def test_describing_cannot_fail_and_gives_what_can_be_stored(name: str) -> None:
    error = caught(ERRORS[name]())
    began = time.process_time()
    texts = [message_of(error), traceback_of(error), text_of_error(error), qualified_name(type(error))]
    packed = pack(FailureDetails.of(error).as_map())
    assert time.process_time() - began < 2, "a tree of 4,096 errors took seven seconds"
    assert all(type(text) is str and text.encode() for text in texts[1:])
    assert len(packed) < LENGTH_MAX
    assert says(error, "non_retriable") is False


def test_a_traceback_says_where_and_why() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        error.add_note("a note")
        text = traceback_of(error)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: outer\na note\n")
    assert text.index("KeyError: 'inner'") < text.index("direct cause") < text.index("ValueError: outer")
    assert 'raise ValueError("outer") from inner' in text


def test_a_group_shows_its_first_errors_and_how_many_there_are() -> None:
    group = ExceptionGroup("several", [ValueError(number) for number in range(20)])
    assert message_of(group).startswith("several (20 sub-exceptions): ValueError: 0; ValueError: 1; ")
    assert message_of(group).endswith("; and 12 more")
    assert "  | ValueError: 7\n" in traceback_of(group)
    assert "and 12 more" in traceback_of(group)
    details = FailureDetails.of(group)
    assert [one.message for one in (details.cause, *details.more_causes) if one] == [str(number) for number in range(8)]


def test_names_are_those_that_callers_see() -> None:
    assert qualified_name(ValueError) == "ValueError"
    assert qualified_name(Decimal) == "decimal.Decimal"
    assert qualified_name(NonRetriable) == "stead.orchestrations.NonRetriable"


def test_what_is_no_text_is_said_to_be_none() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise LookupError

        __str__ = __repr__

    assert "LookupError" in text_of(Mute())
    assert "Mute" in repr_of(Mute(), 80)
    assert text_of(Text("x")) == "(its text cannot be had: LookupError)"
    assert repr_of("x" * 100, 20) == "'" + "x" * 16 + "..."


def test_what_is_final_is_told_by_the_type() -> None:
    class Final(ValueError):
        non_retriable = True

    class Asked(ValueError):
        @property
        def non_retriable(self) -> bool:
            raise AssertionError("nothing of it runs")

    assert FailureDetails.of(Final()).non_retriable
    assert FailureDetails.of(NonRetriable("x")).non_retriable
    assert not FailureDetails.of(Asked()).non_retriable


def test_a_failure_elsewhere_is_kept_as_the_cause_whatever_it_is_made_of() -> None:
    inner = FailureDetails("KeyError", "'x'", "…", FailureDetails("ValueError", "y"), non_retriable=True)
    failed = FailureDetails.of(ActivityFailed("charge", "KeyError", "'x'", "…", inner))
    assert failed.cause is not None
    assert failed.cause.cause == inner
    made = ActivityFailed("charge", Text("odd"), 5, None, "no details")  # type: ignore[arg-type]
    cause = FailureDetails.of(made).cause
    assert cause is not None
    assert (cause.error_type, cause.message, cause.traceback, cause.cause) == (
        "(its text cannot be had: LookupError)", "5", "", None
    )  # fmt: skip
    ring = FailureDetails("A", "a")
    object.__setattr__(ring, "cause", ring)
    assert len(pack(FailureDetails.of(ActivityFailed("charge", "A", "a", "", ring)).as_map())) < LENGTH_MAX


class Shown(BaseModel):
    value: int


def test_what_a_validation_found_can_be_said_whatever_it_found() -> None:
    with pytest.raises(ValidationError) as caught:
        Shown(value=ERRORS["str raises"]())  # type: ignore[arg-type]
    assert "cannot be shown" in describe_errors(caught.value)
    with pytest.raises(ValidationError) as caught:
        Shown(value="x" * 1_000_000)  # type: ignore[arg-type]
    assert len(describe_errors(caught.value)) < 300


@pytest.mark.parametrize("name", ["a wrapper of an answer", "str raises", "__class__ raises"])
def test_what_cannot_be_stored_is_refused_whatever_says_so(name: str) -> None:
    class Dumped(BaseModel):
        @model_serializer
        def dump(self) -> Any:
            error = ERRORS[name]()
            raise error

    for value in (Dumped(), Loose(), [ERRORS[name]()]):
        with pytest.raises(InvalidInput, match="cannot be stored"):
            pack(value)
