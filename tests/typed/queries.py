"""What type checkers know of indexed fields and conditions: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Generic, TypeVar, assert_type

from pydantic import Field

from stead.entities import Entity, Indexed, indexed
from stead.entities._index.conditions import Condition, OptionalQueryField, QueryField

E = TypeVar("E", bound=Entity)


class Color(Enum):
    RED = "r"


class Player(Entity):
    score: Indexed[int] = indexed(0)
    country: Indexed[str] = indexed("")
    seen: Indexed[datetime | None] = indexed(None)
    color: Indexed[Color] = indexed(Color.RED)
    small: Indexed[Annotated[int, Field(ge=0)]] = indexed(0)
    made: Indexed[datetime] = indexed(default_factory=lambda: datetime.now(UTC))
    nick: Indexed[str | None] = indexed(None)
    ratio: Indexed[float] = indexed(0)
    games: int = 0

    def win(self, points: int) -> int:
        self.score += points
        assert_type(self.score, int)
        assert_type(self.seen, datetime | None)
        return self.score


class Sub(Player):
    extra: Indexed[int] = indexed(3)


class Other(Entity):
    x: Indexed[int] = indexed(1)


class Bad(Entity):
    a: Indexed[int] = indexed("x")  # type: ignore[arg-type]
    b: Indexed[int] = 0  # type: ignore[assignment]
    c: Indexed[int] = indexed(default_factory=str)  # type: ignore[arg-type]


class Query(Generic[E]):
    """As far as it takes conditions."""

    def __init__(self, kind: type[E]) -> None: ...

    def where(self, *conditions: Condition[E]) -> None: ...


def right() -> None:
    assert_type(Player.score, QueryField[Player, int])
    assert_type(Player.seen, OptionalQueryField[Player, datetime])
    assert_type(Player(score=3, games=4, seen=None).score, int)
    now = datetime.now(UTC)
    Query(Player).where(Player.score >= 100, Player.country == "NO", Player.score >= 100, Player.country == "NO")
    Query(Player).where(Player.seen == None, Player.seen != now, Player.seen >= now, Player.seen.between(now, now))  # noqa: E711
    Query(Player).where(Player.nick.startswith("a"), Player.country.startswith("b"), Player.nick.one_of("a", None))
    Query(Player).where(Player.ratio >= 3, Player.color == Color.RED, Player.color.one_of(Color.RED))
    Query(Player).where(~(Player.score == 3) | (Player.small > 2) & (Player.made < now))
    Query(Sub).where(Sub.score > 3, Sub.extra == 3, Player.score > 3)
    Query(Sub).where((Player.score > 3) & (Sub.extra == 3), (Sub.extra == 3) | (Player.score > 3))


def wrong() -> None:
    Query(Player).where(Player.score >= "a")  # type: ignore[operator]
    Query(Player).where(Player.score == "a")  # type: ignore[arg-type]
    Query(Player).where(Player.score.startswith("a"))  # type: ignore[misc]
    Query(Player).where(Player.games >= 3)  # type: ignore[arg-type]
    Query(Player).where(Player.seen >= None)  # type: ignore[operator]
    Query(Player).where(Player.score.between(1, "a"))  # type: ignore[arg-type]
    Query(Player).where(Other.x == 3)  # type: ignore[arg-type]
    Query(Player).where(Sub.extra == 3)  # type: ignore[arg-type]
    Query(Player).where(not Player.score.between(1, 3))  # type: ignore[arg-type]
    Player(score="a")  # type: ignore[arg-type]
    Player(scor=3)  # type: ignore[call-arg]
    player = Player()
    assert player.score >= "x"  # type: ignore[operator]
    player.score = "x"  # type: ignore[assignment]
