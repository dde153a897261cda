"""How deep values may be nested: refused at the sender, by name, and never the end of a process that reads them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

import msgpack
import pytest
from pydantic import BaseModel

from stead.entities._message.envelope import decode_message, encode_message, encode_reply
from stead.transport import DEPTH_MAX, InvalidInput, pack, pack_exact, unpack

_msgpack: Any = msgpack


class Node(BaseModel):
    inner: Any = None


@dataclasses.dataclass(slots=True)
class Link:
    inner: Any = None


WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda inner: [1, inner, "text"],
    "dict": lambda inner: {"a": 1, "inner": inner},
    "tuple": lambda inner: (inner,),
    "model": lambda inner: Node(inner=inner),
    "dataclass": Link,
    "key": lambda inner: {(inner if inner is None else tuple(inner.items())): 1},
}


def nested(wrap: Callable[[Any], Any], levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("levels", [DEPTH_MAX + 1, 100, 250, 600, 5_000])
@pytest.mark.parametrize("kind", WRAPS)
def test_what_is_nested_too_deep_is_refused_where_it_is_packed(kind: str, levels: int) -> None:
    with pytest.raises(InvalidInput, match="nested deeper than 32"):
        pack([nested(WRAPS[kind], levels)])
    with pytest.raises(InvalidInput):
        pack_exact(nested(WRAPS[kind], levels))
    with pytest.raises(InvalidInput, match="nested deeper than 32"):
        encode_message("@a@b", "op", [1, nested(WRAPS[kind], levels)], b"id")


@pytest.mark.parametrize("kind", [name for name in WRAPS if name != "key"])  # which takes several levels
def test_what_is_as_deep_as_it_may_be_goes_through(kind: str) -> None:
    value = nested(WRAPS[kind], DEPTH_MAX)
    payload = encode_message("@a@b", "op", [value], b"id", {"k": {"name": value}})
    assert len(decode_message(payload).args) == 1
    assert unpack(encode_reply(1, value))[0] == 1


def test_the_part_that_is_too_deep_is_named() -> None:
    deep = nested(WRAPS["list"], DEPTH_MAX + 1)
    with pytest.raises(InvalidInput, match="argument 2 of 'op'"):
        encode_message("@a@b", "op", [1, deep], b"id")
    with pytest.raises(InvalidInput, match="argument 'where' of 'op'"):
        encode_message("@a@b", "op", [1], b"id", {"k": {"who": 1, "where": deep}})
    with pytest.raises(InvalidInput, match="result"):
        encode_reply(1, deep)


def extensions(code: int, levels: int) -> bytes:
    """Extensions within each other, as no sender of stead would make them."""
    data = cast("bytes", _msgpack.packb([]))
    for _ in range(levels):
        inside = cast("bytes", _msgpack.packb([data])) if code in (7, 8) else data  # a set holds its members packed
        data = cast("bytes", _msgpack.packb([_msgpack.ExtType(code, inside)]))
    return data


@pytest.mark.parametrize("levels", [DEPTH_MAX + 20, 250, 20_000])
def test_what_was_written_too_deep_is_no_more_than_unreadable(levels: int) -> None:
    """In a process of its own: what is at stake is the process."""
    code = (
        "import sys; from stead.transport import InvalidInput, unpack\n"
        "from stead.entities._message.envelope import decode_message\n"
        "for read in (unpack, decode_message):\n"
        "    try: read(sys.stdin.buffer.read() if read is unpack else DATA)\n"
        "    except InvalidInput: print('refused')\n"
    )
    for data in (extensions(9, min(levels, 400)), extensions(7, min(levels, 400)), b"\x91" * levels + b"\xc0"):
        text = code.replace("sys.stdin.buffer.read() if read is unpack else DATA", "DATA").replace("DATA", repr(data))
        if len(text) > 100_000:
            continue
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.split()) == (0, ["refused", "refused"]), done.stderr[-300:]
