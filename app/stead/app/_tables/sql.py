"""SQL over the tables of a hub, by DuckDB. A query reads the tables that it names, and nothing else.

1. It opens no file and no connection, loads nothing, and changes no setting; it is one SELECT. Functions that take addresses of
   memory, or another query as a text, are refused: the first could end the process, the second hide them.
2. A table that a query names twice is read twice, each time at its own moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from stead.transport import InvalidInput

from .libraries import arrow, duckdb
from .narrowing import narrowed
from .reading import TableReading
from .table import Table

_WHAT = "the query"
_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row"})
"""Functions that a query may have in place of a table."""


class Database:
    """A database of one query, with a view for each table."""

    def __init__(self, tables: Sequence[Table], reading: TableReading, memory_bytes: int) -> None:
        self._duckdb = duckdb()
        self._tables = tables
        self._reading = reading
        self._memory_bytes = memory_bytes
        self._connection: Any = None

    def interrupt(self) -> None:
        """End what runs, if anything does."""
        connection = self._connection
        if connection is not None:
            connection.interrupt()

    def run(self, query: str, rows: int | None = None) -> Any:
        """The answer, or its first `rows`, as a table of Arrow. Raises `InvalidInput`, and `Loosened` if it is to be run again."""
        with self._opened() as connection:
            try:
                self._narrow(_check(query, connection))
                answer = connection.sql(query)
                return (answer if rows is None else answer.limit(rows)).to_arrow_table()
            except self._duckdb.Error as error:
                if self._reading.error is not None:
                    raise self._reading.error from None
                raise InvalidInput(_WHAT, f"{_one_line(str(error))}{self._note()}") from None
            finally:
                self._connection = None

    def _narrow(self, tree: Any) -> None:
        """Let a table be read only as far as the query asks for, where that is plain."""
        found = narrowed(tree, self._tables)
        for table in self._tables:
            table.narrow = found[1] if found is not None and found[0] is table else None

    def _opened(self) -> Any:
        connection = self._duckdb.connect(
            ":memory:",
            config={
                "enable_external_access": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",  # a query sees no variables of this program
                "temp_directory": "",
                "memory_limit": f"{self._memory_bytes}B",
            },
        )
        self._connection = connection
        for table in self._tables:
            connection.register(table.name, _Scanned(table, self._reading))
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        connection.execute("SET lock_configuration = true").fetchall()
        return connection

    def _note(self) -> str:
        loose = [f"{table.name}.{name}" for table in self._tables for name in table.loose]
        if not loose:
            return ""
        return f" ({', '.join(loose)}: text, as it has values that its type has no place for in SQL; cast it)"


class _Scanned:
    """A table as DuckDB wants it: it is read anew each time that it is asked for."""

    def __init__(self, table: Table, reading: TableReading) -> None:
        self._table = table
        self._reading = reading

    def __arrow_c_schema__(self) -> Any:
        return self._table.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        batches = self._reading.batches(self._table)
        return arrow().RecordBatchReader.from_batches(self._table.schema, batches).__arrow_c_stream__(requested_schema)


def _check(query: str, connection: Any) -> Any:
    """Refuse what is not one query that reads. Raises `InvalidInput`; gives how DuckDB understands it."""
    [(text,)] = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    try:
        tree = json.loads(text)
    except RecursionError:
        raise InvalidInput(_WHAT, "it is nested too deep") from None
    if tree["error"]:
        refused = tree["error_type"] == "not implemented"
        raise InvalidInput(_WHAT, "write one SELECT: nothing else is run" if refused else str(tree["error_message"]))
    if len(tree["statements"]) != 1:
        raise InvalidInput(_WHAT, f"write one SELECT, and not {len(tree['statements'])}")
    for name in _table_functions(tree):
        if name not in _FUNCTIONS:
            raise InvalidInput(_WHAT, f"{name}(…) is no table of this hub; functions: {', '.join(sorted(_FUNCTIONS))}")
    return tree


def _table_functions(tree: Any) -> Iterator[str]:
    """The names of functions that stand where tables do."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            found = cast("dict[str, Any]", node)
            if found.get("type") == "TABLE_FUNCTION":
                yield str(found["function"]["function_name"]).lower()
            left.extend(found.values())
        elif isinstance(node, list):
            left.extend(node)  # pyright: ignore[reportUnknownArgumentType]  # mypy knows it


def _one_line(text: str) -> str:
    """What DuckDB says, without the picture of where."""
    return " ".join(text.partition("\n\nLINE ")[0].split())
