"""Arguments and results: checked by their annotations, named when wrong, plain data on the wire."""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, computed_field

from stead.entities import ClassEntityType, Entity, InvalidInput
from stead.entities._message.errors import ArgumentRefused
from stead.transport import pack, unpack


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Size:
    width: int = 1


class Part(BaseModel):
    label: str = Field(alias="Label", default="l")
    colour: Colour = Colour.RED
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    sizes: list[Size] = []

    @computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        return len(self.label)


class Shop(Entity):
    """One of each kind of parameter."""

    seen: list[str] = []

    def nothing(self) -> None: ...

    def one(self, amount: int) -> int:
        return amount

    def plain(self, amount, other=2):  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
        return 1

    def several(self, a: int, b: float = 1.5, *rest: str, flag: bool, note: str | None = None) -> None: ...

    def anything(self, *args: Any, **kwargs: int) -> None: ...

    def only(self, a: int, /, b: int = 2) -> None: ...

    def part(self, part: Part, more: dict[str, Part] | None = None) -> Part:
        return part

    def limited(self, level: Annotated[int, Field(ge=0, le=9)]) -> Decimal:
        return Decimal(level)


SHOP = ClassEntityType(Shop)


def bind(name: str, *args: Any, **kwargs: Any) -> Any:
    return SHOP.operation(name).bind(args, kwargs or None)


def encode(name: str, *args: Any, **kwargs: Any) -> Any:
    return SHOP.operation(name).encode(args, kwargs or None)


def test_arguments_are_converted() -> None:
    assert bind("nothing") == ([], {})
    assert bind("one", "5") == ([5], {})
    assert bind("one", amount=5.0) == ([], {"amount": 5})
    assert bind("plain", object, other=1) == ([object], {"other": 1})
    assert bind("several", 1, "2.5", "x", "y", flag="yes") == ([1, 2.5, "x", "y"], {"flag": True})
    assert bind("anything", 1, None, a="1") == ([1, None], {"a": 1})
    assert bind("only", 1) == ([1], {})


def test_arguments_by_name_become_positional_on_the_wire() -> None:
    assert encode("one", amount="5") == ([5], None)
    assert encode("several", flag=False, a=1) == ([1], {"flag": False})
    assert encode("several", flag=False, b=2, a=1) == ([1, 2.0], {"flag": False})
    assert encode("plain", 1) == ([1], None), "a default is the entity's affair"


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "message"),
    [
        ("nothing", [1], {}, r"Shop.nothing: it takes 0 arguments, and got more"),
        ("nothing", [], {"a": 1}, r"argument 'a' of Shop.nothing: there is no such argument"),
        ("one", [], {}, r"argument 'amount' of Shop.one: it is missing"),
        ("one", [1, 2], {}, r"it takes 1 argument, and got more"),
        ("one", ["x"], {}, r"argument 'amount' of Shop.one: .*valid integer.* \(it is 'x'\)"),
        ("one", [1.5], {}, r"argument 'amount'"),
        ("one", [1], {"amount": 1}, r"it is given twice"),
        ("several", [1], {}, r"argument 'flag' of Shop.several: it is missing"),
        ("several", [1, 2, 3], {"flag": True}, r"argument '3' of Shop.several"),
        ("several", [1], {"flag": "perhaps"}, r"argument 'flag'"),
        ("only", [], {"a": 1}, r"argument 'a' of Shop.only: there is no such argument"),
        ("anything", [], {"x": "y"}, r"argument 'x'"),
        ("part", [{"Label": 1}], {}, r"argument 'part' of Shop.part: (label|Label): "),
        ("limited", [10], {}, r"argument 'level' of Shop.limited: .*less than or equal to 9"),
    ],
)
def test_a_wrong_argument_is_named(name: str, args: list[Any], kwargs: dict[str, Any], message: str) -> None:
    operation = SHOP.operation(name)
    for refuse in (operation.bind, operation.encode):
        with pytest.raises(InvalidInput, match=message) as caught:
            refuse(args, kwargs)
        assert type(caught.value) is InvalidInput, "it is the mistake of who sends"
    with pytest.raises(ArgumentRefused, match=message):  # the caller is told so as itself
        operation.run(Shop(), args, kwargs)


def test_models_travel_as_plain_data() -> None:
    part = Part(Label="x", sizes=[Size(3)])
    args, kwargs = encode("part", part, {"a": part})
    assert kwargs is None
    travelled = unpack(pack(args))
    assert travelled[0] == {"label": "x", "colour": "red", "at": part.at, "sizes": [{"width": 3}]}
    assert bind("part", *travelled) == ([part, {"a": part}], {})
    assert bind("part", {"Label": "x"}) == ([Part(Label="x")], {}), "plain data from elsewhere has the aliases"


def test_results_travel_as_plain_data() -> None:
    operation = SHOP.operation("part")
    part = Part(Label="x")
    assert operation.decode_result(unpack(pack(operation.encode_result(part)))) == part
    assert SHOP.operation("one").decode_result("5") == 5
    assert SHOP.operation("nothing").decode_result(None) is None
    assert SHOP.operation("plain").decode_result([1]) == [1]
    limited = SHOP.operation("limited")
    assert limited.decode_result(unpack(pack(limited.encode_result(Decimal("1.50"))))) == Decimal("1.50")


def test_a_result_that_is_not_what_was_promised_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"the result of Shop\.part"):
        SHOP.operation("part").encode_result(object())
    with pytest.raises(InvalidInput, match=r"the result of Shop\.one"):
        SHOP.operation("one").decode_result("x")


def test_running_converts_too() -> None:
    assert SHOP.operation("one").run(Shop(), ["5"], None) == 5
    assert SHOP.operation("one").run(Shop(), [], {"amount": "5"}) == 5
    assert SHOP.operation("nothing").run(Shop(), [], {}) is None
    assert SHOP.operation("part").run(Shop(), [{"Label": "x"}], None) == Part(Label="x")
