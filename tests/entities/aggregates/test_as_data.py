"""Aggregates as other data: copies, pickles, models and their schemas, JSON."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaMode

from stead.entities._aggregates.window import hub_clock
from stead.entities._definition.values import value_of
from stead.entities.aggregates import Aggregate, Distinct, Quantiles, Tally, TopItems, Windowed, windowed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """What an operation sees of the hub's time stays in its context: another test's may be this one's."""
    token = hub_clock.set(lambda: int(NOW.timestamp() * 1_000))
    yield
    hub_clock.reset(token)


def tally() -> Tally:
    one = Tally()
    one.extend([1.0, 2.0, 4.5])
    return one


def window() -> Windowed[Tally]:
    one = windowed(Tally(), timedelta(minutes=1), keep=3)
    one.at(NOW).add(1.0)
    one.at(NOW - timedelta(minutes=1)).add(2.0)
    one.at(NOW - timedelta(minutes=9)).add(2.0)
    return one


def quantiles() -> Quantiles:
    one = Quantiles()
    one.extend(range(1_000))
    return one


def distinct() -> Distinct:
    one = Distinct()
    one.add("a")
    return one


def top() -> TopItems:
    one = TopItems(3)
    one.add("a", 3)
    return one


ALL: list[Callable[[], Any]] = [tally, window, quantiles, distinct, top]
EACH = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


@EACH
def test_copies_share_nothing(make: Callable[[], Any]) -> None:
    ways: list[Callable[[Any], Any]] = [
        copy.copy,
        copy.deepcopy,
        lambda one: pickle.loads(pickle.dumps(one)),
        lambda one: cast("Any", type(one)).merged([one]),
    ]
    for copied in ways:
        one = make()
        summary = one.summary()
        again = copied(one)
        assert again == one
        assert again.summary() == summary
        again.clear()
        assert again != one
        assert one.summary() == summary
        again.merge(one)
        summary = again.summary()
        one.clear()
        assert again.summary() == summary


@EACH
def test_what_changes_after_a_copy_does_not_change_it(make: Callable[[], Any]) -> None:
    one = make()
    again = copy.copy(one)
    summary = one.summary()
    more: Any = one.at(NOW) if make is window else one
    for index in range(5_000):
        more.add(f"{index}" if make in (distinct, top) else float(index))
    assert one.summary() != summary
    assert again.summary() == summary


@EACH
def test_it_is_read_back_by_models_and_adapters(make: Callable[[], Any]) -> None:
    one = make()
    kind = cast("Any", type(one))
    annotation: Any = Windowed[Tally] if make is window else kind
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    assert adapter.validate_python(one) is one
    data = one.to_bytes()
    forms: list[Any] = [data, base64.b64encode(data).decode(), {kind._NAME: one._stored()}]
    for given in forms:
        assert adapter.validate_python(given) == one
        if not isinstance(given, bytes):
            assert adapter.validate_python(given, strict=True) == one
    assert adapter.validate_json(json.dumps(base64.b64encode(data).decode())) == one
    others: list[Any] = [3, None, "nonsense", b"nonsense", {}, {"stead.other": [1]}, [], "é", one.summary()]
    for wrong in others:
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


@EACH
def test_it_is_an_argument_and_a_result(make: Callable[[], Any]) -> None:
    one = make()
    kind = cast("Any", type(one))
    annotation: Any = Windowed[Tally] if make is window else kind
    how = value_of(annotation | None, "argument", exact=True)
    assert how.dump is not None
    assert how.check(how.dump(one)) == one


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (tally, {"count": 3, "sum": 7.5, "mean": 2.5, "min": 1.0, "max": 4.5, "variance": 3.25}),
        (Tally, {"count": 0, "sum": 0.0, "mean": None, "min": None, "max": None, "variance": None}),
        (quantiles, {"count": 1_000, "p50": None, "p90": None, "p99": None}),
        (distinct, {"estimate": 1.0}),
        (top, {"top": [["a", 3]]}),
    ],
)
def test_json_shows_a_summary(make: Callable[[], Any], shown: dict[str, Any]) -> None:
    found = json.loads(TypeAdapter(make().__class__).dump_json(make()))
    assert list(found) == list(shown)
    for name, value in shown.items():
        if make is not quantiles or name == "count":
            assert found[name] == value
    if make is quantiles:
        assert found["p50"] == pytest.approx(500, abs=20)


def test_json_shows_the_buckets_of_a_window() -> None:
    assert json.loads(TypeAdapter(Windowed[Tally]).dump_json(window())) == {
        "width_ms": 60_000,
        "buckets": [
            {"start": "2026-01-01T11:59:00Z", "value": {**_one(2.0)}},
            {"start": "2026-01-01T12:00:00Z", "value": {**_one(1.0)}},
        ],
        "late": 1,
        "early": 0,
    }


def _one(value: float) -> dict[str, Any]:
    return {"count": 1, "sum": value, "mean": value, "min": value, "max": value, "variance": None}


def test_models_have_a_schema() -> None:
    class Model(BaseModel):
        delays: Tally = Tally()
        recent: Windowed[Tally] = windowed(Tally(), timedelta(minutes=1), keep=3)
        more: dict[str, Quantiles] = {}

    modes: list[JsonSchemaMode] = ["validation", "serialization"]
    for mode in modes:
        schema = Model.model_json_schema(mode=mode)
        assert set(schema["properties"]) == {"delays", "recent", "more"}
    model = Model()
    model.delays.add(1.0)
    assert Model().delays == Tally()
    assert Model.model_validate(model.model_dump()) == model
    assert model.model_copy(deep=True) == model


def test_garbage_is_never_an_aggregate() -> None:
    others: list[Any] = [None, "x", -1, 2.5, [], {}, 10**30, float("nan"), [[0]], [[1, 2, 3]]]
    makes: list[Callable[[], Any]] = [tally, window]
    for make in makes:
        made = make()
        kind = cast("Any", type(made))
        held: list[Any] = made._stored()
        for place in range(len(held)):
            for other in others:
                parts = [*held]
                parts[place] = other
                try:
                    read = kind._read_any({kind._NAME: parts})
                except ValueError:
                    continue
                assert isinstance(read, Aggregate)
                read.summary()
