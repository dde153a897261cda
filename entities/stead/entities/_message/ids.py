"""The address of an entity: its name, without regard to case, and its key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any, ClassVar, Protocol

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from stead.transport import InvalidInput

NAME_LENGTH_MAX = 100
KEY_LENGTH_MAX = 256
INSTANCE_ID_LENGTH_MAX = 256

BUILT_IN = "!"
"""With this the canonical names of stead's own kinds begin. No name that anybody writes does."""

SHARD_MARK = "\x1f"
"""In a target, what comes after it says which shard of an entity it is: see `shards`."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*", re.ASCII)
# Control characters (C0, delete, C1), the line and paragraph separators, and halves of surrogate pairs.
_NOT_IN_KEYS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# The same, and what would have to be escaped in a URL's path.
_NOT_IN_INSTANCE_IDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff/\\\\#?]")
# Only ASCII is lowered: Unicode's case folding changes with the version of Python (HAZARDS 29). Names are ASCII.


@lru_cache(maxsize=4096)
def canonical_name(name: str) -> str:
    """The form of an entity's name by which it is known everywhere. Raises `InvalidInput` for what is no name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(
            f"entity name {name!r}", 'a name is a letter, followed by letters, digits, "_", "-" or "." (ASCII)'
        )
    if len(name) > NAME_LENGTH_MAX:
        raise InvalidInput(
            f"entity name {name[:20]!r}…", f"it has {len(name)} characters, and {NAME_LENGTH_MAX} may be"
        )
    return name.lower()


def check_key(key: str) -> str:
    """The key, if it is one. Raises `InvalidInput` otherwise."""
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"entity key {key!r}", "a key is text: convert it with str()")
    # Printable ASCII, the common case, in two fast calls.
    if len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable():
        return key
    if len(key) > KEY_LENGTH_MAX:
        raise InvalidInput(f"entity key {key[:20]!r}…", f"it has {len(key)} characters, and {KEY_LENGTH_MAX} may be")
    if found := _NOT_IN_KEYS.search(key):
        raise InvalidInput(f"entity key {key!r}", f"it contains {found.group()!r}, and control characters may not be")
    return key


def check_instance_id(instance_id: str) -> str:
    """The ID of an orchestration's instance, if it is one. Raises `InvalidInput` otherwise."""
    if not isinstance(instance_id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"instance ID {instance_id!r}", "it is text: convert it with str()")
    if not 0 < len(instance_id) <= INSTANCE_ID_LENGTH_MAX:
        raise InvalidInput(
            f"instance ID {instance_id[:20]!r}…",
            f"it has 1 to {INSTANCE_ID_LENGTH_MAX} characters, not {len(instance_id)}",
        )
    if instance_id[0] == "@":
        raise InvalidInput(f"instance ID {instance_id!r}", 'it may not begin with "@": entities do')
    if found := _NOT_IN_INSTANCE_IDS.search(instance_id):
        raise InvalidInput(
            f"instance ID {instance_id!r}",
            f'it contains {found.group()!r}; "/", "\\", "#", "?" and control characters may not be',
        )
    return instance_id


class EntityClass(Protocol):
    """What derives from `Entity`, as far as addresses know it."""

    __stead_operations__: ClassVar[Mapping[str, FunctionType]]


class EntityId:
    """An entity's address: `EntityId("Station", "oslo")` or `EntityId(Station, "oslo")`.

    `str()` gives its canonical form, `@station@oslo`, and `EntityId.parse` reads that back. Names are compared without
    regard to case, keys exactly. It can be the type of a field, an argument or a result: it is stored, and is in JSON, as
    the text `@Station@oslo`, its name as it was written.
    """

    __slots__ = ("_text", "key", "name")

    name: str
    key: str

    def __init__(self, entity: str | type[EntityClass], key: str) -> None:
        if isinstance(entity, str):
            name = entity
        else:
            name = entity_name(entity)
            if not hasattr(entity, "__stead_operations__"):  # as every class that derives from Entity has
                raise InvalidInput(f"entity {name}", "the class does not derive from Entity")
        self.name = name
        self.key = check_key(key)
        self._text = f"@{canonical_name(name)}@{key}"

    @property
    def canonical_name(self) -> str:
        """The name in the form by which it is known everywhere."""
        return canonical_name(self.name)

    @classmethod
    def parse(cls, text: str) -> EntityId:
        """The ID whose canonical form this is. Raises `InvalidInput` if it is none."""
        mark, _, rest = text.partition("@")
        name, separator, key = rest.partition("@")
        if mark or not separator:
            raise InvalidInput(f"entity ID {text!r}", "it is not of the form @name@key")
        return cls(name, key)

    @classmethod
    def of_target(cls, target: str) -> EntityId:
        """The ID of a target that is known to be one's canonical form, or a shard of it."""
        entity_id = cls.__new__(cls)
        logical = target.partition(SHARD_MARK)[0]
        _, entity_id.name, entity_id.key = logical.split("@", 2)
        entity_id._text = logical
        return entity_id

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"EntityId({self.name!r}, {self.key!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, EntityId) else NotImplemented

    def __lt__(self, other: EntityId) -> bool:
        return self._text < other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type[EntityId], tuple[str, str]]:
        return EntityId, (self.name, self.key)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.no_info_after_validator_function(_read, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _written, return_schema=core_schema.str_schema()
            ),
        )


def _read(text: str) -> EntityId:
    """One that was stored, or comes from outside."""
    try:
        return EntityId.parse(text)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _written(entity_id: EntityId) -> str:
    return f"@{entity_id.name}@{entity_id.key}"


def entity_name(cls: type) -> str:
    """The name under which a class is registered, else the class's own."""
    if not isinstance(cls, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"entity name {cls!r}", "give the name as text, or the entity's class")
    name = vars(cls).get("__stead_name__")
    return name if isinstance(name, str) else cls.__name__
