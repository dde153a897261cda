"""An app with an entity in shards. Workers are processes of it, and of `newer`, its next version, which has more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from stead.app import App, Settings
from stead.entities import Entity

app = App("sharded", settings=Settings(partitions=8, slot_groups=2))
newer = App("sharded", settings=app.settings)


@newer.entity(shards=8)
@app.entity(shards=4)
class Clicks(Entity):
    """Counts, and says which shards did."""

    count: int = 0
    disorder: int = 0
    last: dict[str, int] = {}
    shards: list[int] = []

    def hit(self, sender: str, number: int) -> None:
        """Of one sender the numbers grow."""
        self.count += 1
        self.disorder += number <= self.last.get(sender, -1)
        self.last[sender] = number
        self.shards = [self.context.shard or 0]

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return cls(
            count=sum(each.count for each in shards),
            disorder=sum(each.disorder for each in shards),
            shards=[shard for each in shards for shard in each.shards],
        )
