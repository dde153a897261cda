"""The next version of the counting app, in which an entity's state does not fit any more, and `migrate` ends the process."""

from __future__ import annotations

import os
from typing import Any

from counting_app import Tally  # type: ignore[import-not-found]  # it is started in this folder
from counting_app import app as before

from stead.app import App
from stead.entities import Entity

app = App("counting", settings=before.settings)
app.entity(Tally)


@app.entity
class Heirloom(Entity):
    """Has its values by name now."""

    kept: dict[str, int] = {}

    @classmethod
    def migrate(cls, old: dict[str, Any]) -> dict[str, Any]:
        os._exit(3)

    def keep(self, what: str) -> None:
        self.kept[what] = 1
