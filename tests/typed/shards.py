"""What type checkers know of entities in shards: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Self, assert_type

from stead.app import App, Client
from stead.entities import Entity

app = App("shards")


@app.entity(shards=16)
class Clicks(Entity):
    """One that can be merged."""

    count: int = 0

    def hit(self, times: int = 1) -> None:
        assert_type(self.context.shard, int | None)
        self.count += times

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return cls(count=sum(shard.count for shard in shards))


class Plain(Entity):
    """Without a `merge`."""

    count: int = 0


class Counted(Entity):
    """Its `merge` gives something else."""

    count: int = 0

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> int:
        return len(shards)


class Single(Entity):
    """Its `merge` takes something else."""

    @classmethod
    def merge(cls, shards: int) -> Self:
        return cls()


app.entity(shards=16)(Plain)  # type: ignore[type-var]
app.entity(shards=16)(Counted)  # type: ignore[type-var]
app.entity(shards=16)(Single)  # type: ignore[type-var]
app.entity(shards="16")  # type: ignore[call-overload]
app.entity(shards=16, changes=timedelta(days=1))  # type: ignore[call-overload]
app.entity(shards=16, expires_after=timedelta(days=1))  # type: ignore[call-overload]
assert_type(app.entity(name="Other", shards=2)(Clicks), type[Clicks])


async def use(client: Client) -> None:
    assert_type(await client.read_entity(Clicks, "home"), Clicks | None)
    await client.signal_entity(Clicks.hit, "home", 2)
    await client.signal_entity(Clicks.hit, "home", "2")  # type: ignore[call-overload]
