"""The state of a function entity: whatever its function sets, taken as bytes at once and given as a copy."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from stead.entities._definition.context import RunningTurn
from stead.entities._definition.schema import describe_errors
from stead.entities._definition.values import check_models
from stead.entities._message.errors import ArgumentRefused, InvalidState, UnknownOperation
from stead.entities._message.ids import EntityId
from stead.transport import InvalidInput, PayloadLimit, pack_exact, unpack

from .turn import Turn

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._message.envelope import Message


@lru_cache(maxsize=1024)
def _cached_adapter(form: Any) -> TypeAdapter[Any]:
    return _adapter(form)


def _adapter(form: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(form)
    except PydanticUserError as error:
        raise InvalidInput(f"type {form!r}", f"values cannot be checked by it: {error}") from error


def adapter_of(form: Any) -> TypeAdapter[Any]:
    """How to validate values as a type given as a value. Raises `InvalidInput` for what is no type."""
    try:
        return _cached_adapter(form)
    except TypeError:  # not hashable, such as an Annotated with a list in it
        return _adapter(form)


class FunctionCell:
    """The state of a function entity. Implements `Cell`."""

    __slots__ = ("_current", "_limit", "_settled", "changed")

    def __init__(self, packed: bytes | None, limit: PayloadLimit) -> None:
        self._settled = packed
        self._current = packed
        self._limit = limit
        self.changed = False

    @property
    def exists(self) -> bool:
        """There is a settled state."""
        return self._settled is not None

    def invoke(self, turn: Turn, operation: Operation, message: Message) -> Any:
        """Run the function: gives its result, or for an asynchronous one something to await."""
        turn.state = self
        turn.operation = operation
        turn.message = message
        turn.alive = True
        context = turn.context or turn.open_context()
        if operation.key != "delete":
            return operation.run(context, message.args, message.kwargs)
        if operation.is_async:
            return self._delete_later(turn, operation.run(context, message.args, message.kwargs))
        try:
            return operation.run(context, message.args, message.kwargs)
        except UnknownOperation:  # it has no `delete` of its own
            return self._delete(turn)

    def detach(self) -> None:
        """An asynchronous operation comes next. It sees copies only."""

    def leave(self, turn: Turn) -> None:
        """An asynchronous operation has ended. Nothing here knows its turn."""

    def disturbed(self) -> bool:
        """Something else may have run since the last operation; but nothing can change bytes."""
        return False

    def resume(self) -> bool:
        """Look closely."""
        return True

    async def _delete_later(self, turn: Turn, running: Awaitable[Any]) -> Any:
        try:
            return await running
        except UnknownOperation:
            return self._delete(turn)

    def _delete(self, turn: Turn) -> None:
        self._current = None
        turn.cancel_all_reminders()

    def hold(self) -> None:
        """The operation succeeded, and is settled later. What it left is bytes, which only its context could change."""

    def settle(self) -> None:
        """The operation succeeded: keep what it set. Raises `PayloadTooLarge`; then roll back."""
        current = self._current
        if current == self._settled:
            return
        if current is not None and len(current) > self._limit.at:
            self._limit.check("the state", current)
        self._settled = current
        self.changed = True

    def rollback(self) -> None:
        """The operation failed: back to the last settled state."""
        self._current = self._settled

    def packed(self) -> bytes | None:
        """The settled state; None if the entity does not exist."""
        return self._settled

    def record(self) -> bytes | None:
        """The settled state, for a commit: what comes after counts as changed."""
        self.changed = False
        return self._settled

    @property
    def size_bytes(self) -> int:
        """The size of the settled state."""
        return len(self._settled or b"")

    # -- what the context offers ---------------------------------------------------------------------------------------

    def get_state(self, form: Any, default: Any) -> Any:
        """A copy of the state, validated as a type."""
        if self._current is None:
            return default
        try:
            return adapter_of(form).validate_python(unpack(self._current), by_alias=True, by_name=True)
        except ValidationError as error:
            raise InvalidState(f"the state is not what get_state was asked for: {describe_errors(error)}") from error

    def set_state(self, value: object) -> None:
        """Take a state as it is now; None deletes it. Raises `InvalidInput` for what `get_state` could not read back."""
        check_models(value, "context.set_state")
        self._current = None if value is None else pack_exact(value)

    def delete_state(self) -> None:
        """Delete the state."""
        self._current = None

    def get_input(self, turn: RunningTurn, form: Any) -> Any:
        """The only argument, validated as a type."""
        given = [*turn.args, *(turn.kwargs or {}).values()]
        what = f"the input of {EntityId.of_target(turn.target).name}.{turn.operation_name}"
        if len(given) > 1:
            raise ArgumentRefused(
                what, f"there are {len(given)} arguments; an operation of it takes one, or use context.args"
            )
        try:
            return adapter_of(form).validate_python(given[0] if given else None, by_alias=True, by_name=True)
        except ValidationError as error:
            raise ArgumentRefused(what, describe_errors(error) if given else "it is missing") from error
