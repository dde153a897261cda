"""What type checkers know of indexed fields and conditions: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Generic, TypeVar, assert_type

from pydantic import Field

from stead.app import Client, SyncClient
from stead.entities import Entity, EntityId, Indexed, field, indexed
from stead.entities._index.conditions import OptionalQueryField, QueryField

V = TypeVar("V")


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

    def op(self, number: int) -> None: ...


class Box(Entity, Generic[V]):
    item: Indexed[V | None] = indexed(None)


class IntBox(Box[int]): ...


class Bad(Entity):
    a: Indexed[int] = indexed("x")  # type: ignore[arg-type]
    b: Indexed[int] = 0  # type: ignore[assignment]
    c: Indexed[int] = indexed(default_factory=str)  # type: ignore[arg-type]


async def right(client: Client, without_await: SyncClient) -> None:
    assert_type(Player.score, QueryField[Player, int])
    assert_type(Player.seen, OptionalQueryField[Player, datetime])
    assert_type(Player(score=3, games=4, seen=None).score, int)
    now = datetime.now(UTC)
    client.query(Player).where(Player.score >= 100, Player.country == "NO", Player.score >= 100, Player.country == "NO")
    client.query(Player).where(
        Player.seen == None,  # noqa: E711
        Player.seen != now,
        Player.seen >= now,
        Player.seen.between(now, now),
    )
    client.query(Player).where(
        Player.nick.startswith("a"), Player.country.startswith("b"), Player.nick.one_of("a", None)
    )
    client.query(Player).where(Player.ratio >= 3, Player.color == Color.RED, Player.color.one_of(Color.RED))
    client.query(Player).where(~(Player.score == 3) | (Player.small > 2) & (Player.made < now))
    client.query(Sub).where(Sub.score > 3, Sub.extra == 3, Player.score > 3)
    client.query(Player).where(Player.score >= 100, Player.country == "NO", Player.score.between(low=1, high=3))
    query = client.query(Player).order_by(Player.score, descending=True).limit(3)
    async for entity_id, player in query:
        assert_type(entity_id, EntityId)
        assert_type(player, Player)
        assert_type(player.score, int)
    assert_type(await query.count(), int)
    assert_type((await query.page(50, continuation=None)).items, Sequence[tuple[EntityId, Player]])
    assert_type((await query.page(50)).continuation, str | None)
    assert_type(await client.query(Player).rank(Player.score, "ada", descending=True), int | None)
    assert_type(await query.signal(Player.win, 5), int)
    assert_type(await query.signal_once("bonus", Player.win, points=5), int)
    assert_type(await query.with_options(progress=print).signal(Player.win, 5), int)
    await client.query(Sub).signal(Player.win, 5)
    await client.query("Player").where(field("score") >= 100).order_by(field("score")).signal("win", 5)
    client.query(IntBox).where(field("item") == 3)  # mypy finds the attribute of a generic class ambiguous
    for _, found in without_await.query(Player).where(Player.score >= 100):
        assert_type(found, Player)
    assert_type(without_await.query(Player).count(), int)
    score = Player.score  # by itself: mypy refuses a base's field that is named within `order_by` of a subclass
    client.query(Sub).where(Player.score > 3).order_by(score)
    client.query(Sub).where((Player.score > 3) & (Sub.extra == 3), (Sub.extra == 3) | (Player.score > 3))


async def wrong(client: Client, without_await: SyncClient) -> None:
    client.query(Player).where(Player.score >= "a")  # type: ignore[operator]
    client.query(Player).where(Player.score == "a")  # type: ignore[arg-type]
    client.query(Player).where(Player.score.startswith("a"))  # type: ignore[misc]
    client.query(Player).where(Player.games >= 3)  # type: ignore[arg-type]
    client.query(Player).where(Player.seen >= None)  # type: ignore[operator]
    client.query(Player).where(Player.score.between(1, "a"))  # type: ignore[arg-type]
    client.query(Player).where(Other.x == 3)  # type: ignore[arg-type]
    client.query(Player).where(Sub.extra == 3)  # type: ignore[arg-type]
    client.query(Player).where(not Player.score.between(1, 3))  # type: ignore[arg-type]
    client.query(Player).where((Player.score == "a") & (Player.score == 3))  # type: ignore[operator]
    client.query(Player).order_by(Player.games)  # type: ignore[arg-type]
    client.query(Player).order_by(Other.x)  # type: ignore[arg-type]
    client.query(Player).order_by(Sub.extra)  # pyright: ignore[reportArgumentType]  # mypy sees a Player's field
    await client.query(Player).rank(Other.x, "ada")  # type: ignore[arg-type]
    await client.query(Player).signal(Player.win, "a")  # type: ignore[call-overload]
    await client.query(Player).signal(Player.win)  # type: ignore[call-overload]
    await client.query(Player).signal(Other.op, 3)  # type: ignore[call-overload]
    await client.query(Player).signal_once(Player.win, 5)  # type: ignore[call-overload]
    without_await.query(Player).where(Other.x == 3)  # type: ignore[arg-type]
    without_await.query(Player).signal(Player.win, "a")  # type: ignore[call-overload]
    Player(score="a")  # type: ignore[arg-type]
    Player(scor=3)  # type: ignore[call-arg]
    player = Player()
    assert player.score >= "x"  # type: ignore[operator]
    player.score = "x"  # type: ignore[assignment]
