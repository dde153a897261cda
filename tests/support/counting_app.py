"""An app whose entities tell whether each message was applied exactly once and in order. Workers are processes of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from stead.app import App, Settings
from stead.entities import Entity

DEADLY = "what-a-library-cannot-bear"
"""A key that ends whoever decodes it, in workers of `decoding_app`."""

app = App("counting", settings=Settings(partitions=8, slot_groups=2))


@app.entity
class Tally(Entity):
    """Counts numbered messages."""

    count: int = 0
    disorder: int = 0

    def record(self, number: int) -> None:
        """The message with this number, the first being 0."""
        if number != self.count:
            self.disorder += 1
        self.count += 1


@app.entity
class Hazard(Entity):
    """Does what no operation should."""

    survived: int = 0

    def die(self, deaths: str) -> None:
        """Ends the worker's process at once, and leaves a trace of each time in a file."""
        with Path(deaths).open("a") as file:
            file.write(f"{os.getpid()}\n")
        os._exit(3)

    def stick(self, trace: str) -> None:
        """Holds the worker for ever the first time, and succeeds when it runs again."""
        try:
            Path(trace).touch(exist_ok=False)
        except FileExistsError:
            self.survived += 1
            return
        time.sleep(3_600)

    def survive(self) -> None:
        self.survived += 1


@app.entity
class Heirloom(Entity):
    """Keeps what it was given; its next version, in workers of `loading_app`, cannot."""

    kept: list[str] = []

    def keep(self, what: str) -> None:
        self.kept.append(what)
