"""The Lua scripts: each is one file in `lua/`, whose head lists its keys, arguments, answer and errors.

`lua/_prelude.lua` is put after the first line of each, and `lua/_queues.lua` too where queues are dealt with. Scripts are
loaded with SCRIPT LOAD and called by their hash: evaluated ones would be evicted after some hundreds of others (HAZARDS 6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, cast

import hiredis
import msgpack

# Both libraries type these loosely.
_pack_command = cast("Callable[[tuple[bytes | str | int, ...]], bytes]", cast("Any", hiredis).pack_command)
_packb = cast("Callable[..., bytes]", cast("Any", msgpack).packb)

_FOLDER = files("stead.transport") / "_redis" / "lua"
_PRELUDE = (_FOLDER / "_prelude.lua").read_text("utf-8")
_QUEUES = (_FOLDER / "_queues.lua").read_text("utf-8")


def command(*words: bytes | str | int) -> bytes:
    """A command as it goes over the wire."""
    return _pack_command(words)


def packed_argument(value: object) -> bytes:
    """A script's one argument. The server's `cmsgpack` does not know msgpack's bin type, so bytes go as raw strings."""
    return _packb(value, use_bin_type=False)


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its text, and the hash by which it is called."""

    name: str
    source: str
    sha: bytes

    def call(self, keys: Iterable[bytes], *arguments: bytes | str | int) -> bytes:
        """The command that runs the script, as it goes over the wire."""
        keys = tuple(keys)
        return command(b"EVALSHA", self.sha, len(keys), *keys, *arguments)

    def packed(self, keys: Iterable[bytes], *values: Any) -> bytes:
        """The same for a script that takes one packed argument."""
        return self.call(keys, packed_argument(values))

    @property
    def load(self) -> bytes:
        """The command that loads the script."""
        return command(b"SCRIPT", b"LOAD", self.source)


def _script(name: str, more: str = "") -> Script:
    first, _, rest = (_FOLDER / f"{name}.lua").read_text("utf-8").partition("\n")
    return _of_source(name, f"{first}\n{_PRELUDE}{more}{rest}")


def _although_full(script: Script) -> Script:
    """The same script, which the server does not refuse when its memory is full."""
    _, _, rest = script.source.partition("\n")
    return _of_source(f"{script.name}_freeing", f"#!lua flags=allow-oom\n{rest}")


def _of_source(name: str, source: str) -> Script:
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest().encode())


ACQUIRE = _script("acquire")
COMMIT = _script("commit")
COMPLETE = _script("complete")
ENQUEUE = _script("enqueue")
ENQUEUE_FREEING = _although_full(ENQUEUE)
FIRE = _script("fire")
GIVEBACK = _script("giveback", _QUEUES)
HEARTBEAT = _script("heartbeat")
HUB = _script("hub")
KEEP = _script("keep", _QUEUES)
LEAVE = _script("leave")
LIVING = _script("living")
MARK = _script("mark")
OPEN = _script("open", _QUEUES)
PARK = _script("park")
PUBLISH = _script("publish")
RELEASE = _script("release")
RENEW = _script("renew")
RESEND = _script("resend")
RETAKE = _script("retake", _QUEUES)
RIGHTS = _script("rights")
RUNNING = _script("running")
SHARE = _script("share", _QUEUES)
SOURCE = _script("source")
TAKE = _script("take", _QUEUES)

ALL = (
    ACQUIRE,
    COMMIT,
    COMPLETE,
    ENQUEUE,
    ENQUEUE_FREEING,
    FIRE,
    GIVEBACK,
    HEARTBEAT,
    HUB,
    KEEP,
    LEAVE,
    LIVING,
    MARK,
    OPEN,
    PARK,
    PUBLISH,
    RELEASE,
    RENEW,
    RESEND,
    RETAKE,
    RIGHTS,
    RUNNING,
    SHARE,
    SOURCE,
    TAKE,
)
