"""Whether something in an object has changed: of whatever class it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from stead.orchestrations._execution.picture import picture_of


class Model(BaseModel):
    rows: list[int] = []


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = [1]


@dataclass
class Data:
    when: date = date(2026, 1, 1)
    names: set[str] = field(default_factory=lambda: {"x", "y"})
    queue: deque[int] = field(default_factory=lambda: deque([1]))
    price: Decimal = Decimal(1)
    inner: Model = field(default_factory=Model)
    me: Any = None


def looped() -> Data:
    data = Data()
    data.me = [data]
    return data


CHANGES: list[tuple[Callable[[], Any], Callable[[Any], object]]] = [
    (lambda: [1, 2], lambda each: each.append(3)),
    (lambda: {"a": [1]}, lambda each: each["a"].append(2)),
    (lambda: {"a": 1}, lambda each: each.update(b=1)),
    (Model, lambda each: each.rows.append(1)),
    (Slotted, lambda each: each.a.append(1)),
    (Slotted, lambda each: setattr(each, "b", None)),
    (Data, lambda each: setattr(each, "when", date(2026, 1, 2))),
    (Data, lambda each: each.names.add("z")),
    (Data, lambda each: each.queue.append(2)),
    (Data, lambda each: setattr(each, "price", Decimal(2))),
    (Data, lambda each: each.inner.rows.append(1)),
    (looped, lambda each: each.me.append(1)),
    (looped, lambda each: each.names.discard("x")),
    (lambda: [True], lambda each: each.__setitem__(0, 1)),
]


@pytest.mark.parametrize("at", range(len(CHANGES)))
def test_what_changes_is_seen_and_what_does_not_is_not(at: int) -> None:
    make, change = CHANGES[at]
    value = make()
    before = picture_of(value)
    assert picture_of(value) == before
    change(value)
    assert picture_of(value) != before
