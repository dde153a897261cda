"""Answers of SQL for those who are not in this process: rows as plain data, and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from stead.transport import InvalidInput

from .columns import json_bytes
from .libraries import parquet


def has_sql() -> bool:
    """Whether SQL can be asked here: the extra is installed."""
    return find_spec("duckdb") is not None and find_spec("pyarrow") is not None


def check_form(form: str) -> None:
    """Raises `InvalidInput`."""
    if form not in _FORMS:
        raise InvalidInput(f"format {form!r}", f"it is one of {', '.join(_FORMS)}")


def answered(table: Any, form: str) -> bytes:
    """A table of Arrow in one of the forms."""
    return _FORMS[form](table)


def _json(table: Any) -> bytes:
    """Columns with their types, and rows as lists."""
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    rows = [[_plain(cell) for cell in row] for row in _rows(table)]
    return json_bytes({"columns": columns, "rows": rows})


def _json_lines(table: Any) -> bytes:
    names = list(table.schema.names)
    lines = (json_bytes(dict(zip(names, map(_plain, row), strict=True))) for row in _rows(table))
    return b"".join(line + b"\n" for line in lines)


def _csv(table: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.schema.names)
    for row in _rows(table):
        writer.writerow([_cell(_plain(value)) for value in row])
    return text.getvalue().encode()


def _parquet(table: Any) -> bytes:
    file = io.BytesIO()
    parquet().write_table(table, file)
    return file.getvalue()


def _rows(table: Any) -> Any:
    for batch in table.to_batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _plain(value: Any) -> Any:
    """An integer of SQL's sums is a decimal in Arrow."""
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _cell(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    return json_bytes(value).decode().strip('"')


_FORMS: Mapping[str, Callable[[Any], bytes]] = {
    "json": _json,
    "jsonl": _json_lines,
    "csv": _csv,
    "parquet": _parquet,
}
