"""The Lua scripts: each is one file in `lua/`, called as the step is, whose head lists its keys, answer and errors.

What it uses of `lua/_prelude.lua` is put after the first line of each (a call pays for every function that is made), of
`lua/_queues.lua` and `lua/_limits.lua` too where queues are dealt with, and then the names of its keys and arguments, from its
signature. Scripts are loaded with SCRIPT LOAD and called by their hash: evaluated ones would be evicted after some hundreds of
others (HAZARDS 6).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Generic, cast

import hiredis
import msgpack

from stead.transport._contract.rope import Rope

from . import group_signatures, index_signatures, signatures, task_signatures
from .commit_signature import COMMIT as COMMIT_SIGNATURE
from .signature import A, Signature

# Both libraries type these loosely.
_pack_command = cast("Callable[[tuple[bytes | str | int, ...]], bytes]", cast("Any", hiredis).pack_command)
_packb = cast("Callable[..., bytes]", cast("Any", msgpack).packb)

_FOLDER = files("stead.transport") / "_redis" / "lua"
_PRELUDE = (_FOLDER / "_prelude.lua").read_text("utf-8")
_COMMON = _PRELUDE.partition("local function ")[0].partition("\n\n")[2].partition("\n\n")[0]
_QUEUES = (_FOLDER / "_queues.lua").read_text("utf-8")
_LIMITS = _QUEUES + (_FOLDER / "_limits.lua").read_text("utf-8")


def command(*words: bytes | str | int) -> bytes:
    """A command as it goes over the wire. (A name that another program has written may be no UTF-8: it was read escaped.)"""
    try:
        return _pack_command(words)
    except UnicodeEncodeError:
        return _pack_command(tuple(_unescaped(word) if isinstance(word, str) else word for word in words))


def _unescaped(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")


def packed_argument(value: object) -> bytes:
    """A script's one argument. The server's `cmsgpack` does not know msgpack's bin type, so bytes go as raw strings. (Names
    that are no UTF-8: see `command`.)"""
    try:
        return _packb(value, use_bin_type=False, default=_of_rope)
    except UnicodeEncodeError:
        return _packb(value, use_bin_type=False, default=_of_rope, unicode_errors="surrogateescape")


def _of_rope(value: object) -> bytes:
    """What is stored of a rope. None comes here but in a process with a hub that keeps what is large elsewhere, when another one's state is
    larger than that hub allows by now."""
    if isinstance(value, Rope):
        return bytes(value)
    raise TypeError(f"a {type(value).__name__} cannot be an argument")


@dataclass(frozen=True, slots=True)
class Script(Generic[A]):
    """One script: its text, the hash by which it is called, and what it is given."""

    name: str
    source: str
    sha: bytes
    signature: Signature[A]
    packs: bool
    keys_min: int

    def call(self, keys: Iterable[bytes], arguments: A) -> bytes:
        """The command that runs the script, as it goes over the wire."""
        keys = tuple(keys)
        assert len(keys) >= self.keys_min
        if self.packs:
            return _pack_command((b"EVALSHA", self.sha, len(keys), *keys, packed_argument(arguments)))
        return _pack_command((b"EVALSHA", self.sha, len(keys), *keys, *arguments))

    @property
    def load(self) -> bytes:
        """The command that loads the script."""
        return command(b"SCRIPT", b"LOAD", self.source)


def _script(name: str, signature: Signature[A], more: str = "") -> Script[A]:
    first, _, rest = (_FOLDER / f"{name}.lua").read_text("utf-8").partition("\n")
    return _of_source(name, f"{first}\n{_used(rest, more)}{signature.locals()}{signature.placed(rest)}", signature)


_FUNCTION = re.compile(r"^local function (\w+).*?^end$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"(\w+)[(,)]")  # what is called or handed on; \w+ is the whole word


def _named_in(text: str) -> set[str]:
    return set(_NAMED.findall(text))


@cache  # for some forty scripts, each time the program starts
def _functions(text: str) -> list[tuple[str, str, set[str]]]:
    """What is defined there: names, texts, and what each names itself; the last one first."""
    return [(found[1], found[0], _named_in(found[0])) for found in reversed([*_FUNCTION.finditer(text)])]


def _used(text: str, more: str) -> str:
    """What a script needs of the prelude, and of what it has more: the functions that it names, and those that these name."""
    named, used = _named_in(text), list[str]()
    for name, function, others in _functions(_PRELUDE + more):  # each names earlier ones only
        if name in named:
            named |= others
            used.append(function)
    return "".join(f"{part}\n" for part in (_COMMON, *reversed(used)))


def _although_full(script: Script[A]) -> Script[A]:
    """The same script, which the server does not refuse when its memory is full."""
    _, _, rest = script.source.partition("\n")
    return _of_source(f"{script.name}_freeing", f"#!lua flags=allow-oom\n{rest}", script.signature)


def _of_source(name: str, source: str, signature: Signature[A]) -> Script[A]:
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest().encode()
    return Script(name, source, sha, signature, signature.packed, signature.keys_min)


ACQUIRE = _script("acquire", signatures.ACQUIRE)
ADOPT = _script("adopt", index_signatures.ADOPT)
ATTEND_GROUP = _script("attend_group", group_signatures.ATTEND_GROUP)
COMMIT = _script("commit", COMMIT_SIGNATURE)
COMPLETE_TASK = _script("complete_task", task_signatures.COMPLETE_TASK, _LIMITS)
DECLARE_INDEXES = _script("declare_indexes", index_signatures.DECLARE_INDEXES)
DROP_GROUP = _script("drop_group", group_signatures.DROP_GROUP)
ENQUEUE = _script("enqueue", signatures.ENQUEUE)
ENQUEUE_FREEING = _although_full(ENQUEUE)
FIND_ENTRY = _script("find_entry", index_signatures.FIND_ENTRY)
FIRE_TIMERS = _script("fire_timers", signatures.FIRE_TIMERS)
FOLD_MEASURES = _script("fold_measures", signatures.FOLD_MEASURES)
FORGET_TASKS = _script("forget_tasks", task_signatures.FORGET_TASKS, _LIMITS)
GATHER = _script("gather", index_signatures.GATHER)
GIVE_BACK_TASKS = _script("give_back_tasks", task_signatures.GIVE_BACK_TASKS, _LIMITS)
HEARTBEAT = _script("heartbeat", signatures.HEARTBEAT)
JOIN_HUB = _script("join_hub", signatures.JOIN_HUB)
KEEP_TASKS = _script("keep_tasks", task_signatures.KEEP_TASKS, _LIMITS)
LEAVE = _script("leave", signatures.LEAVE)
LIVING = _script("living", signatures.LIVING)
LOOK_AT_LIMITS = _script("look_at_limits", task_signatures.LOOK_AT_LIMITS)
MARK_DONE = _script("mark_done", group_signatures.MARK_DONE)
MARK_RUNNING = _script("mark_running", signatures.MARK_RUNNING)
MARK_TASK = _script("mark_task", task_signatures.MARK_TASK)
MEASURE = _script("measure", signatures.MEASURE)
OPEN_GROUP = _script("open_group", group_signatures.OPEN_GROUP)
OPEN_QUEUES = _script("open_queues", task_signatures.OPEN_QUEUES, _LIMITS)
OPEN_SOURCE = _script("open_source", signatures.OPEN_SOURCE)
PARK = _script("park", signatures.PARK)
PUBLISH = _script("publish", signatures.PUBLISH)
RAISE_SHARDS = _script("raise_shards", index_signatures.RAISE_SHARDS)
READ_FEED = _script("read_feed", index_signatures.READ_FEED)
RELEASE = _script("release", signatures.RELEASE)
RENEW = _script("renew", signatures.RENEW)
RESEND_DEAD_LETTER = _script("resend_dead_letter", signatures.RESEND_DEAD_LETTER)
RETAKE_TASKS = _script("retake_tasks", task_signatures.RETAKE_TASKS, _LIMITS)
RIGHTS = _script("rights", signatures.RIGHTS)
SEEK = _script("seek", index_signatures.SEEK)
SHARE_TASKS = _script("share_tasks", task_signatures.SHARE_TASKS, _QUEUES)
TAKE_TASKS = _script("take_tasks", task_signatures.TAKE_TASKS, _LIMITS)

ALL: tuple[Script[Any], ...] = (
    ACQUIRE,
    ADOPT,
    ATTEND_GROUP,
    COMMIT,
    COMPLETE_TASK,
    DECLARE_INDEXES,
    DROP_GROUP,
    ENQUEUE,
    ENQUEUE_FREEING,
    FIND_ENTRY,
    FIRE_TIMERS,
    FOLD_MEASURES,
    FORGET_TASKS,
    GATHER,
    GIVE_BACK_TASKS,
    HEARTBEAT,
    JOIN_HUB,
    KEEP_TASKS,
    LEAVE,
    LIVING,
    LOOK_AT_LIMITS,
    MARK_DONE,
    MARK_RUNNING,
    MARK_TASK,
    MEASURE,
    OPEN_GROUP,
    OPEN_QUEUES,
    OPEN_SOURCE,
    PARK,
    PUBLISH,
    RAISE_SHARDS,
    READ_FEED,
    RELEASE,
    RENEW,
    RESEND_DEAD_LETTER,
    RETAKE_TASKS,
    RIGHTS,
    SEEK,
    SHARE_TASKS,
    TAKE_TASKS,
)
