"""A script's signature: what it is given and what it gives, declared once for both sides (`signatures`, `commit_signature`).

1. A script's arguments are a tuple with names. Python makes one by its names, which a type checker sees; in Lua each is a
   local of that name (`Signature.locals`, put before the script's own text), and a field of a row has a constant for its
   place: `send[SEND_INBOX]` for `Send.inbox`. Nobody counts. (The constants become numbers when the text is read: a local that
   many functions share costs each call more than what they do.)
2. The keys that every call has are locals too, by the names that `KeyNames` has for them. Others follow them; arguments name
   these by their places in KEYS, which count from 1.
3. Numbers that may be large, and texts that go into keys or hashes, are given as text. The order of fields is the order in
   which they are packed: workers of two versions send the same bytes as long as nobody changes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

A = TypeVar("A", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Signature(Generic[A]):
    """One script's keys, arguments, rows and answer."""

    arguments: type[A]
    keys: str = ""  # "lease:hash inbox:stream": what every call has, in this order
    optional_keys: str = ""  # what comes after these, or not: in Lua to be used only if it came
    more_keys: str = ""  # what comes then, in words
    last_keys: str = ""  # as `keys`, behind everything else
    rows: tuple[type[tuple[Any, ...]], ...] = ()  # what the arguments, or the answer, are made of
    answer: type[tuple[Any, ...]] | None = None  # what it gives when it did what it was asked to, if that is an array
    packed: bool = True  # the arguments are one, packed; else each is one of its own

    @property
    def kinds(self) -> dict[str, str]:
        """The types of the keys by their names, in order: all that have names."""
        return dict(key.split(":") for key in f"{self.keys} {self.optional_keys} {self.last_keys}".split())

    @property
    def keys_min(self) -> int:
        """How many keys a call has at least."""
        return len(f"{self.keys} {self.last_keys}".split())

    def locals(self) -> str:
        """The Lua text that gives keys and arguments their names."""
        lines: list[str] = []
        keys = [key.split(":")[0] for key in f"{self.keys} {self.optional_keys}".split()]
        if keys:
            places = ", ".join(f"KEYS[{place}]" for place in range(1, len(keys) + 1))
            lines.append(f"local {', '.join(keys)} = {places}")
        if self.more_keys and keys:
            lines.append(f"local MORE_KEYS = {len(keys) + 1}")
        names = fields_of(self.arguments)
        if names:
            given = "cmsgpack.unpack(ARGV[1])" if self.packed else "ARGV"
            lines.append(f"local {', '.join(names)} = unpack({given}, 1, {len(names)})")
        return "".join(f"{line}\n" for line in lines)

    def placed(self, text: str) -> str:
        """A script's text with the places of fields for their constants."""
        places = {name: str(place) for row in self.rows for place, name in enumerate(constants_of(row), 1)}
        return re.sub(r"\b[A-Z][A-Z_]+\b", lambda found: places.get(found[0], found[0]), text)


def fields_of(row: type[tuple[Any, ...]]) -> tuple[str, ...]:
    """The names of a tuple's fields."""
    names: tuple[str, ...] = getattr(row, "_fields", ())
    return names


def constants_of(row: type[tuple[Any, ...]]) -> list[str]:
    """What the places of a row's fields are called in Lua."""
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", row.__name__).upper()
    return [f"{prefix}_{name.upper()}" for name in fields_of(row)]


class Nothing(NamedTuple):
    """No arguments."""
