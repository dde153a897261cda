"""What a worker and a client know of a registered entity: its operations, and how its state is made, loaded and read."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import FunctionType, MappingProxyType
from typing import Any, cast

from pydantic import PydanticUserError, ValidationError

from stead.entities._index.catalogue import Index, index_of
from stead.entities._index.expiries import KindExpiry
from stead.entities._index.feeds import KindFeed
from stead.entities._index.types import Unplaced, place_of
from stead.entities._message.errors import InvalidDefinition, InvalidState, UnknownOperation
from stead.entities._message.ids import BUILT_IN, canonical_name, entity_name
from stead.transport import InvalidInput, unpack
from stead.transport.describing import text_of_error

from .annotations import signature_of
from .argument_schemas import ARGUMENTS, schemas_of
from .batched import operation_of
from .class_rules import check_fields, hints_of
from .class_state import StateForm
from .entity import Entity
from .expiring import checked_expiry, expire_operation, has_hook
from .indexed import indexed_types
from .operations import FunctionOperation, Operation
from .schema import describe_errors
from .sharding import checked_shards, merge_of, merged_state, refuse_beside_shards

__all__ = ["ClassEntityType", "EntityType", "FunctionEntityType", "Operation"]


class EntityType(abc.ABC):
    """A registered entity."""

    name: str
    canonical: str
    operations: Mapping[str, Operation]  # by lowered name; empty for the function form, which takes any name
    indexes: Sequence[Index] = ()  # of the fields that it can be queried by
    expires_ms: int | None = None  # when no operation has run for so long, the entity is deleted
    expire: Operation | None = None  # what does so
    expiry: KindExpiry | None = None  # how the catalogue knows it
    ends_unasked: bool = False  # nothing of the user's runs when it expires
    feed: KindFeed | None = None  # of its changes, if they are kept
    shards: int | None = None  # in how many the code wants its entities to be kept; what counts is the hub's record

    @property
    def counted_as(self) -> str:
        """Its name where work is counted: stead's own kinds are in brackets, so that none is taken for a user's of that name."""
        name = self.canonical.removeprefix(BUILT_IN)
        return self.name if name == self.canonical else f"({name})"

    @property
    @abc.abstractmethod
    def entity_class(self) -> type[Entity] | None:
        """The class, for the class form."""

    @abc.abstractmethod
    def operation(self, name: str) -> Operation:
        """The operation of a name, without regard to case. Raises `UnknownOperation`."""

    @abc.abstractmethod
    def read(self, packed: bytes) -> Any:
        """A stored state for a reader. Raises `InvalidState` if it is not valid any more."""

    def merge(self, packed: Sequence[bytes]) -> bytes:
        """The one state of an entity, of those of its shards. Raises `InvalidState`."""
        raise InvalidState(
            f"{self.name} has shards in this hub, and this program's code of it has no way to merge them"
        )

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """What workers publish."""


class ClassEntityType(EntityType):
    """An entity whose state is the fields of a class and whose operations are its methods."""

    def __init__(
        self,
        cls: type[Entity],
        name: str | None = None,
        *,
        built_in: bool = False,
        expires_after: timedelta | None = None,
        changes: timedelta | None = None,
        shards: int | None = None,
    ) -> None:
        """`built_in`: it is stead's own, and has a canonical name that nobody can write. `expires_after`: when no operation has
        run for so long, the entity is deleted. `changes`: for how long they are kept. `shards`: in how many each is kept."""
        self.name = name if name is not None else entity_name(cls)
        self.canonical = f"{BUILT_IN}{canonical_name(self.name)}" if built_in else canonical_name(self.name)
        self._class = cls
        _check_class(cls, self.name)
        self._merge = merge_of(cls)
        self.shards = None if shards is None else checked_shards(cls, shards, self._merge)
        functions = cast("dict[str, FunctionType]", vars(cls)["__stead_operations__"])
        self.operations = MappingProxyType({key: self._operation(key, function) for key, function in functions.items()})
        self.form = _form_of(cls)
        self.indexes = _indexes_of(cls, self.canonical, self.form)
        self.expires_ms = None if expires_after is None else checked_expiry(expires_after, self.name)
        self.expire = None if self.expires_ms is None else expire_operation(cls, self.name, self.expires_ms)
        self.expiry = None if self.expires_ms is None else KindExpiry(self.canonical, self.expires_ms)
        self.ends_unasked = self.expire is not None and self.form.plain and not has_hook(cls)
        self.feed = None if changes is None else _feed_of(self.name, self.canonical, changes)
        refused = {"changes": changes, "expires_after": expires_after, "indexes": self.indexes or None}
        if shards is not None:
            refuse_beside_shards(cls, {name for name, given in refused.items() if given is not None})
        type.__setattr__(cls, "__stead_name__", self.name)

    @property
    def entity_class(self) -> type[Entity]:
        return self._class

    def _operation(self, key: str, function: FunctionType) -> Operation:
        cls = self._class
        name = cast("Any", function).__stead_operation__.name
        operation = operation_of(name, function, hints_of(function, cls), self.name)
        if key == "delete" and not operation.takes_nothing:
            raise InvalidDefinition(
                f"{cls.__name__}.{name}", "`delete` has to work without arguments: give them defaults"
            )
        return operation

    def operation(self, name: str) -> Operation:
        operation = self.operations.get(name) or self.operations.get(name.lower())
        if operation is None:
            raise UnknownOperation(name, self.name, sorted(known.name for known in self.operations.values()))
        return operation

    def read(self, packed: bytes) -> Entity:
        return self.open(packed)[0]

    def open(self, packed: bytes) -> tuple[Entity, bytes]:
        """A stored state as an instance, with the bytes that the instance has. Raises `InvalidState`."""
        try:
            return self.form.open(packed)
        except InvalidInput as error:
            raise InvalidState(f"the stored state of {self.name} cannot be read: {error}") from error
        except ValidationError as error:
            instance = self._migrated(unpack(packed), error)
            return instance, self.form.pack(instance)
        except InvalidState:
            raise
        except Exception as error:  # of the user's validators: they may raise whatever they like
            raise InvalidState(
                f"the stored state of {self.name} could not be loaded: a validator of its fields raised {text_of_error(error)}"
            ) from error

    def _migrated(self, stored: object, error: ValidationError) -> Entity:
        cls = self._class
        migrate = cast("Callable[[Any], Any] | None", getattr(cls, "migrate", None))
        reason = f"the stored state of {self.name} is not what its fields allow now: {describe_errors(error)}"
        if not isinstance(inspect.getattr_static(cls, "migrate", None), (classmethod, staticmethod)) or migrate is None:
            raise InvalidState(
                f"{reason}; give the class a class method `migrate(cls, old: dict) -> dict`, or the code that it had"
            ) from error
        try:
            return self.form.load(migrate(stored))
        except ValidationError as again:
            raise InvalidState(
                f"{reason}; and what `migrate` made of it is not either: {describe_errors(again)}"
            ) from again
        except Exception as failure:
            raise InvalidState(f"{reason}; and `migrate` raised {text_of_error(failure)}") from failure

    def merge(self, packed: Sequence[bytes]) -> bytes:
        if self._merge is None:
            return super().merge(packed)
        return merged_state(self._class, [self.read(each) for each in packed], self._merge, self.form.pack, self.name)

    def describe(self) -> dict[str, Any]:
        operations = self.operations.values()
        names = sorted(operation.name for operation in operations)
        described: dict[str, Any] = {"name": self.name, "operations": names, "form": "class"}
        if self.shards is not None:
            described["shards"] = self.shards
        arguments = schemas_of((operation.name, operation.seen, operation.hints) for operation in operations)
        return described | {ARGUMENTS: arguments} if arguments else described


def _check_class(cls: type[Entity], name: str) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Entity)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidDefinition(repr(cls), "@app.entity goes above a class that derives from Entity")
    if cls is Entity:
        raise InvalidDefinition("Entity", "derive a class of your own from it")
    if inspect.isabstract(cls):
        raise InvalidDefinition(cls.__name__, f"it is abstract: define {', '.join(sorted(cls.__abstractmethods__))}")
    if cls.__pydantic_generic_metadata__["parameters"]:
        raise InvalidDefinition(cls.__name__, 'it is generic: register what it stands for, name="…" and Box[int]')
    given = vars(cls).get("__stead_name__", name)
    if given != name:
        raise InvalidDefinition(
            cls.__name__, f"it is registered as {given!r} already: make a subclass for a second name"
        )
    try:
        cls.model_rebuild()
    except (PydanticUserError, NameError) as error:
        raise InvalidDefinition(cls.__name__, f"a field's type cannot be resolved: {error}") from error
    check_fields(cls)


def _form_of(cls: type[Entity]) -> StateForm:
    try:
        return StateForm(cls)
    except ValidationError as error:
        raise InvalidDefinition(cls.__name__, f"a default is not valid: {describe_errors(error)}") from error
    except (InvalidInput, InvalidState) as error:
        raise InvalidDefinition(cls.__name__, f"its fresh state cannot be stored: {error}") from error


def _feed_of(name: str, kind: str, changes: timedelta) -> KindFeed:
    if not isinstance(changes, timedelta) or changes < timedelta(seconds=1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidDefinition(
            f"entity {name!r}", "changes=… is how long they are kept: a timedelta of a second or more"
        )
    return KindFeed(kind, changes // timedelta(milliseconds=1))


def _indexes_of(cls: type[Entity], kind: str, form: StateForm) -> tuple[Index, ...]:
    """The indexes of a class's fields. Raises `InvalidDefinition` if what is stored of one cannot be indexed."""
    types = indexed_types(cls)
    fresh: Mapping[str, Any] = unpack(form.pack(form.fresh())) if types else {}
    found: list[Index] = []
    for name, wanted in types.items():
        try:
            place_of(wanted.code, fresh[name])
        except Unplaced as error:
            raise InvalidDefinition(
                f"field {name!r} of {cls.__name__}", f"what is stored of its default cannot be indexed: {error}"
            ) from None
        # What a factory makes is another each time: a stored state without the field has no value that anyone could know.
        fixed = cls.model_fields[name].default_factory is None
        found.append(index_of(kind, name, wanted.code, fixed, fresh[name] if fixed else None))
    return tuple(found)


class FunctionEntityType(EntityType):
    """An entity that is one function: it gets every operation, and finds its name in the context."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.canonical = canonical_name(name)
        if not callable(function) or isinstance(function, type):
            raise InvalidDefinition(f"entity {name!r}", "@app.entity_function goes above a function")
        count = len(signature_of(function).parameters)
        if count != 1:
            raise InvalidDefinition(f"entity function {name!r}", f"it takes one argument, the context, and not {count}")
        self.operations = MappingProxyType({})
        self._function = function

    @property
    def entity_class(self) -> None:
        return None

    def operation(self, name: str) -> Operation:
        return FunctionOperation(name, self._function, self.name)

    def read(self, packed: bytes) -> Any:
        try:
            return unpack(packed)
        except InvalidInput as error:
            raise InvalidState(f"the stored state of {self.name} cannot be read: {error}") from error

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "operations": [], "form": "function"}
