"""How the states of one class are made, loaded, packed and checked: compiled once, used by all its activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from stead.entities._aggregates.base import Aggregate, has_aggregates
from stead.entities._message.errors import InvalidState
from stead.transport import InvalidInput, pack_exact, unpack

from .entity import Entity
from .packing import covers, pack_fields
from .placed import guarded_fields
from .sameness import Difference, difference
from .schema import Copier, Field, describe_errors, fields_of


class StateForm:
    """How a class's states are made, loaded, packed and checked: compiled once per class."""

    def __init__(self, cls: type[Entity]) -> None:
        self.cls = cls
        self.fields: list[Field] | None = fields_of(cls)
        self.plain = self.fields is not None
        fields = self.fields or []
        # What `pack_native` packs is just what is read back, but for what the checks of its fields find.
        self.native = self.plain and all(field.native for field in fields)
        self.aggregates = has_aggregates(cls.__pydantic_core_schema__)
        self._renewed = {
            name: field.default for name, field in cls.model_fields.items() if isinstance(field.default, Aggregate)
        }
        self._checks = [
            (field.name, field.kind, field.check, field.exact if field.converts or not field.native else None)
            for field in fields
        ]
        self._scalar = all(field.kind is not None for field in fields)
        self._loads = [(field.name, field.kind, field.load) for field in fields]
        self.guarded = guarded_fields(cls)
        self._native_checks = [(field.name, field.kind, field.check) for field in fields]
        self._converts = any(field.converts for field in fields)
        self._names = [field.name for field in fields]
        self._kinds = [(field.name, field.kind) for field in fields]
        self._copies = [(field.name, field.copy) for field in fields]
        self._exacts = [(field.name, field.exact) for field in fields]
        self._holders = [(field.name, field.holders) for field in fields if field.holders is not None]
        self.can_share = len(self._holders) > 1 or any(field.nests for field in fields)
        self._validate = cls.__pydantic_validator__.validate_python
        self._dump = cls.__pydantic_serializer__.to_python
        _choose_setattr(cls, plain=self.plain)
        # Nobody adds to it where assigning is Python's own; a set of its own would be most of what a small instance takes.
        self._no_fields_set: set[str] | None = set() if cls.__setattr__ is object.__setattr__ else None
        self.pack = self._pack_plain if self.plain else self._pack_dumped
        # A fresh state that is always the same is made once, then packed and copied.
        self.fresh_packed: bytes | None = None
        self._template: list[tuple[str, Any, Copier | None]] | None = None
        fresh = cast("Entity", self._validate({}))
        fresh, packed = self.check(fresh, self.pack(fresh))
        if not any(field.default_factory is not None for field in cls.model_fields.values()):
            self.fresh_packed = packed
            if self.plain:
                self._template = [(name, fresh.__dict__[name], copy) for name, copy in self._copies]

    def fresh(self) -> Entity:
        """The state of an entity that does not exist."""
        if self._template is not None:
            instance = self._new()
            data: dict[str, Any] = instance.__dict__  # pyright: ignore[reportAssignmentType]  # `cast` is a call
            for name, value, copy in self._template:
                data[name] = value if copy is None else copy(value)
            return instance
        if self.fresh_packed is not None:
            return self.load(unpack(self.fresh_packed))
        fresh = cast("Entity", self._validate({}))
        return self.check(fresh, self.pack(fresh))[0]

    def open(self, packed: bytes) -> tuple[Entity, bytes]:
        """The instance of a packed state, and the bytes by which it is remembered. Raises `ValidationError`.

        A plain state that is just as this class writes it, nearly always the case, needs no more than a check.
        """
        stored = self.unpack(packed)
        if self.plain and isinstance(stored, dict) and list(cast("Any", stored)) == self._names:
            state = cast("dict[str, Any]", stored)
            try:
                converted = False
                for name, kind, load in self._loads:
                    value = state[name]
                    if type(value) is not kind:
                        loaded = state[name] = load(value)
                        converted = converted or loaded is not value
                instance = self.adopt(state)
                self.renew(instance)
                return instance, self.pack(instance) if converted else packed
            except ValidationError:
                stored = self.unpack(packed)  # converting it may help
        instance = self.load(stored)
        self.renew(instance)
        return instance, self.pack(instance)

    def unpack(self, packed: bytes) -> Any:
        """What was packed, as plain data."""
        return unpack(packed)

    def write(self, data: Mapping[str, Any]) -> bytes:
        """The bytes of plain data. Raises `InvalidInput`."""
        return pack_fields(data, pack_exact)

    def renew(self, instance: Entity) -> bool:
        """Give fields that are empty aggregates the parameters that the class says. True: some had others."""
        data: dict[str, Any] = cast("Any", instance).__dict__
        renewed = {name: copy(default) for name, default in self._renewed.items() if default.is_for(data.get(name))}
        data.update(renewed)
        return bool(renewed)

    def load(self, stored: Any) -> Entity:
        """The instance of a stored state. Raises `ValidationError`."""
        try:
            return cast("Entity", self._validate(stored, by_alias=False, by_name=True))
        except ValidationError:
            loaded = self._load_leniently(stored)
            if loaded is None:
                raise
            return loaded

    def _load_leniently(self, stored: Any) -> Entity | None:
        """Strictly, the value of an enum member is no member, though it is what is stored of it. None: it is not that."""
        try:
            loaded = cast("Entity", self._validate(stored, by_alias=False, by_name=True, strict=False))
            return loaded if covers(self.unpack(self.pack(loaded)), stored) else None
        except (ValidationError, InvalidState, InvalidInput):
            return None

    def load_or_none(self, packed: bytes) -> Entity | None:
        """`load` of a settled state; None if that is not possible any more."""
        try:
            return self.load(self.unpack(packed))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - validators are the user's code
            return None

    def pack_or_none(self, instance: Entity) -> bytes | None:
        """`pack` of whatever is left in an instance; None if that is not possible."""
        try:
            return self.pack(instance)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - serializers are the user's code
            return None

    def _pack_plain(self, instance: Entity) -> bytes:
        return self.write(instance.__dict__)

    def _pack_dumped(self, instance: Entity) -> bytes:
        try:
            plain = self._dump(
                instance, by_alias=False, warnings="error", exclude_computed_fields=True, round_trip=True
            )
        except PydanticSerializationError as error:
            where = self._guilty_field(instance)
            raise InvalidState(
                f"the state left by the operation is not what its fields allow: {where}{error}"
            ) from error
        except (TypeError, ValueError) as error:  # a model in a set, say, which would be a map in a set
            where = self._guilty_field(instance)
            raise InvalidState(f"the state left by the operation cannot be stored: {where}{error}") from error
        return self.write(cast("Any", plain)) if isinstance(plain, dict) else pack_exact(plain)

    def _guilty_field(self, instance: Entity) -> str:
        """Which field of a state it is that cannot be dumped."""
        for name in self.cls.model_fields:
            try:
                self._dump(instance, include={name}, by_alias=False, warnings="error", round_trip=True)
            except (TypeError, ValueError):
                return f"field {name!r}: "
        return ""

    def is_exact(self, instance: Entity) -> bool:
        """Whether an unchanged plain state that is not native is just what would be read back."""
        data = instance.__dict__
        return all(exact(data[name]) for name, exact in self._exacts)

    def check(self, instance: Entity, packed: bytes | None) -> tuple[Entity, bytes]:
        """Check the state that an operation left, and how it was packed (None: not natively). Gives what to go on with:
        what would be read back, where that is not the same. Raises `InvalidState`.
        """
        if not self.plain:
            return self._check_dumped(instance, cast("bytes", packed))
        data: dict[str, Any] = instance.__dict__  # pyright: ignore[reportAssignmentType]
        if self._scalar and packed is not None and len(data) == len(self._kinds):
            for name, kind in self._kinds:
                if type(data.get(name, _MISSING)) is not kind:
                    break
            else:
                return instance, packed  # scalars only, and each of its type
        if self._check_fields(data) and packed is not None:
            return instance, packed
        loaded, packed = self.open(packed or self.pack(instance))
        for name, value in data.items():
            _refuse(difference(value, loaded.__dict__[name], name))
        return loaded, packed

    def _check_fields(self, data: dict[str, Any]) -> bool:
        """Check all fields of a plain class. False: some value is not exactly what would be read back.

        What a validator makes of a container is a container of its own: one that was twice in the state is now two, as when
        it is read back, and whoever has kept it has another one.
        """
        if self.native and not self._converts:
            self._check_native(data)
            return True
        exact = True
        made: dict[str, Any] = {}
        for name, kind, check, is_exact in self._checks:
            try:
                value = data[name]
                if type(value) is not kind:
                    made[name] = check(value)
                    exact = exact and (is_exact is None or is_exact(value))
            except KeyError:
                raise _deleted(name) from None
            except ValidationError as error:
                raise _not_allowed(name, error) from error
        if len(data) != len(self._checks):
            raise self._unknown(data)
        if exact:
            data.update(made)
        return exact

    def _check_native(self, data: dict[str, Any]) -> None:
        """`_check_fields` where whatever is allowed is exact: what is made goes into the state at once."""
        name = ""
        try:
            for name, kind, check in self._native_checks:
                value = data[name]
                if type(value) is not kind:
                    data[name] = check(value)
        except KeyError:
            raise _deleted(name) from None
        except ValidationError as error:
            raise _not_allowed(name, error) from error
        if len(data) != len(self._checks):
            raise self._unknown(data)

    def _unknown(self, data: Mapping[str, Any]) -> InvalidState:
        extra = ", ".join(repr(name) for name in data if name not in self.cls.model_fields)
        return InvalidState(f"{self.cls.__name__} has no field {extra}: declare it, or mend the name")

    def separate(self, data: dict[str, Any]) -> None:
        """Make two of what is twice in a plain state, as when it is read back."""
        found: list[Any] = []
        for name, holders in self._holders:
            holders(data[name], found)
        if len({*map(id, found)}) != len(found):
            data.update(self.copy(data))

    def is_remembered(self, data: Mapping[str, Any], remembered: Mapping[str, Any]) -> bool:
        """Whether a large, plain state is just what is remembered."""
        for field in self.fields or ():
            value, old = data.get(field.name, _MISSING), remembered[field.name]
            if value is not old and not (
                field.copy is not None
                and type(value) is type(old)
                and value == old
                and (field.same is None or field.same(value, old))
            ):
                return False
        return len(data) == len(self._checks)

    def check_changed(self, data: dict[str, Any], remembered: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Check those fields of a large, plain state that are not what is remembered. Gives copies of them, and whether one
        of them is stored in another way for sure: where none is, they may all have been made anew as they were."""
        if len(data) != len(self._checks):
            self._check_fields(data)
        changed: dict[str, Any] = {}
        for_sure = False
        for field in self.fields or ():
            name = field.name
            value = data.get(name, _MISSING)
            old = remembered[name]
            if value is _MISSING:
                self._check_fields(data)
            if value is old:
                continue
            if type(value) is type(old):
                if value != old:  # which is seen at the first difference: a large value is not walked twice
                    for_sure = True
                elif field.copy is not None and (field.same is None or field.same(value, old)):
                    continue
            if type(value) is not field.kind:
                value = data[name] = self._checked(field, value)
            changed[name] = value if field.copy is None else field.copy(value)
        holders = [data[name] for name, _ in self._holders if data[name] is not None]
        if len({*map(id, holders)}) != len(holders):
            data.update(self.copy(data))
        return changed, for_sure

    def _checked(self, field: Field, value: object) -> object:
        """What would be read back of a field's value. Raises `InvalidState` if it is not allowed."""
        try:
            made = field.check(value)
            if field.native or field.exact(value):
                return made
            loaded = field.load(self.unpack(self.write({field.name: value}))[field.name])
        except ValidationError as error:
            raise _not_allowed(field.name, error) from error
        _refuse(difference(value, loaded, field.name))
        return loaded

    def copy(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a plain state that shares nothing that can change."""
        return {name: data[name] if copy is None else copy(data[name]) for name, copy in self._copies}

    def adopt(self, data: dict[str, Any]) -> Entity:
        """An instance of a plain class with this state, not checked again."""
        instance = self._new()
        own: dict[str, Any] = instance.__dict__  # pyright: ignore[reportAssignmentType]
        for name, value in data.items():
            own[name] = value  # noqa: PERF403 - one by one: it shares its keys with all other instances
        return instance

    def _new(self) -> Entity:
        """An instance without fields yet."""
        instance = _make(self.cls)
        if self._no_fields_set is None:
            _set_fields(instance, set())
            _set_extra(instance, None)
            _set_private(instance, None)
        else:  # the same, by Python's own way, which is many times as fast
            instance.__pydantic_fields_set__ = self._no_fields_set
            instance.__pydantic_extra__ = None
            instance.__pydantic_private__ = None
        return instance

    def _check_dumped(self, instance: Entity, packed: bytes) -> tuple[Entity, bytes]:
        """Check the state of a class that is not plain, by loading it, and go on with that.

        A validator that changes values has the last word, if it says the same when it is asked again.
        """
        for name in self.cls.model_fields:
            if name not in instance.__dict__:
                raise _deleted(name)
        loaded = self._read_back(packed)
        again = self.pack(loaded)
        lost = difference(instance, loaded, conversions=again != packed)
        _refuse(lost)
        if again != packed:
            first, loaded, packed = loaded, self._read_back(again), again
            if self.pack(loaded) != packed:
                _refuse(difference(first, loaded))
                raise InvalidState(
                    f"{self.cls.__name__} is stored in another way each time that it is read: "
                    "its validators and serializers have to leave alone what they made themselves"
                )
        _set_private(loaded, instance.__pydantic_private__)
        return loaded, packed

    def _read_back(self, packed: bytes) -> Entity:
        try:
            return self.load(self.unpack(packed))
        except ValidationError as error:
            raise InvalidState(
                f"the state left by the operation is not what its fields allow: {describe_errors(error)}"
            ) from error


_MISSING = object()
_make: Callable[[type[Entity]], Entity] = object.__new__
_set_fields: Callable[[Entity, set[str]], None] = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra: Callable[[Entity, None], None] = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private: Callable[[Entity, dict[str, Any] | None], None] = vars(BaseModel)["__pydantic_private__"].__set__


def _choose_setattr(cls: type[Entity], *, plain: bool) -> None:
    """Let a plain class assign without pydantic's bookkeeping: `settle` checks the names and values afterwards.

    Deleting goes with it, since Python has one slot for both: it takes the fast way only where neither is of the class's own.
    """
    for name in ("__setattr__", "__delattr__"):
        python, pydantic = getattr(object, name), getattr(BaseModel, name)
        if getattr(cls, name) in (pydantic, python):
            type.__setattr__(cls, name, python if plain else pydantic)


def _deleted(name: str) -> InvalidState:
    return InvalidState(f"the operation deleted field {name!r}: set it to a value that says so")


def _not_allowed(name: str, error: ValidationError) -> InvalidState:
    return InvalidState(f"the operation left a value that is not allowed: {describe_errors(error, name)}")


def _refuse(found: Difference | None) -> None:
    if found is not None:
        raise InvalidState(f"field {found.where!r}: {found._replace(where='')}; use a type that tells them apart")
