"""An app whose entities can be queried, for workers that are processes of it."""

from __future__ import annotations

from stead.app import App, Settings
from stead.entities import Entity, Indexed, indexed

app = App("ranked", settings=Settings(partitions=8, slot_groups=2))


@app.entity
class Ranked(Entity):
    """Stands somewhere, and is moved about. Those of `group` 0 are never touched again."""

    place: Indexed[int] = indexed(0)
    group: Indexed[str] = indexed("")
    moves: int = 0

    def put(self, place: int, group: str) -> None:
        """Stand there."""
        self.place, self.group = place, group
        self.moves += 1
