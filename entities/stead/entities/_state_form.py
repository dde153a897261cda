"""How the states of one class are made, loaded, packed and checked: compiled once, used by all its activations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from stead.transport import pack_exact, unpack

from ._entity import Entity
from ._errors import InvalidState
from ._schema import Field, describe_errors, fields_of


class StateForm:
    """How a class's states are made, loaded, packed and checked: compiled once per class."""

    def __init__(self, cls: type[Entity]) -> None:
        self.cls = cls
        self.fields: list[Field] | None = fields_of(cls)
        self.plain = self.fields is not None
        self.large = self.fields is not None and all(field.comparable for field in self.fields)
        self._checks = [(field.name, field.kind, field.check) for field in self.fields or ()]
        self._names = [field.name for field in self.fields or ()]
        self._copies = [(field.name, field.copy) for field in self.fields or ()]
        self._validate = cls.__pydantic_validator__.validate_python
        self._dump = cls.__pydantic_serializer__.to_python
        _choose_setattr(cls, plain=self.plain)
        self.pack = self._pack_plain if self.plain else self._pack_dumped
        # A fresh state that is always the same is made once, then packed and copied.
        self.fresh_packed: bytes | None = None
        self._template: dict[str, Any] | None = None
        fresh = self.fresh()
        packed = self.pack(fresh)
        if self.plain:
            self.check(fresh.__dict__)
        else:
            fresh, packed = self.check_dumped(fresh, packed)
        if not any(field.default_factory is not None for field in cls.model_fields.values()):
            self.fresh_packed = packed
            self._template = dict(fresh.__dict__) if self.plain else None

    def fresh(self) -> Entity:
        """The state of an entity that does not exist."""
        if self._template is not None:
            return self.adopt(self.copy(self._template))
        return cast("Entity", self._validate({}))

    def open(self, packed: bytes) -> tuple[Entity, bytes]:
        """The instance of a packed state, and the bytes by which it is remembered. Raises `ValidationError`.

        A plain state that is just as this class writes it, nearly always the case, needs no more than a check.
        """
        stored = unpack(packed)
        if self.plain and isinstance(stored, dict) and list(cast("Any", stored)) == self._names:
            state = cast("dict[str, Any]", stored)
            try:
                for name, kind, check in self._checks:
                    value = state[name]
                    if type(value) is not kind:
                        state[name] = check(value)
                return self.adopt(state), packed
            except ValidationError:
                stored = unpack(packed)  # converting it may help
        instance = self.load(stored)
        return instance, self.pack(instance)

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
        instance = self.cls.__new__(self.cls)
        _set_data(instance, data)
        _set_fields(instance, set())
        _set_extra(instance, None)
        _set_private(instance, None)
        return instance

    def check_dumped(self, instance: Entity, packed: bytes) -> tuple[Entity, bytes]:
        """Check the state of a class that is not plain, by loading it. Gives the instance to go on with.

        A validator that changes values has the last word: the instance is then what it made of them.
        """
        for name in self.cls.model_fields:
            if name not in instance.__dict__:
                raise InvalidState(f"the operation deleted field {name!r}: set it to a value that says so")
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
_set_data: Callable[[Entity, dict[str, Any]], None] = vars(BaseModel)["__dict__"].__set__
_set_fields: Callable[[Entity, set[str]], None] = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra: Callable[[Entity, None], None] = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private: Callable[[Entity, None], None] = vars(BaseModel)["__pydantic_private__"].__set__


def _choose_setattr(cls: type[Entity], *, plain: bool) -> None:
    """Let a plain class assign without pydantic's bookkeeping: `settle` checks the names and values afterwards."""
    if cls.__setattr__ in (BaseModel.__setattr__, object.__setattr__):
        type.__setattr__(cls, "__setattr__", object.__setattr__ if plain else BaseModel.__setattr__)


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
