"""From what a caller writes to a message: which entity, which operation, which arguments.

Two ways to write it, everywhere the same (context, client, producer):

    by class   (Station.record, "oslo", 3.5)                  the type checker knows the arguments and the result
    by name    (EntityId("Station", "oslo"), "record", 3.5)   untyped; checked as far as the name is known here

The methods that do this are overloaded, with `E = TypeVar("E", bound=Entity)`, `P = ParamSpec("P")`, `R = TypeVar("R")`.
Options never share a call with an operation's own arguments, so that `*args: P.args, **kwargs: P.kwargs` are the
operation's. Where there is a result, the overload for asynchronous operations comes first, because a coroutine fits `R` as
well:

    (self, operation: Callable[Concatenate[E, P], Coroutine[Any, Any, R]], key: str, /,
     *args: P.args, **kwargs: P.kwargs) -> R
    (self, operation: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **kwargs: P.kwargs) -> R
    (self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> Any
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from stead.entities._message.errors import UnknownEntity
from stead.entities._message.ids import EntityId, check_key
from stead.transport import InvalidInput, pack_exact, unpack

from .values import check_models

if TYPE_CHECKING:
    from .class_rules import OperationMark
    from .entity_type import Operation
    from .registry import Registry


class Call(NamedTuple):
    """A message to be: checked as far as it can be here, its arguments as plain data."""

    target: str
    operation_name: str
    args: Sequence[object]
    kwargs: Mapping[str, object] | None
    operation: Operation | None  # None: the name is not known here, and nothing was checked

    @property
    def frees(self) -> bool:
        """Whether it deletes the entity and brings nothing along: a server whose memory is full takes it all the same."""
        return not self.args and not self.kwargs and self.operation_name.lower() == "delete"

    def kept(self) -> Call:
        """The same with copies of its arguments, for who has to wait before it is sent: what its caller does with them
        meanwhile changes nothing. Raises `InvalidInput` for what cannot be stored.
        """
        args, kwargs = unpack(pack_exact([list(self.args), self.kwargs]))
        return self._replace(args=args, kwargs=kwargs)


def resolve_call(
    registry: Registry, operation: Any, key: object, args: Sequence[object], kwargs: Mapping[str, object]
) -> Call:
    """What a caller means. Raises `UnknownEntity`, `UnknownOperation` or `InvalidInput` before anything is sent."""
    mark = getattr(operation, "__stead_operation__", None)
    if mark is not None and not hasattr(operation, "__self__"):  # a bound method shows its function's attributes
        owner, name = cast("OperationMark", mark)
        entity_type = registry.for_class(owner)
        if entity_type is None:
            raise UnknownEntity(owner.__name__, registry.names())
        known = entity_type.operation(name)
        plain, named = known.encode(args, kwargs)
        return Call(f"@{entity_type.canonical}@{check_key(cast('str', key))}", known.name, plain, named, known)
    if not isinstance(operation, EntityId):
        raise _no_operation(operation)
    if not isinstance(key, str):
        raise InvalidInput(f"operation {key!r}", "an operation's name is text, as in (EntityId(…), 'record', 3.5)")
    entity_type = registry.get(operation.canonical_name)
    if entity_type is None:
        for value in (*args, *kwargs.values()):
            check_models(value, f"an argument of {operation.name}.{key}")
        return Call(str(operation), check_operation_name(key), args, kwargs or None, None)
    known = entity_type.operation(key)
    plain, named = known.encode(args, kwargs)
    return Call(str(operation), known.name, plain, named, known)


def resolve_own(
    registry: Registry, target: str, operation: Any, args: Sequence[object], kwargs: Mapping[str, object]
) -> Call:
    """What an entity means by an operation of its own: by whichever of its classes it is named, the one that this entity has
    is meant (HAZARDS 78). Raises `UnknownOperation` or `InvalidInput`."""
    entity_id = EntityId.of_target(target)
    entity_type = registry.get(entity_id.name)
    assert entity_type is not None, "an operation of it runs"
    if isinstance(operation, str):
        name = check_operation_name(operation)
    else:
        mark = getattr(operation, "__stead_operation__", None)
        if mark is None or hasattr(operation, "__self__"):
            raise _no_operation(operation)
        owner, name = cast("OperationMark", mark)
        if entity_type.entity_class is None or not issubclass(entity_type.entity_class, owner):
            raise InvalidInput(
                f"operation {owner.__name__}.{name}",
                f"a reminder runs an operation of its own entity, and {entity_type.name} is no {owner.__name__}",
            )
    known = entity_type.operation(name)
    plain, named = known.encode(args, kwargs)
    return Call(target, known.name, plain, named, known)


def check_operation_name(name: str) -> str:
    """An operation's name, if it can be one anywhere. Raises `InvalidInput` otherwise."""
    if not 0 < len(name) <= 256 or not name.isprintable():
        raise InvalidInput(f"operation {name[:40]!r}", "a name has 1 to 256 printable characters")
    if name.startswith("!"):  # the locks of critical sections
        raise InvalidInput(f"operation {name!r}", "names that begin with '!' are stead's own")
    return name


def _no_operation(operation: object) -> InvalidInput:
    owner = getattr(operation, "__self__", None)
    if owner is not None and hasattr(getattr(operation, "__func__", None), "__stead_operation__"):
        name = f"{type(owner).__name__}.{getattr(operation, '__name__', '')}"
        return InvalidInput(f"operation {name}", f"name it by its class ({name}), not by an instance")
    return InvalidInput(
        f"operation {operation!r}",
        "it is not an operation; write (Station.record, key, …) with a public method of an entity class, "
        'or (EntityId("Station", key), "record", …)',
    )
