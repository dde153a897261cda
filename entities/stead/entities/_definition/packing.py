"""The bytes of a state, and whether what would be written is what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stead.transport import InvalidInput, pack_exact


def pack_fields(data: Mapping[str, Any], pack: Callable[[Any], bytes]) -> bytes:
    """A state's bytes. Raises `InvalidInput` that names the field that cannot be stored."""
    try:
        return pack(data)
    except InvalidInput as error:
        for name, value in data.items():
            try:
                pack(value)
            except InvalidInput as found:
                raise InvalidInput(f"field {name!r}", found.reason) from error
        raise


def covers(written: Any, stored: Any) -> bool:
    """Whether everything that is stored would be written just so; there may be more, such as a new field's default."""
    kinds: set[Any] = {type(written), type(stored)}
    if kinds == {dict}:
        return all(key in written and covers(written[key], value) for key, value in stored.items())
    if kinds == {list}:
        return len(written) == len(stored) and all(map(covers, written, stored))
    return pack_exact(written) == pack_exact(stored)
