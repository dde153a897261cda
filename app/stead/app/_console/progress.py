"""A bar for what takes its time, at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol


class Tell(Protocol):
    """Tells how much has been done, and of how much, if that is known by now."""

    def __call__(self, count: int, total: int | None = None, /) -> None: ...


@contextmanager
def progress_bar(what: str, most: int | None) -> Generator[Tell | None]:
    """A bar at a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=most)

        def tell(count: int, total: int | None = None, /) -> None:
            of = most if total is None else total
            bar.update(
                task, completed=count if of is None else min(count, of), total=of, description=f"{count:,} {what}"
            )

        yield tell
