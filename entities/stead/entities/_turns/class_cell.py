"""The state of one activation, as one operation after the other changes it.

1. An operation runs on the live instance. If it succeeds, `settle` checks what it left and remembers that; if it fails,
   `rollback` goes back to what was remembered. So what is settled is always valid, and can be read back as it is.
2. What is remembered of a small state is its packed bytes: they are needed anyway to see whether anything changed. Of a
   large one (some kilobytes) its containers are copied instead, and it is packed once a commit.
3. A plain class (see `_definition/schema`) is packed as it is and each field is checked strictly. Any other is dumped, packed, and
   checked by loading that: what an operation leaves is compared with what would be read back.
4. The entity exists once a settled state differs from the fresh one, until it is deleted (invariant 7: an empty value is
   state too). That is decided operation by operation, so that it does not depend on how they are batched.
"""

from __future__ import annotations

import operator
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from stead.entities._definition.class_state import StateForm
from stead.entities._definition.context import RunningTurn
from stead.entities._definition.entity import Entity, forget_turn, set_turn
from stead.entities._definition.placed import refuse_unplaced
from stead.transport import InvalidInput, PayloadLimit, pack_exact, pack_native, unpack

from .turn import Turn

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._message.envelope import Message

LARGE_BYTES = 4_096  # above this a state is remembered by copying its containers
SMALL_BYTES = 2_048  # below this it is remembered packed again


class _Left(NamedTuple):
    """An instance of before that other code may still have, and what it held."""

    instance: Entity | weakref.ref[Entity]
    held: bytes


class _Copy:
    """A large settled state as it is remembered. What only those have is here: most cells are without."""

    __slots__ = ("fields", "size")

    def __init__(self, fields: dict[str, Any], size: int) -> None:
        self.fields = fields
        self.size = size  # when it was last packed


class ClassCell:
    """The state of a class entity. Implements `Cell`."""

    __slots__ = (
        "_eager",
        "_form",
        "_fresh",
        "_instance",
        "_left",
        "_limit",
        "_loose",
        "_remembered",
        "_settled",
        "_turn",
        "_values",
        "changed",
        "exists",
    )

    def __init__(self, form: StateForm, stored: tuple[Entity, bytes] | None, eager: bool, limit: PayloadLimit) -> None:
        self._form = form
        self._eager = eager or not form.plain
        self._limit = limit
        self._turn: Turn | None = None
        self._left: _Left | None = None
        self._loose = False  # the operation deleted the state
        self.changed = False
        self.exists = stored is not None
        # The settled state: packed, or a copy of its fields with `_settled` None until it is packed again.
        self._remembered: _Copy | None = None
        self._settled: bytes | None
        if stored is not None:
            self._instance, self._settled = stored
            self._fresh = b""  # of no use until it is deleted
        else:
            self._instance = form.fresh()
            self._settled = self._fresh = form.fresh_packed or form.pack(self._instance)
        self._values = None if form.plain else [*self._instance.__dict__.values()]
        if len(self._settled) > LARGE_BYTES:
            self._choose(self._settled)

    # -- operations ----------------------------------------------------------------------------------------------------

    def invoke(self, turn: Turn, operation: Operation, message: Message) -> Any:
        """Run an operation in a turn: gives its result, or for an asynchronous one something to await."""
        instance = turn.subject = self._instance
        turn.state = self
        turn.operation = operation
        turn.message = message
        turn.alive = True
        if turn is not self._turn:
            self._turn = turn
            set_turn(instance, turn)
        return operation.run(instance, message.args, message.kwargs)

    def detach(self) -> None:
        """An asynchronous operation comes next: give it a state that nothing which was left running can change."""
        form, old = self._form, self._instance
        if form.plain:
            self._replace(form.adopt(form.copy(old.__dict__)))
        else:
            fresh = form.load_or_none(cast("bytes", self._settled))
            if fresh is None:
                return  # its validators have changed their mind: what comes of that is the operation's failure
            self._replace(fresh, keep_private=True)
        if self._settled is not None:
            self._left = _Left(old, self._settled)

    def leave(self, turn: Turn) -> None:
        """An asynchronous operation has ended, and its turn is of no use any more: the instance knows this one instead."""
        self._turn = turn
        set_turn(self._instance, turn)

    def disturbed(self) -> bool:
        """Something else may have run since the last operation. Whether it may have changed the state: see `resume`."""
        if self._turn is None:
            return False  # no operation has run
        if self._left is None and self._form.native and self._remembered is None:
            return pack_native(self._instance.__dict__) != self._settled
        return True

    def resume(self) -> bool:
        """Look closely. False: something has changed the state since the last operation, and that was undone."""
        undisturbed = self._is_settled()
        if not undisturbed:
            self.rollback()
        if self._left is not None:
            kept = self._left.instance
            left = kept() if isinstance(kept, weakref.ref) else kept
            if left is None:
                self._left = None
            elif self._form.pack_or_none(left) in (None, self._left.held):
                self._left = _Left(weakref.ref(left), self._left.held) if type(left).__weakrefoffset__ else None
            else:
                self._left = None
                return False
        return undisturbed

    def _is_settled(self) -> bool:
        form, instance = self._form, self._instance
        if self._remembered is not None:
            return form.is_remembered(instance.__dict__, self._remembered.fields)
        packed = form.pack_or_none(instance)
        # What cannot be packed now may be as it was: its serializers have changed their mind. The operation will tell.
        return packed == self._settled or (packed is None and not form.plain)

    def hold(self) -> None:
        """The operation succeeded, and is settled later: go on with a copy of what it left."""
        form, old = self._form, self._instance
        left, packed = form.check(old, form.pack(old))
        if left is old:
            left = form.adopt(form.copy(old.__dict__)) if form.plain else form.load(unpack(packed))
        self._replace(left, keep_private=True)

    def settle(self) -> None:
        """The operation succeeded: keep what it left. Raises if that is not allowed; then roll back."""
        if self._remembered is not None:
            self._settle_large(self._remembered.fields)
            return
        form = self._form
        instance = self._instance
        packed = pack_native(instance.__dict__) if form.native else form.pack(instance)
        if packed == self._settled and not self._loose and (form.native or self._as_it_was(instance)):
            if form.can_share:
                form.separate(cast("Any", instance).__dict__)
            return
        settled, packed = form.check(instance, packed)
        if len(packed) > self._limit.at:
            self._limit.check(f"the state of {form.cls.__name__}", packed)
        if form.guarded:
            refuse_unplaced(form.guarded, settled.__dict__, lambda: unpack(cast("bytes", self._settled)))
        if settled is not instance:
            self._move_in(settled)
            if packed == self._settled and not self._loose:
                return  # only what is not stored was another
        if self._loose:
            self._settle_deleted(packed)
        elif not self.exists and packed != self._fresh:
            self.exists = True
        self._settled = packed
        self.changed = True
        if len(packed) > LARGE_BYTES:
            self._choose(packed)

    def rollback(self) -> None:
        """The operation failed: back to the last settled state."""
        self._loose = False
        if self._remembered is not None:
            self._replace(self._form.adopt(self._form.copy(self._remembered.fields)))
        else:
            self._replace(self._form.load(unpack(cast("bytes", self._settled))))

    def packed(self) -> bytes | None:
        """The settled state; None if the entity does not exist. Raises `PayloadTooLarge` for a large one that grew."""
        if not self.exists:
            return None
        if self._settled is None:
            packed = pack_exact(cast("_Copy", self._remembered).fields)
            if len(packed) > self._limit.at:
                self._limit.check(f"the state of {self._form.cls.__name__}", packed)
            self._settled = packed
            self._choose(packed)
        return self._settled

    def record(self) -> bytes | None:
        """The settled state, for a commit: what comes after counts as changed."""
        packed = self._settled if self.exists and self._settled is not None else self.packed()
        self.changed = False
        return packed

    @property
    def size_bytes(self) -> int:
        """The size of the settled state when it was last packed."""
        return cast("_Copy", self._remembered).size if self._settled is None else len(self._settled)

    # -- large states --------------------------------------------------------------------------------------------------

    def _choose(self, packed: bytes) -> None:
        """Choose how to remember a settled state, by its size."""
        if self._eager:
            return
        if self._remembered is None:
            if len(packed) > LARGE_BYTES:
                self._remembered = _Copy(self._form.copy(self._instance.__dict__), len(packed))
        elif len(packed) < SMALL_BYTES:
            self._remembered = None
        else:
            self._remembered.size = len(packed)

    def _settle_large(self, remembered: dict[str, Any]) -> None:
        changed, for_sure = self._form.check_changed(cast("Any", self._instance).__dict__, remembered)
        if self._form.guarded:
            refuse_unplaced(self._form.guarded, self._instance.__dict__, lambda: remembered)
        if self._loose:
            self._settle_deleted(self._form.pack(self._instance))
        elif not for_sure and all(_written_alike(value, remembered[name]) for name, value in changed.items()):
            remembered.update(changed)
            return
        elif not self.exists:
            self.exists = self._form.pack(self._instance) != self._fresh
        remembered.update(changed)
        self._settled = None
        self.changed = True

    # -- deletion and replacement --------------------------------------------------------------------------------------

    def delete_state(self) -> None:
        """Make the state fresh, now; the operation may go on and set it anew."""
        fresh = self._form.fresh()
        self._move_in(fresh)  # the operation that runs holds the instance
        self._fresh = self._form.fresh_packed or self._form.pack(self._instance)
        self._loose = True

    def _settle_deleted(self, packed: bytes) -> None:
        self._loose = False
        self.exists = packed != self._fresh

    def _as_it_was(self, instance: Entity) -> bool:
        """Whether a state that is packed as before, but may hold more than msgpack does, is what would be read back."""
        if self._values is None:
            return self._form.is_exact(instance)
        values = instance.__dict__.values()
        return len(values) == len(self._values) and all(map(operator.is_, values, self._values))

    def _move_in(self, other: Entity) -> None:
        """Go on with what another instance holds: in the same one, which somebody may have kept."""
        for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            object.__setattr__(self._instance, name, getattr(other, name))
        if self._values is not None:
            self._values = [*other.__dict__.values()]

    def _replace(self, instance: Entity, *, keep_private: bool = False) -> None:
        old, self._instance = self._instance, instance
        if keep_private:
            object.__setattr__(instance, "__pydantic_private__", old.__pydantic_private__)
        if self._turn is not None:
            forget_turn(old)
        if self._values is not None:
            self._values = [*instance.__dict__.values()]
        if self._turn is not None:
            set_turn(instance, self._turn)

    # -- what only function entities have ------------------------------------------------------------------------------

    def get_state(self, form: Any, default: Any) -> Any:
        raise _fields_are_the_state("get_state")

    def set_state(self, value: object) -> None:
        raise _fields_are_the_state("set_state")

    def get_input(self, turn: RunningTurn, form: Any) -> Any:
        raise InvalidInput("context.get_input", "it is for entity functions: a method gets its arguments as arguments")


def _fields_are_the_state(what: str) -> InvalidInput:
    return InvalidInput(f"context.{what}", "it is for entity functions: the state of a class is its fields")


def _written_alike(value: object, old: object) -> bool:
    """Whether a value that was made anew is stored just as the old one. Equal ones need not be: 1.50 equals 1.5."""
    return value == old and pack_exact(value) == pack_exact(old)
