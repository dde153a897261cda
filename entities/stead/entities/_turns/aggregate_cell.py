"""The state of a class with aggregates: an operation costs what it changes, however much they hold.

1. Packed, an aggregate is a token (see `_aggregates/base`): so it is seen whether the state has changed, as of any other class.
   A state of aggregates, lists and dicts of them, and single values only is not even packed for that (see `_aggregates/flat`).
2. What aggregates hold is never copied to be remembered: each remembers how to go back. A failed operation makes them do so.
3. What is stored is packed when a commit asks for it, or a reader: sketches are folded once for it, not once an operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from stead.entities._aggregates.flat import FlatState
from stead.entities._aggregates.window import hub_clock
from stead.entities._definition.class_state import StateForm
from stead.entities._definition.entity import Entity
from stead.entities._definition.marked_form import MarkedForm
from stead.entities._definition.placed import refuse_unplaced
from stead.transport import PayloadLimit, pack_exact

from .class_cell import ClassCell
from .turn import Turn

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._message.envelope import Message


class AggregateCell(ClassCell):
    """The state of a class entity with aggregates. Implements `Cell`."""

    __slots__ = ("_always", "_behind", "_flat", "_marked", "_stored")

    def __init__(self, form: StateForm, stored: tuple[Entity, bytes] | None, eager: bool, limit: PayloadLimit) -> None:
        marked = self._marked = MarkedForm(form)
        # Never remembered by copies of its containers: it would have to be looked through for what has changed in them.
        super().__init__(marked, stored, True, limit)
        self._always = eager
        self._flat: FlatState | None = None  # what was kept last, if it is flat
        self._behind = False  # `_settled` is what was kept before that
        self._stored = None if stored is None else stored[1]
        self._settled = marked.pack(self._instance)
        marked.marks.adopt()

    def invoke(self, turn: Turn, operation: Operation, message: Message) -> Any:
        hub_clock.set(turn.clock)
        return ClassCell.invoke(self, turn, operation, message)

    def disturbed(self) -> bool:
        if self._turn is None:
            return False
        if self._left is not None:
            return True
        flat = self._flat
        if flat is not None and flat.is_kept(self._instance.__dict__):
            return False
        self._catch_up()
        return self._form.pack_or_none(self._instance) != self._settled

    def _is_settled(self) -> bool:
        self._catch_up()
        return super()._is_settled()

    def _catch_up(self) -> None:
        """Have the bytes of what was kept last."""
        if self._behind and self._flat is not None:
            self._settled = self._marked.write_kept(self._flat.fields)
            self._behind = False

    def detach(self) -> None:
        self._catch_up()
        self._flat = None
        super().detach()

    def hold(self) -> None:
        self._catch_up()
        self._flat = None
        form, old = self._marked, self._instance
        left, packed = form.check(old, form.pack(old))
        if form.plain:
            left = form.adopt(form.copy(left.__dict__))
        else:
            left = form.load(form.unpack_copies(packed))
        self._replace(left, keep_private=True)

    def settle(self) -> None:
        flat = self._flat
        if flat is not None:
            changed = flat.keep(self._instance.__dict__) if self.exists and not self._loose else None
            if changed:
                self._behind = self.changed = True
                self._stored = None
            if changed is not None:
                return
            self._catch_up()
        self._settle_closely()
        self._flat = None if self._always else self._marked.flat(self._instance.__dict__)

    def _settle_closely(self) -> None:
        form, instance = self._marked, self._instance
        marks = form.marks
        packed = form.pack(instance)
        same = packed == self._settled and not self._loose
        if same and not marks.strangers and self._as_it_was(instance):
            if form.can_share:
                form.separate(cast("Any", instance).__dict__)
            marks.keep()
            return
        settled, packed = self._checked(instance, packed)
        if form.guarded:
            refuse_unplaced(form.guarded, settled.__dict__, lambda: form.unpack_kept(cast("bytes", self._settled)))
        stored = self._written(packed) if self._always else None
        if settled is not instance:
            self._move_in(settled)
        if packed == self._settled and not self._loose:
            marks.keep()
            return
        if self._loose:
            self._settle_deleted(packed)
        elif not self.exists and packed != self._fresh:
            self.exists = True
        self._settled, self._stored = packed, stored
        self.changed = True
        marks.keep()

    def _checked(self, instance: Entity, packed: bytes) -> tuple[Entity, bytes]:
        """`check`, and no aggregate is in it twice, or another state's as well."""
        form = self._marked
        settled, packed = form.check(instance, packed)
        if form.marks.strangers:
            settled = form.load(form.unpack(packed))
            packed = form.pack(settled)
        if form.renew(settled):
            packed = form.pack(settled)
            form.marks.own()
        return settled, packed

    def _written(self, packed: bytes) -> bytes:
        """The bytes to store of what was packed last. Raises `PayloadTooLarge`."""
        return self._within(pack_exact(self._form.unpack(packed)))

    def _within(self, stored: bytes) -> bytes:
        if len(stored) > self._limit.at:
            self._limit.check(f"the state of {self._form.cls.__name__}", stored)
        return stored

    def rollback(self) -> None:
        self._loose = False
        self._catch_up()
        assert self._settled is not None, "a state with aggregates is packed after each operation"
        self._replace(self._form.load(self._marked.unpack_kept(self._settled)))

    def packed(self) -> bytes | None:
        if not self.exists:
            return None
        if self._stored is None and self._behind and self._flat is not None:
            self._stored = self._within(pack_exact(self._flat.undone()))
        elif self._stored is None:
            assert self._settled is not None, "a state with aggregates is packed after each operation"
            self._stored = self._within(pack_exact(self._marked.unpack_kept(self._settled)))
        return self._stored

    def record(self) -> bytes | None:
        packed = self.packed()
        self.changed = False
        return packed

    @property
    def size_bytes(self) -> int:
        return len(self._stored or self._settled or b"")
