"""The state of one activation, as one operation after the other changes it.

1. An operation runs on the live instance. If it succeeds, `settle` checks what it left and remembers that; if it fails,
   `rollback` goes back to what was remembered. So what is settled is always valid, and can be read back as it is.
2. What is remembered of a small state is its packed bytes: they are needed anyway to see whether anything changed. Of a
   large one (some kilobytes) its containers are copied instead, and it is packed once a commit.
3. A plain class (see `_schema`) is packed as it is and each field is checked strictly. Any other is dumped, packed, and
   checked by loading that: what an operation leaves is compared with what would be read back.
4. The entity exists once a settled state differs from the fresh one, until it is deleted (invariant 7: an empty value is
   state too). That is decided operation by operation, so that it does not depend on how they are batched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from stead.transport import InvalidInput, PayloadTooLarge, pack_exact, unpack

from ._entity import Entity, set_turn
from ._errors import InvalidState
from ._schema import Field, describe_errors, fields_of

if TYPE_CHECKING:
    from ._context import Turn

STATE_BYTES_MAX = 1_048_576
LARGE_BYTES = 4_096  # above this a state is remembered by copying its containers
SMALL_BYTES = 2_048  # below this it is remembered packed again


class Cell(Protocol):
    """The state of one activation."""

    @property
    def exists(self) -> bool:
        """There is a settled state; the state of an entity that does not exist is the fresh one."""
        ...

    changed: bool  # what is settled differs from what `record` gave last, or was loaded

    def invoke(self, turn: Turn) -> Any:
        """Run the turn's operation: gives its result, or for an asynchronous one something to await."""
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


class StateForm:
    """How a class's states are made, loaded, packed and checked: compiled once per class."""

    def __init__(self, cls: type[Entity]) -> None:
        self.cls = cls
        self.fields: list[Field] | None = fields_of(cls)
        self.large = self.fields is not None and all(field.comparable for field in self.fields)
        self._checks = [(field.name, field.kind, field.check) for field in self.fields or ()]
        self._copies = [(field.name, field.copy) for field in self.fields or ()]
        self._validate = cls.__pydantic_validator__.validate_python
        self._dump = cls.__pydantic_serializer__.to_python
        self._loads_in_place = self.fields is not None
        if self.fields is not None:
            cast("Any", cls).__setattr__ = object.__setattr__  # `settle` checks what pydantic's own would check
        self.pack = self._pack_plain if self.fields is not None else self._pack_dumped
        fresh = self.fresh()
        packed = self.pack(fresh)
        self.load(unpack(packed))
        # A fresh state that is always the same is packed once for all.
        factories = any(field.default_factory is not None for field in cls.model_fields.values())
        self.fresh_packed: bytes | None = None if factories else packed

    def fresh(self) -> Entity:
        """The state of an entity that does not exist."""
        return cast("Entity", self._validate({}))

    def load(self, stored: Any) -> Entity:
        """The instance of a stored state. Raises `ValidationError`."""
        return cast("Entity", self._validate(stored, by_alias=False, by_name=True))

    def _pack_plain(self, instance: Entity) -> bytes:
        return pack_exact(instance.__dict__)

    def _pack_dumped(self, instance: Entity) -> bytes:
        try:
            plain = self._dump(instance, by_alias=False, warnings="error", exclude_computed_fields=True)
        except PydanticSerializationError as error:
            raise InvalidState(f"the state left by the operation is not what its fields allow: {error}") from error
        return pack_exact(plain)

    def check(self, data: Mapping[str, Any]) -> None:
        """Check all fields of a plain class. Raises `InvalidState`."""
        for name, kind, check in self._checks:
            try:
                value = data[name]
                if type(value) is not kind:
                    check(value)
            except KeyError:
                raise InvalidState(f"the operation deleted field {name!r}: set it to a value that says so") from None
            except ValidationError as error:
                raise _not_allowed(name, error) from error
        if len(data) != len(self._checks):
            extra = ", ".join(repr(name) for name in data if name not in self.cls.model_fields)
            raise InvalidState(f"{self.cls.__name__} has no field {extra}: declare it, or mend the name")

    def check_changed(self, data: Mapping[str, Any], remembered: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Check those fields of a large, plain state that are not what is remembered; gives copies of them."""
        if len(data) != len(self._checks):
            self.check(data)
        changed: list[tuple[str, Any]] = []
        for (name, kind, check), (_, copy) in zip(self._checks, self._copies, strict=True):
            value = data.get(name, _MISSING)
            old = remembered[name]
            if value is old or (copy is not None and type(value) is type(old) and value == old):
                continue
            if value is _MISSING:
                self.check(data)
            if type(value) is not kind:
                try:
                    check(value)
                except ValidationError as error:
                    raise _not_allowed(name, error) from error
            changed.append((name, value if copy is None else copy(value)))
        return changed

    def copy(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a plain state that shares nothing that can change."""
        return {name: data[name] if copy is None else copy(data[name]) for name, copy in self._copies}

    def adopt(self, data: dict[str, Any]) -> Entity:
        """An instance of a plain class with this state, not checked again."""
        return self.cls.model_construct(None, **data)

    def check_dumped(self, instance: Entity, packed: bytes) -> tuple[Entity, bytes]:
        """Check the state of a class that is not plain, by loading it. Gives the instance to go on with.

        A validator that changes values has the last word: the instance is then what it made of them.
        """
        try:
            loaded = self.load(unpack(packed))
        except ValidationError as error:
            raise InvalidState(
                f"the state left by the operation is not what its fields allow: {describe_errors(error)}"
            ) from error
        if loaded == instance:
            return instance, packed
        again = self.pack(loaded)
        if again != packed:
            return loaded, again
        for name, value in instance.__dict__.items():
            if not _same(value, getattr(loaded, name)):
                raise InvalidState(
                    f"field {name!r}: {value!r} would be read back as {getattr(loaded, name)!r}; "
                    "use a type that tells them apart"
                )
        return instance, packed


_MISSING = object()


def _not_allowed(name: str, error: ValidationError) -> InvalidState:
    return InvalidState(f"the operation left a value that is not allowed: {describe_errors(error, name)}")


def _same(left: Any, right: Any) -> bool:
    """Whether values are equal if what is not a number equals itself."""
    if left == right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return math.isnan(left) and math.isnan(right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in cast("Any", left))
    if isinstance(left, (list, tuple)):
        return len(cast("Any", left)) == len(right) and all(map(_same, cast("Any", left), right))
    return hasattr(left, "__dict__") and _same(vars(left), vars(right))


class ClassCell:
    """The state of a class entity. Implements `Cell`."""

    __slots__ = (
        "_eager",
        "_form",
        "_fresh",
        "_instance",
        "_limit",
        "_loose",
        "_remembered",
        "_settled",
        "_turn",
        "changed",
        "exists",
    )

    def __init__(self, form: StateForm, stored: Entity | None, eager: bool, state_bytes_max: int) -> None:
        self._form = form
        self._eager = eager or not form.large
        self._limit = state_bytes_max
        self._turn: Turn | None = None
        self._loose = False  # the operation deleted the state
        self.changed = False
        self.exists = stored is not None
        self._instance = stored if stored is not None else form.fresh()
        # The settled state: packed, or a copy of its fields with `_settled` None until it is packed again.
        self._remembered: dict[str, Any] | None = None
        self._settled: bytes | None = form.pack(self._instance)
        self._fresh = (form.fresh_packed or self._settled) if stored is None else b""
        self._choose(self._settled)

    # -- operations ----------------------------------------------------------------------------------------------------

    def invoke(self, turn: Turn) -> Any:
        """Run the turn's operation: gives its result, or for an asynchronous one something to await."""
        if turn is not self._turn:
            self._turn = turn
            turn.state = self
            set_turn(self._instance, turn)
        return turn.operation.run(self._instance, turn.args, turn.kwargs)

    def settle(self) -> None:
        """The operation succeeded: keep what it left. Raises if that is not allowed; then roll back."""
        if self._remembered is not None:
            self._settle_large(self._remembered)
            return
        form = self._form
        instance = self._instance
        packed = form.pack(instance)
        if packed == self._settled and not self._loose:
            return
        if form.fields is not None:
            form.check(instance.__dict__)
        else:
            instance, packed = form.check_dumped(instance, packed)
        if len(packed) > self._limit:
            raise PayloadTooLarge(f"the state of {form.cls.__name__}", len(packed), self._limit)
        if instance is not self._instance:
            self._replace(instance)
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
            self._replace(self._form.adopt(self._form.copy(self._remembered)))
        else:
            self._replace(self._form.load(unpack(cast("bytes", self._settled))))

    def packed(self) -> bytes | None:
        """The settled state; None if the entity does not exist. Raises `PayloadTooLarge` for a large one that grew."""
        if not self.exists:
            return None
        if self._settled is None:
            packed = pack_exact(self._remembered)
            if len(packed) > self._limit:
                raise PayloadTooLarge(f"the state of {self._form.cls.__name__}", len(packed), self._limit)
            self._settled = packed
            self._choose(packed)
        return self._settled

    def record(self) -> bytes | None:
        """The settled state, for a commit: what comes after counts as changed."""
        packed = self.packed()
        self.changed = False
        return packed

    @property
    def size_bytes(self) -> int:
        """The size of the settled state when it was last packed."""
        return len(self._settled) if self._settled is not None else LARGE_BYTES

    # -- large states --------------------------------------------------------------------------------------------------

    def _choose(self, packed: bytes) -> None:
        """Choose how to remember a settled state, by its size."""
        if self._eager:
            return
        if self._remembered is None:
            if len(packed) > LARGE_BYTES:
                self._remembered = self._form.copy(self._instance.__dict__)
        elif len(packed) < SMALL_BYTES:
            self._remembered = None

    def _settle_large(self, remembered: dict[str, Any]) -> None:
        changed = self._form.check_changed(self._instance.__dict__, remembered)
        if self._loose:
            self._settle_deleted(self._form.pack(self._instance))
        elif not changed:
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
        # In place: the operation that runs holds the instance.
        for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            object.__setattr__(self._instance, name, getattr(fresh, name))
        self._fresh = self._form.pack(self._instance)
        self._loose = True

    def _settle_deleted(self, packed: bytes) -> None:
        self._loose = False
        self.exists = packed != self._fresh

    def _replace(self, instance: Entity) -> None:
        self._instance = instance
        if self._turn is not None:
            set_turn(instance, self._turn)

    # -- what only function entities have ------------------------------------------------------------------------------

    def get_state(self, form: Any, default: Any) -> Any:
        raise _fields_are_the_state("get_state")

    def set_state(self, value: object) -> None:
        raise _fields_are_the_state("set_state")

    def get_input(self, turn: Turn, form: Any) -> Any:
        raise InvalidInput("context.get_input", "it is for entity functions: a method gets its arguments as arguments")


def _fields_are_the_state(what: str) -> InvalidInput:
    return InvalidInput(f"context.{what}", "it is for entity functions: the state of a class is its fields")
