"""What a turn needs of an activation's state, whatever form the entity has, and which cell is for which form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from stead.entities._definition.entity_type import ClassEntityType, EntityType, FunctionEntityType
from stead.transport import PayloadLimit

from .aggregate_cell import AggregateCell
from .class_cell import ClassCell
from .function_cell import FunctionCell
from .turn import Turn

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._message.envelope import Message


class Cell(Protocol):
    """The state of one activation."""

    @property
    def exists(self) -> bool:
        """There is a settled state; the state of an entity that does not exist is the fresh one."""
        ...

    changed: bool  # what is settled differs from what `record` gave last, or was loaded

    def invoke(self, turn: Turn, operation: Operation, message: Message) -> Any:
        """Run an operation in a turn: gives its result, or for an asynchronous one something to await."""
        ...

    def detach(self) -> None:
        """An asynchronous operation comes next: give it a state that nothing which was left running can change."""
        ...

    def leave(self, turn: Turn) -> None:
        """An asynchronous operation has ended, and its turn is of no use any more: another one takes its place."""
        ...

    def disturbed(self) -> bool:
        """Something else may have run since the last operation. Whether it may have changed the state: see `resume`."""
        ...

    def resume(self) -> bool:
        """Look closely. False: something has changed the state since the last operation, and that was undone."""
        ...

    def hold(self) -> None:
        """The operation succeeded, and is settled later: nothing that it left running can change what it left. Raises like
        `settle`."""
        ...

    def delete_state(self) -> None:
        """The operation that runs deletes the state, or what is settled next does: it is fresh from now on."""
        ...

    def settle(self) -> None:
        """The operation succeeded: keep what it left. Raises if that is not allowed; then roll back."""
        ...

    def rollback(self) -> None:
        """The operation failed: back to the last settled state."""
        ...

    def packed(self) -> bytes | None:
        """The settled state; None if the entity does not exist."""
        ...

    def record(self) -> bytes | None:
        """The settled state, for a commit: what comes after counts as changed."""
        ...

    @property
    def size_bytes(self) -> int:
        """The size of the settled state, of a large one when it was last packed."""
        ...


def cells_of(entity_type: EntityType, limit: PayloadLimit) -> Callable[[bytes | None, bool], Cell]:
    """What makes the cells of an entity, of a stored state or (None) of a fresh one, eager or not. It raises `InvalidState` if the state is
    not valid any more.

    An eager cell packs its state after every operation, however large it is: what cannot be packed is then the failure of
    the operation that made it so.
    """
    if isinstance(entity_type, ClassEntityType):
        form, kind = entity_type.form, AggregateCell if entity_type.form.aggregates else ClassCell

        def of_class(packed: bytes | None, eager: bool) -> Cell:
            return kind(form, None if packed is None else entity_type.open(packed), eager, limit)

        return of_class
    assert isinstance(entity_type, FunctionEntityType), "an entity has one of the two forms"

    def of_function(packed: bytes | None, eager: bool) -> Cell:
        if packed is not None:
            entity_type.read(packed)
        return FunctionCell(packed, limit)

    return of_function
