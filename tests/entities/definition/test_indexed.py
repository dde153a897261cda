"""Indexed fields: what they are on the class and on instances, and what is refused when they are defined (HAZARDS 71-75)."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
import warnings
from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, field_validator

from stead.entities import ClassEntityType, Entity, Indexed, InvalidDefinition, InvalidInput, field, indexed
from stead.entities._definition.indexed import indexed_types
from stead.entities._index.conditions import Compare, matches
from stead.entities._index.types import IndexType

V = TypeVar("V")
Points = NewType("Points", int)


class Color(Enum):
    RED = "r"
    BLUE = "b"


class Level(IntEnum):
    LOW = 1


class Player(Entity):
    score: Indexed[int] = indexed(0)
    country: Indexed[str] = indexed("")
    seen: Indexed[datetime | None] = indexed(None)
    color: Indexed[Color] = indexed(Color.RED)
    small: Indexed[Annotated[int, Field(ge=0)]] = indexed(0)
    made: Indexed[date] = indexed(default_factory=lambda: date(2026, 1, 2))
    games: int = 0

    def win(self, points: int) -> int:
        self.score += points
        return self.score


class Sub(Player):
    extra: Indexed[int] = indexed(3)


class Box(Entity, Generic[V]):
    item: Indexed[V | None] = indexed(None)


# What checkers refuse, and reaches run time all the same.
AnyPlayer: Any = Player
any_field: Any = field
any_indexed: Any = indexed


@pytest.mark.hazard(73)
def test_a_field_is_the_same_each_time_and_can_be_kept_in_sets() -> None:
    assert Player.score is Player.score
    assert Player.score is not Sub.score
    assert {Player.score: 1}[Player.score] == 1
    assert repr(Sub.score) == "<field Sub.score>"


@pytest.mark.hazard(74)
def test_only_indexed_fields_are_on_the_class_and_instances_have_values() -> None:
    with pytest.raises(AttributeError):
        _ = AnyPlayer.games
    with pytest.raises(AttributeError):
        _ = AnyPlayer.nothing
    player = Player(score=3)
    assert (player.score, player.country, player.made) == (3, "", date(2026, 1, 2))
    assert pickle.loads(pickle.dumps(player)) == copy.deepcopy(player) == player
    assert player.model_dump()["score"] == 3
    assert typing.get_type_hints(Player)["score"] == Indexed[int]
    assert next(iter(inspect.signature(Player).parameters)) == "score"
    assert Player.model_json_schema()["properties"]["score"] == {"default": 0, "title": "Score", "type": "integer"}
    assert inspect.getmembers(Player)


@pytest.mark.hazard(74)
def test_a_subclass_may_declare_an_indexed_field_anew_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Again(Player):
            score: Indexed[int] = indexed(7)

            @field_validator("score")
            @classmethod
            def check(cls, value: int) -> int:
                return value

    assert Again().score == 7
    assert Again.score is not Player.score


@pytest.mark.hazard(74)
def test_a_class_with_indexed_fields_stays_plain() -> None:
    assert ClassEntityType(type("Plain", (Player,), {"__module__": __name__})).form.plain


@pytest.mark.hazard(71)
@pytest.mark.hazard(72)
def test_what_type_checkers_know_is_tried_by_both_of_them() -> None:
    """`make check` runs both over it; a line there that must fail, and does not, is an error of theirs."""
    tried = Path(__file__).parents[2] / "typed/queries.py"
    wrong = [line for line in tried.read_text().splitlines() if "type: ignore" in line]
    assert len(wrong) >= 15
    assert any("Other.x" in line for line in wrong)
    assert any("seen >= None" in line for line in wrong)
    assert "Player(score=3, games=4, seen=None)" in tried.read_text()


def test_the_type_is_found_through_whatever_wraps_it() -> None:
    class Many(Entity):
        a: Indexed[int | None] = indexed(None)
        b: Indexed[Annotated[str, Field(max_length=3)]] = indexed("")
        c: Indexed[Literal["x", "y"]] = indexed("x")
        d: Indexed[Literal[1, 2] | None] = indexed(None)
        e: Indexed[Color | None] = indexed(None)
        f: Indexed[Level] = indexed(Level.LOW)
        g: Indexed[Points] = indexed(Points(1))
        h: Indexed[UUID] = indexed(UUID(int=0))
        i: Indexed[bool] = indexed(False)
        j: Indexed[float] = indexed(0.0)

    ClassEntityType(Many)
    found = {name: str(kind) for name, kind in indexed_types(Many).items()}
    assert found == {
        "a": "int | None",
        "b": "str",
        "c": "str",
        "d": "int | None",
        "e": "str | None",
        "f": "int",
        "g": "int",
        "h": "UUID",
        "i": "bool",
        "j": "float",
    }
    assert indexed_types(Box[int]) == {"item": IndexType("int", True)}


def test_what_is_compared_is_what_is_stored() -> None:
    assert (Player.color == Color.BLUE).node == Compare("color", "==", ("b",))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert matches((Player.seen >= at).node, {"seen": at})
    assert not matches((Player.seen >= at).node, {"seen": None})
    assert matches((~(Player.seen >= at)).node, {"seen": None})
    assert matches((Player.seen == None).node, {"seen": None})  # noqa: E711
    assert matches(Player.country.startswith("N").node, {"country": "NO"})
    assert matches((Player.score.between(1, 3) & ~(Player.score == 2) | (Player.score == 9)).node, {"score": 3})
    assert not matches(Player.score.one_of().node, {"score": 3})


@pytest.mark.hazard(73)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda: AnyPlayer.score > 3 and AnyPlayer.score < 9,
        lambda: not AnyPlayer.score.between(1, 3),
        lambda: 100 <= AnyPlayer.score <= 300,
        lambda: bool(AnyPlayer.score > 1),
    ],
)
def test_a_condition_is_no_truth_value(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"& \| ~.*between"):
        wrong()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: AnyPlayer.score >= "a", "type str, and not int"),
        (lambda: AnyPlayer.score == True, "type bool, and not int"),  # noqa: E712
        (lambda: AnyPlayer.score == None, "never None"),  # noqa: E711
        (lambda: AnyPlayer.seen >= None, "neither before nor after"),
        (lambda: AnyPlayer.seen.between(None, None), "neither before nor after"),
        (lambda: AnyPlayer.seen >= datetime(2026, 1, 1), "without a zone"),
        (lambda: AnyPlayer.score > 2**53 + 1, r"2\*\*53"),
        (lambda: AnyPlayer.score.startswith("a"), "only text"),
        (lambda: AnyPlayer.score.one_of(*range(1001)), "1000 may be"),
        (lambda: (AnyPlayer.score == 1) & True, "conditions with conditions"),
        (lambda: any_field("score") >= None, "neither before nor after"),
        (lambda: any_field("a b"), "name of an indexed field"),
        (any_indexed, "give a default"),
        (lambda: any_indexed(1, default_factory=int), "give a default"),
    ],
)
def test_values_that_do_not_fit_are_refused_where_they_are_written(wrong: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as raised:
        wrong()
    assert isinstance(raised.value, ValueError)


def _refused(name: str, annotation: Any, default: Any, base: type = Entity) -> None:
    cls: Any = type(name, (base,), {"__annotations__": {"a": annotation}, "a": default, "__module__": __name__})
    ClassEntityType(cls)


class Nested(BaseModel):
    inside: Indexed[int] = any_indexed(0)


@pytest.mark.hazard(75)
@pytest.mark.parametrize(
    ("annotation", "default", "said"),
    [
        (Indexed[list[int]], indexed(default_factory=list[int]), "cannot be indexed; what can be: int"),
        (Indexed[int | str], indexed(0), "cannot be indexed"),
        (Indexed[bytes], indexed(b""), "cannot be indexed"),
        (Indexed[Any], indexed(0), "cannot be indexed"),
        (Indexed[None], indexed(None), "cannot be indexed"),
        (Indexed[Literal[1, "a"]], indexed(1), "cannot be indexed"),
        (list[Indexed[int]], Field(default_factory=list), "whole annotation"),
        (Indexed[int] | None, None, "whole annotation"),
        (Indexed, 0, "whole annotation|say of what"),
        (Nested, Nested(), "whole annotation"),
        (Annotated[Indexed[int], Field(ge=0)], 0, "inside the brackets"),
        (int, indexed(0), "annotate it so"),
    ],
)
def test_what_would_index_nothing_is_refused(annotation: Any, default: Any, said: str) -> None:
    with pytest.raises(InvalidDefinition, match=said):
        _refused("Wrong", annotation, default)


@pytest.mark.hazard(75)
def test_an_argument_is_not_indexed() -> None:
    class Wrong(Entity):
        def put(self, value: Indexed[int]) -> None: ...

    with pytest.raises(InvalidDefinition, match="whole annotation"):
        ClassEntityType(Wrong)


@pytest.mark.hazard(74)
def test_a_subclass_does_not_lose_the_index() -> None:
    with pytest.raises(InvalidDefinition, match="Player has an index of it"):
        type("Lost", (Player,), {"__annotations__": {"score": int}, "score": 0, "__module__": __name__})
        ClassEntityType(
            type("Lost", (Player,), {"__annotations__": {"score": int}, "score": 0, "__module__": __name__})
        )


def test_an_entity_as_a_value_is_allowed_and_not_indexed_there() -> None:
    class Team(Entity):
        best: Player | None = None

    assert indexed_types(Team) == {}
    ClassEntityType(Team)
