"""A class's form for one state with aggregates in it: packed, they are tokens, by which it is seen which have changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from stead.entities._aggregates.flat import FlatState, kept_token
from stead.entities._aggregates.marks import Marks
from stead.transport import pack_with_stand_ins, unpack_with_stand_ins

from .class_state import StateForm
from .entity import Entity
from .packing import pack_fields


class MarkedForm(StateForm):
    """The form of one activation's state. What it packs is compared, and read back by it alone; never stored."""

    def __init__(self, form: StateForm) -> None:
        self._form = form
        self.marks = Marks()
        self._write = partial(pack_with_stand_ins, give=self.marks.give)
        # What is asked for most is had without a detour.
        self.plain, self.can_share = form.plain, form.can_share
        self._scalar, self._kinds, self._renewed = form._scalar, form._kinds, form._renewed
        self._converts, self._checks, self._native_checks = form._converts, form._checks, form._native_checks
        self.guarded = form.guarded
        self.native = False
        self.fresh_packed = None
        self.pack = self._pack_plain if form.plain else self._pack_dumped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._form, name)

    def write(self, data: Mapping[str, Any]) -> bytes:
        self.marks.look()
        return pack_fields(data, self._write)

    def flat(self, data: Mapping[str, Any]) -> FlatState | None:
        """What was kept last, if it can be seen at a glance what becomes of it."""
        return FlatState.of(data, self._kinds) if self.plain and not self.guarded else None

    def write_kept(self, data: Mapping[str, Any]) -> bytes:
        """The bytes that fields had when they were kept last, whatever has become of their aggregates since."""
        return pack_with_stand_ins(data, kept_token)

    def unpack(self, packed: bytes) -> Any:
        self.marks.read()
        return unpack_with_stand_ins(packed, self.marks.take)

    def unpack_copies(self, packed: bytes) -> Any:
        """What was packed last, with copies of its aggregates."""
        self.marks.read(copying=True)
        return unpack_with_stand_ins(packed, self.marks.take)

    def unpack_kept(self, packed: bytes) -> Any:
        """The state that was kept last; whatever of it has changed since is undone."""
        self.marks.read_kept()
        return unpack_with_stand_ins(packed, self.marks.take)

    def load_or_none(self, packed: bytes) -> Entity | None:
        self.marks.read_kept(copying=True)
        stored = unpack_with_stand_ins(packed, self.marks.take)
        try:
            return self.load(stored)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - validators are the user's code
            return None
