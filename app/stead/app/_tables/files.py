"""Tables into files: Parquet, CSV and JSON lines, a batch at a time."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from stead.transport import InvalidInput

from .columns import JSON, json_bytes
from .libraries import parquet
from .table import Table

Batches = Iterator[Any]


def check_path(path: Path) -> None:
    """Refuse a file that cannot be written. Raises `InvalidInput`."""
    if path.suffix.lower() not in _WRITERS:
        raise InvalidInput(f"file {str(path)!r}", f"its name says how it is written: {', '.join(_WRITERS)}")
    if not path.parent.is_dir():
        raise InvalidInput(f"file {str(path)!r}", f"there is no folder {str(path.parent)!r}")


def write_file(path: Path, table: Table, batches: Batches) -> int:
    """Write a table; gives the number of its rows. The file is there when it is whole, and not before."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        count = _WRITERS[path.suffix.lower()](partial, table, batches)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _parquet(path: Path, table: Table, batches: Batches) -> int:
    count = 0
    with parquet().ParquetWriter(path, table.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _csv(path: Path, table: Table, batches: Batches) -> int:
    """Text as it is, None as nothing, anything else as in JSON."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.schema.names)
        return _each(batches, lambda row: writer.writerow([_cell(value) for value in row]))


def _json_lines(path: Path, table: Table, batches: Batches) -> int:
    names = [json_bytes(name).decode() for name in table.schema.names]
    is_json = [False, *(column.form == JSON for column in table.columns)]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        return _each(batches, lambda row: _line(file, names, is_json, row))


def _line(file: IO[str], names: list[str], is_json: list[bool], row: tuple[Any, ...]) -> None:
    cells = (
        f"{name}: {value if raw and value is not None else json_bytes(value).decode()}"
        for name, raw, value in zip(names, is_json, row, strict=True)
    )
    file.write(f"{{{', '.join(cells)}}}\n")


def _each(batches: Batches, write: Callable[[tuple[Any, ...]], object]) -> int:
    count = 0
    for batch in batches:
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            write(row)
        count += batch.num_rows
    return count


def _cell(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    return json_bytes(value).decode().strip('"')


_WRITERS: dict[str, Callable[[Path, Table, Batches], int]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
}
