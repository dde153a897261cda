"""States, conditions and orders to query entities by, as Hypothesis draws them; and what a list of dicts says of an order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from stead.entities._index.conditions import Compare, Join, Negation, Node

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-2, 2),
    "name": st.sampled_from(["", "a", "ab", "a\0", "b", "å", "x" * 512, "x" * 512 + "y"]),
    "seen": st.none() | st.integers(-1500, 1500).map(lambda number: _EPOCH + timedelta(microseconds=number)),
    "ratio": st.none() | st.sampled_from([-1.5, 0.0, 2.0, float("inf")]),
}
STATES = st.dictionaries(
    st.sampled_from([f"k{number}" for number in range(8)] + ["å", "k@1", ""]),
    st.fixed_dictionaries(VALUES),
    max_size=11,
)


@st.composite
def _comparisons(draw: st.DrawFn) -> Node:
    name = draw(st.sampled_from(list(VALUES)))
    some = VALUES[name].filter(lambda value: value is not None)
    signs = ["==", "!=", "<", "<=", ">", ">=", "between", "one_of", *(["startswith"] if name == "name" else [])]
    sign = draw(st.sampled_from(signs))
    if sign == "between":
        return Compare(name, sign, (draw(some), draw(some)))
    if sign == "one_of":
        return Compare(name, sign, tuple(draw(st.lists(VALUES[name], max_size=12))))
    return Compare(name, sign, (draw(VALUES[name] if sign in ("==", "!=") else some),))


NODES = st.recursive(
    _comparisons(),
    lambda inner: (
        st.builds(Join, st.booleans(), st.lists(inner, min_size=1, max_size=3).map(tuple)) | st.builds(Negation, inner)
    ),
    max_leaves=4,
)
ORDERS = st.none() | st.tuples(st.sampled_from(list(VALUES)), st.booleans())


def place(state: dict[str, Any], name: str) -> Any:
    """Where a state stands in the order of a field: to the millisecond, by the first 512 bytes; None for what has no place."""
    value = state[name]
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, int) and abs(value) > 2**53:
        return None
    return value.encode()[:512] if isinstance(value, str) else value


def ordered(states: dict[str, dict[str, Any]], keys: list[str], order: tuple[str, bool]) -> list[str]:
    """Keys in the order of a field: None last in both directions, ties by key."""
    name, descending = order
    places = {key: place(states[key], name) for key in keys}
    values = sorted((key for key in keys if places[key] is not None), key=lambda key: (places[key], key.encode()))
    nones = sorted((key for key in keys if places[key] is None), key=str.encode)
    return [*reversed(values), *reversed(nones)] if descending else [*values, *nones]
