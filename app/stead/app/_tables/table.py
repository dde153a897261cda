"""One kind of entities as a table: what it is called, its columns, and batches of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from stead.entities import ClassEntityType, EntityType
from stead.entities.extending import ConditionNode, decode_record, raise_if_keyless
from stead.transport import UNREADABLE, LeftOut, SteadError, unpack

from .columns import KEY, LOOSE, Column, Unfit, array_of, columns_of, type_of
from .libraries import arrow

Rows: TypeAlias = Sequence[tuple[str, bytes]]
"""Targets with their records, as the store lists them."""

BATCH_ROWS = 8_192
BATCH_BYTES = 8_388_608


class Loosened(Exception):
    """A column has become a loose one: what was read so far has it in another form."""


class Table:
    """A kind of entities, to be read as a table."""

    def __init__(self, name: str, canonical: str, kind: EntityType | None) -> None:
        """`name`: as it was defined; `kind`: None if this program does not define it."""
        self.name = name
        self.prefix = f"@{canonical}@"
        self.columns: list[Column] = columns_of(kind)
        self.indexed = _indexed_by(kind)
        self.narrow: ConditionNode | None = None
        """What its rows have to match, if not all are read."""
        self._plain = _reader_of(kind)

    @property
    def schema(self) -> Any:
        """The schema of Arrow."""
        pa = arrow()
        return pa.schema([(KEY, pa.string()), *((column.name, type_of(column.form)) for column in self.columns)])

    @property
    def loose(self) -> list[str]:
        """The columns that are loose."""
        return [column.name for column in self.columns if column.form == LOOSE]

    def batches(self, pages: Iterable[Rows], left_out: LeftOut) -> Iterator[Any]:
        """The rows in batches. Raises `Loosened`: then the table has another schema, and is to be read anew."""
        keys: list[str] = []
        states: list[Any] = []
        size = 0
        for page in pages:
            for key, state, length in self._read(page, left_out):
                keys.append(key)
                states.append(state)
                size += length
                if len(keys) >= BATCH_ROWS or size >= BATCH_BYTES:
                    yield self._batch(keys, states)
                    keys, states, size = [], [], 0
        if keys:
            yield self._batch(keys, states)

    def _read(self, page: Rows, left_out: LeftOut) -> Iterator[tuple[str, Any, int]]:
        """The states of those that exist; what cannot be read is left out, and the log names it."""
        for target, record in page:
            try:
                packed = decode_record(record).packed_state
                state = None if packed is None else self._plain(packed)
            except (*UNREADABLE, SteadError) as error:
                raise_if_keyless(error, target)
                left_out.note("entities", target, error)
                continue
            left_out.readable("entities", target)
            if packed is not None:
                yield target[len(self.prefix) :], state, len(packed)

    def _batch(self, keys: list[str], states: list[Any]) -> Any:
        pa = arrow()
        arrays = [pa.array(keys, pa.string())]
        for place, column in enumerate(self.columns):
            field = column.field
            cells = states if field is None else [state.get(field) for state in states]
            try:
                arrays.append(array_of(column.form, cells))
            except Unfit:
                self.columns[place] = replace(column, form=LOOSE)
                raise Loosened from None
        return pa.record_batch(arrays, schema=self.schema)


def _indexed_by(kind: EntityType | None) -> dict[str, str]:
    """The types of the fields whose indexes say what the table says: not of a class whose stored states may have to be migrated."""
    if not isinstance(kind, ClassEntityType) or getattr(kind.entity_class, "migrate", None) is not None:
        return {}
    return {index.field: index.code for index in kind.indexes}


def _reader_of(kind: EntityType | None) -> Callable[[bytes], Any]:
    """What makes plain data of a stored state, as the class stores it now: a migrated one with all of its fields."""
    if isinstance(kind, ClassEntityType):
        return lambda packed: unpack(kind.open(packed)[1])
    return unpack
