"""What the activations of one entity share: its operations by the names in messages, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stead.entities._definition.entity_type import EntityType, Operation
from stead.entities._measures.measures import Measures
from stead.entities._measures.meter import Meter
from stead.entities._measures.noted import WORDS_MAX
from stead.entities._measures.recent import RecentRun
from stead.entities._message.due import Due
from stead.entities._message.envelope import Message
from stead.entities._message.errors import UnknownOperation
from stead.entities._message.shards import MARK, logical_target, shown_target

from .batch import Pace
from .held import held_reports

if TYPE_CHECKING:
    from .cell import Cell

BRIEF_S = 0.001
"""Operations that take less are timed together with those of the same name that ran right before and after them."""
_UNKNOWN = "(unknown)"  # the name of all operations that there are not
_REMEMBERED_MAX = 256  # a function entity accepts any name: do not remember without end


class Known:
    """An entity that this worker can run: what its activations share."""

    __slots__ = ("_measures", "_meters", "_noted", "_paces", "cell_of", "entity_type", "operations", "recent")

    def __init__(
        self, entity_type: EntityType, measures: Measures, cell_of: Callable[[bytes | None, bool], Cell]
    ) -> None:
        """`cell_of` makes the cell of a stored state, eager or not: see `cells_of`."""
        self.entity_type = entity_type
        self.cell_of = cell_of
        self.operations: dict[str, Operation] = {}  # by the name as messages spell it
        self._measures = measures
        self._noted = measures.noted
        self.recent = measures.recent
        self._meters: dict[Operation | None, Meter] = {}
        self._paces: dict[Operation, Pace] = {}  # of batched ones

    def of(self, message: Message) -> Operation:
        """Find the operation of a message. That which ends an entity belongs to what says that it is due only."""
        expire = self.entity_type.expire
        if expire is not None and type(message) is Due:
            return expire
        return self.operation(message.operation)

    def operation(self, name: str) -> Operation:
        """Find an operation by the name in a message, and remember it under that spelling."""
        if name.startswith("!"):  # stead's own, in a message that is none of stead's
            raise UnknownOperation(name, self.entity_type.name)
        operation = self.entity_type.operation(name)
        if len(self.operations) < _REMEMBERED_MAX:
            self.operations[name] = operation
        return operation

    def find(self, name: str) -> Operation | None:
        """The operation of a name; None if there is none."""
        try:
            return self.operations.get(name) or self.operation(name)
        except UnknownOperation:
            return None

    def pace(self, operation: Operation) -> Pace:
        """That of a batched operation."""
        return self._paces.get(operation) or self._paces.setdefault(operation, Pace())

    def meter(self, operation: Operation | None) -> Meter:
        """What the worker measures of an operation."""
        found = self._meters.get(operation)
        if found is None:
            name = _UNKNOWN if operation is None else operation.name
            found = self._measures.meter("operation", self.entity_type.counted_as, name)
            if len(self._meters) < _REMEMBERED_MAX:
                self._meters[operation] = found
        return found

    def ran_before(self, target: str, operation: Operation | None, count: int, since_s: float, ended_s: float) -> None:
        """It has run so often, once after the other, each briefly; if it has. What concerns locks is none."""
        if count and operation is not None:
            noted, meter = self._noted, self._meters.get(operation) or self.meter(operation)
            logical = logical_target(target) if MARK in target else target
            noted += (meter, logical, operation.name, count, ended_s, ended_s - since_s)
            if len(noted) >= WORDS_MAX:
                self._measures.settle()

    def ran_apart(
        self,
        target: str,
        operation: Operation | None,
        name: str,
        ended_s: float,
        seconds: float,
        failure: str = "",
        *,
        count: int = 1,
        refused: int = 0,
    ) -> None:
        """It has run, and is timed by itself: it took long, failed, took many messages at once, or somebody looks at the entity.
        `refused`: of these messages, so many were not carried out. `name`: that of what is no operation."""
        logical = logical_target(target) if MARK in target else target
        if operation is not None:
            name = operation.name
            self.meter(operation).add_run(count, seconds)
            self._measures.note_messages(logical, count)
        if operation is not None or failure:
            self.recent.note_apart(RecentRun(logical, name, count - refused, ended_s, seconds, failure))

    def took(
        self,
        target: str,
        operation: Operation | None,
        message: Message,
        ended_s: float,
        seconds: float,
        failure: str,
        slow_s: float,
    ) -> None:
        """`ran_apart`; it is named, if it took longer than `slow_s`."""
        self.ran_apart(target, operation, message.operation, ended_s, seconds, failure)
        self.name_slow(target, message.operation, ended_s, seconds, slow_s)

    def brief_s(self, target: str) -> float:
        """What takes longer than that is timed by itself: everything of an entity that somebody looks at."""
        return -1.0 if logical_target(target) in self.recent.watched else BRIEF_S

    def name_slow(self, target: str, name: str, at_s: float, seconds: float, slow_s: float) -> None:
        """Name an operation that took longer than that."""
        if seconds > slow_s:
            what = f"operation {name} of {self.entity_type.name}"
            held_reports.report(
                shown_target(target), what, at_s, seconds, "make it `async def`, or move slow work out of it"
            )
