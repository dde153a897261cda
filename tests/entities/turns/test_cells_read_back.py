"""What is settled is what is read back, for every kind of field and any sequence of operations."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities import (
    ClassEntityType,
    Entity,
)
from support.activation_bench import PLAIN, VALUES, Bench, Colour, Part, Plain, Size

# -- what is settled is what is read back --------------------------------------------------------------------------------

_names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), max_size=5)
_plain_values = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(),
        "ratio": st.none() | st.floats(allow_nan=False),
        "names": _names | _names.map(lambda names: names * 500),
        "rows": st.lists(st.lists(st.integers(), max_size=3), max_size=3),
        "table": st.dictionaries(st.text("abc", max_size=3), st.floats(allow_nan=False), max_size=3),
        "total": st.decimals(allow_nan=False, allow_infinity=False),
        "marks": st.sets(st.integers(), max_size=3),
        "pair": st.tuples(st.integers(), st.text("ab", max_size=2)),
    },
)


@given(
    st.lists(st.tuples(_plain_values, st.sampled_from(["update", "fail_after", "delete"])), max_size=6), st.booleans()
)
def test_plain_states_follow_a_model(steps: list[tuple[dict[str, Any], str]], eager: bool) -> None:
    bench = Bench(PLAIN, None, eager=eager)
    model = Plain()
    for values, operation in steps:
        if operation == "fail_after":
            with pytest.raises(RuntimeError):
                bench.run(operation, values)
        elif operation == "delete":
            bench.run(operation)
            model = Plain()
        else:
            bench.run(operation, values)
            model = Plain(**{**dict(model), **values})
        assert (bench.state or Plain()) == model
        assert (bench.again().state or Plain()) == model


class Everything(Entity):
    """A field of each kind that pydantic and msgpack do not agree on."""

    at: datetime | None = None
    day: date | datetime | None = None
    clock: time | None = None
    span: timedelta = timedelta(0)
    amount: Decimal | float | int = 0
    key: UUID | str | None = None
    raw: bytes = b""
    text: str | bytes = ""
    flags: frozenset[str] = frozenset()
    points: dict[tuple[int, int], str] = {}
    mixed: list[int | bool | float | str | None] = []
    colour: Colour = Colour.RED
    colours: dict[Colour, int] = {}
    mode: Literal["a", 1, True] = "a"
    nested: list[dict[str, list[Part]]] = []
    shape: Part | Size | None = None
    free: Any = None

    def set(self, name: str) -> None:
        for field, value in VALUES[name].items():
            setattr(self, field, value)


EVERYTHING = ClassEntityType(Everything)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_aware = st.datetimes(timezones=st.just(UTC))
_sizes = st.builds(Size, st.integers(), st.lists(_text, max_size=2))
_parts = st.builds(Part, name=_text, size=_sizes)
_free = st.recursive(
    st.none() | st.booleans() | st.integers() | _text | st.binary(max_size=3) | _aware | st.uuids(),
    lambda inner: st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(_text, inner, max_size=2),
    max_leaves=4,
)
_everything = st.fixed_dictionaries(
    {},
    optional={
        "at": _aware | st.datetimes(),
        "day": st.dates() | _aware,
        "clock": st.times(),
        "span": st.timedeltas(),
        "amount": st.decimals(allow_nan=False, allow_infinity=False) | st.floats(allow_nan=False) | st.integers(),
        "key": st.uuids() | _text | st.uuids().map(str),
        "raw": st.binary(max_size=4),
        "text": _text | st.binary(max_size=4),
        "flags": st.frozensets(_text, max_size=3),
        "points": st.dictionaries(st.tuples(st.integers(), st.integers()), _text, max_size=2),
        "mixed": st.lists(st.integers() | st.booleans() | st.floats(allow_nan=False) | _text | st.none(), max_size=4),
        "colour": st.sampled_from(Colour),
        "colours": st.dictionaries(st.sampled_from(Colour), st.integers(), max_size=2),
        "nested": st.lists(st.dictionaries(_text, st.lists(_parts, max_size=1), max_size=1), max_size=2),
        "shape": st.none() | _parts | _sizes,
        "free": _free,
    },
)


@given(_everything)
def test_any_settled_state_is_read_back_equal(values: dict[str, Any]) -> None:
    bench = Bench(EVERYTHING)
    VALUES["now"] = values
    bench.run("set", "now")
    state = bench.state
    if state is None:
        assert values.items() <= dict(Everything()).items()
        return
    for name, value in values.items():
        assert getattr(state, name) == value, name
        assert type(getattr(state, name)) is type(value), name
    again = bench.again()
    again.run("set", "now")
    assert not again.cell.changed
