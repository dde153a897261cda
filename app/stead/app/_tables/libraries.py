"""What is needed for tables, and is installed by the extra `stead[sql]`."""

from __future__ import annotations

from typing import Any, TypeAlias

from stead.transport import SteadError

ArrowTable: TypeAlias = Any
"""A `pyarrow.Table`: the library has no types."""


class SqlMissing(SteadError, ImportError):
    """DuckDB or Apache Arrow is not installed."""

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self.library = library

    def __str__(self) -> str:
        return f"{self.library} is needed for tables and SQL, and is not installed here: pip install 'stead[sql]'"


def arrow() -> Any:
    """Apache Arrow. Raises `SqlMissing`."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise SqlMissing("pyarrow") from error
    return pa


def parquet() -> Any:
    """Its part for Parquet files. Raises `SqlMissing`."""
    arrow()
    import pyarrow.parquet

    return pyarrow.parquet


def duckdb() -> Any:
    """DuckDB. Raises `SqlMissing`."""
    try:
        import duckdb
    except ImportError as error:
        raise SqlMissing("duckdb") from error
    return duckdb
