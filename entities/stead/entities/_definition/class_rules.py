"""The rules for what users write in a class that derives from `Entity`, which is given to them as an argument.

1. A public function of a user's class is an operation. What pydantic uses itself (`model_…`, validators, serializers) is
   not, nor are static methods, class methods and properties.
2. Each class has its own copy of every operation, those that it inherits included, marked with the class: so that
   `Sub.add` names `Sub`, and so that a generic class's `Box[int].put` takes an `int`.
3. Whatever could not work as it looks is refused when the class is defined.
"""

from __future__ import annotations

import abc
import inspect
import sys
import types
from collections.abc import Iterator
from types import FrameType, FunctionType
from typing import Any, Generic, NamedTuple, Protocol, cast

from pydantic import BaseModel

from stead.entities._message.errors import InvalidDefinition

from .annotations import annotations_of, copy_annotations, hints_in
from .indexed import check_indexed, inside_of
from .own_defaults import with_own_defaults
from .schema import substitute, unstorable

# Pydantic's own methods of old have such good names that operations may have them.
_FREE_NAMES = frozenset(name for name in dir(BaseModel) if not name.startswith(("_", "model_")))

# What pydantic means to be overridden.
_PYDANTIC_HOOKS = frozenset({"model_config", "model_post_init", "model_parametrized_name"})

ON_EXPIRE = "on_expire"
"""A method that is no operation: it is run when the entity expires."""

MERGE = "merge"
"""A class method that makes one state of an entity's shards."""

# Classes that stand in the line of descent without being the user's, besides Entity and its own.
_NOT_USERS = frozenset({Generic, Protocol, abc.ABC})


class OperationMark(NamedTuple):
    """What an operation's function carries as `__stead_operation__`: its class and its name there."""

    owner: type
    name: str


# -- what is refused -----------------------------------------------------------------------------------------------------


def check_body(cls: type[BaseModel], entity: type[BaseModel]) -> None:
    """Refuse what a class body may not contain. Runs before pydantic looks at the class."""
    body = vars(cls)
    if cls.__init__ is not entity.__init__ or cls.__new__ is not entity.__new__:
        raise InvalidDefinition(
            cls.__name__, "an entity cannot have an __init__ of its own: give the fields defaults (or default_factory)"
        )
    if "context" in body:
        raise InvalidDefinition(f"{cls.__name__}.context", "the name is taken: it is how operations see the world")
    for name in _annotated(cls):
        _check_field_name(cls, name, body.get(name))
    for name, value in body.items():
        if name.startswith("_"):
            continue
        if inspect.isfunction(value):
            _check_method(cls, name)
        if isinstance(value, (FunctionType, staticmethod, classmethod, property)):
            _check_member(cls, name)


def _annotated(cls: type) -> list[str]:
    """The names that a class body annotates as fields."""
    return [
        name
        for name, annotation in annotations_of(cls).items()
        if not name.startswith("_") and "ClassVar" not in str(annotation)
    ]


def _check_field_name(cls: type[BaseModel], name: str, value: object) -> None:
    what = f"field {name!r} of {cls.__name__}"
    if inspect.isfunction(value):
        raise InvalidDefinition(what, "an operation has the same name: rename one of them")
    if name == "context":
        raise InvalidDefinition(what, "the name is taken: `self.context` is how operations see the world")
    if name == "delete":
        raise InvalidDefinition(what, "every entity has an operation `delete`: rename the field")
    if name == ON_EXPIRE:
        raise InvalidDefinition(what, "the name is taken: a method of it is run when an entity expires")
    if name == MERGE:
        raise InvalidDefinition(what, "the name is taken: a class method of it makes one state of an entity's shards")
    if hasattr(BaseModel, name):
        raise InvalidDefinition(what, "pydantic's models have a member of that name: rename the field")
    for base in cls.__mro__[1:]:
        if isinstance(vars(base).get(name), (FunctionType, staticmethod, classmethod, property)):
            raise InvalidDefinition(what, f"{base.__name__} has a method of that name: rename the field")


def _check_member(cls: type[BaseModel], name: str) -> None:
    """Refuse to override what pydantic, and so stead, uses."""
    if hasattr(BaseModel, name) and name not in _FREE_NAMES and name not in _PYDANTIC_HOOKS:
        raise InvalidDefinition(f"{cls.__name__}.{name}", "pydantic's models have a member of that name: rename it")


def _check_method(cls: type[BaseModel], name: str) -> None:
    what = f"{cls.__name__}.{name}"
    for base in cls.__mro__[1:]:
        if name in vars(base).get("__pydantic_fields__", {}):
            raise InvalidDefinition(what, f"{base.__name__} has a field of that name: rename the operation")
    if name == "migrate":  # no operation: it is how states that do not fit any more are upgraded
        raise InvalidDefinition(what, "it has to be a class method: write @classmethod above it")


def check_fields(cls: type[BaseModel]) -> None:
    """Refuse fields that cannot be an entity's state. Runs when the entity is registered: all types are known then."""
    if cls.model_config.get("frozen"):
        raise InvalidDefinition(
            cls.__name__, "frozen=True: operations change the state; freeze single fields by Field(frozen=True)"
        )
    if cls.model_config.get("arbitrary_types_allowed"):
        raise InvalidDefinition(cls.__name__, "arbitrary_types_allowed: what pydantic cannot check cannot be stored")
    for name, field in cls.model_fields.items():
        what = f"field {name!r} of {cls.__name__}"
        if field.is_required():
            raise InvalidDefinition(what, "it needs a default: the state of an entity that does not exist yet")
        if field.exclude:
            raise InvalidDefinition(what, "exclude=True: what is not stored is lost; use a private attribute (_name)")
        check_indexed(cls, name, field)
        reason = unstorable(inside_of(field.annotation))
        if reason is not None:
            raise InvalidDefinition(what, reason)


# -- operations ----------------------------------------------------------------------------------------------------------


def adopt_operations(cls: type[BaseModel], entity: type[BaseModel]) -> None:
    """Give a class its own, marked copies of all its operations, and remember their annotations."""
    parameters = _type_parameters(cls)
    names = _names_around(cls, entity)
    found: dict[str, FunctionType] = {}
    for name, source in _operation_functions(cls, entity):
        function = with_own_defaults(source)
        if function is not source:
            type.__setattr__(cls, name, function)
        elif vars(cls).get(name) is not source or "__stead_operation__" in vars(source):
            function = _copy(source, f"{cls.__qualname__}.{name}")
            type.__setattr__(cls, name, function)
        hints = vars(source).get("__stead_hints__") or _resolved(source, names)
        if hints is not None:
            hints = {key: substitute(hint, parameters) for key, hint in hints.items()}
        vars(function).update(__stead_operation__=OperationMark(cls, name), __stead_hints__=hints)
        key = name.lower()
        if key in found and not vars(function).get("__stead_implicit__"):
            raise InvalidDefinition(
                f"{cls.__name__}.{name}",
                f"{found[key].__stead_operation__.name!r} differs only by case, "  # type: ignore[attr-defined]
                "and operations are named without regard to case: rename one",
            )
        found.setdefault(key, function)
    type.__setattr__(cls, "__stead_operations__", found)


def _operation_functions(cls: type[BaseModel], entity: type[BaseModel]) -> Iterator[tuple[str, FunctionType]]:
    """The names and functions of a class's operations; the implicit `delete` comes last, unless there is an own one."""
    special = {*_pydantic_hooks(cls), ON_EXPIRE}
    not_users = {*entity.__mro__, *_NOT_USERS}
    seen: set[str] = set()
    for base in cls.__mro__:
        if base in not_users:
            continue
        for name, value in list(vars(base).items()):
            if name in seen or name.startswith("_"):
                continue
            seen.add(name)
            if not isinstance(value, FunctionType) or name in special:
                continue
            if hasattr(BaseModel, name) and name not in _FREE_NAMES:
                continue  # an override of pydantic's, such as model_post_init
            mark = vars(value).get("__stead_operation__")
            if mark is not None and name == "delete" and vars(value).get("__stead_implicit__"):
                continue  # a base class's copy of the implicit one
            yield name, value
    if "delete" not in seen or getattr(cast("Any", cls).delete, "__stead_implicit__", False):
        implicit = _copy(vars(entity)["delete"], f"{cls.__qualname__}.delete")
        vars(implicit)["__stead_implicit__"] = True
        vars(implicit)["__stead_hints__"] = {"return": Any}
        yield "delete", implicit


def _pydantic_hooks(cls: type[BaseModel]) -> set[str]:
    """The names of validators, serializers and computed fields: functions that pydantic calls."""
    decorators = cast("Any", cls).__pydantic_decorators__
    kinds = ("validators", "field_validators", "root_validators", "model_validators")
    others = ("field_serializers", "model_serializers", "computed_fields")
    return {name for kind in (*kinds, *others) for name in getattr(decorators, kind)}


def _type_parameters(cls: type[BaseModel]) -> dict[Any, Any]:
    """What the parameters of a generic class stand for in `Box[int]`."""
    generic = cls.__pydantic_generic_metadata__
    origin = generic["origin"]
    if origin is None:
        return {}
    return dict(zip(origin.__pydantic_generic_metadata__["parameters"], generic["args"], strict=False))


def _copy(function: FunctionType, qualified: str) -> FunctionType:
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy_annotations(function, copy)
    copy.__doc__ = function.__doc__
    copy.__module__ = function.__module__
    copy.__qualname__ = qualified
    vars(copy).update(vars(function))
    return copy


# -- annotations ---------------------------------------------------------------------------------------------------------


def hints_of(function: FunctionType, cls: type[BaseModel]) -> dict[str, Any]:
    """The types of an operation's arguments and result. Raises `InvalidDefinition` if a name in them is unknown."""
    hints = vars(function).get("__stead_hints__")
    if hints is None:
        hints = _resolved(function, {cls.__name__: cls}, strict=True)
    return cast("dict[str, Any]", hints)


def _resolved(function: FunctionType, names: dict[str, Any], *, strict: bool = False) -> dict[str, Any] | None:
    """The annotations with their names looked up; None if some are not defined yet."""
    try:
        return hints_in(function, names)
    except Exception as error:
        if not strict:
            return None
        raise InvalidDefinition(
            function.__qualname__,
            f"an annotation cannot be resolved ({error}): import its types at run time, not under TYPE_CHECKING, "
            "and define them before the class",
        ) from error


def _names_around(cls: type[BaseModel], entity: type[BaseModel]) -> dict[str, Any]:
    """The local names of the function in which a class is defined, if it is: `get_type_hints` knows the global ones."""
    names: dict[str, Any] = {}
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    ours = (__name__, entity.__module__, "abc")
    while frame.f_back is not None and _is_machinery(frame.f_globals.get("__name__", ""), ours):
        frame = frame.f_back
    # The function around the class, and those around it as far as they are still running.
    outer: FrameType | None = frame
    while outer and outer.f_locals is not outer.f_globals and outer.f_globals.get("__name__") == cls.__module__:
        names = {**outer.f_locals, **names}
        outer = outer.f_back
    names[cls.__name__] = cls
    return names


def _is_machinery(module: str, ours: tuple[str, ...]) -> bool:
    return module in ours or module.split(".", maxsplit=1)[0] == "pydantic"
