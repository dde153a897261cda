"""What can be said of an error, whatever it is like: its type, its message, its traceback, its causes.

An error is the user's, and so is the code behind its attributes. Whoever describes one does so while something else has
failed already, mostly outside of everything that would catch a second failure. So

1. nothing here can fail. What an error's text does instead of being a text is said in its place;
2. an error is told by its type, and its fields are read from where the interpreter keeps them: no property, no
   `__getattr__`, no `__class__` and no metaclass has a say. The only code of the user's that runs is `__str__`;
3. nothing here takes long or gives much: depth, width, number and length are limited, however large a tree of errors is;
4. what is given can be stored: plain text, without halves of surrogate pairs.

For stead's own layers, not for applications: it may change with any version.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, cast

MESSAGE_LENGTH_MAX = 4_000  # characters of an error's message
TRACEBACK_LENGTH_MAX = 8_000  # characters of a traceback: its end says most
NAME_LENGTH_MAX = 200
CAUSES_MAX = 8  # of a chain of causes
MEMBERS_MAX = 8  # of a group of errors
GROUPS_MAX = 4  # groups within groups
ERRORS_MAX = 32  # that are described in one traceback
FRAMES_MAX = 60
NOTES_MAX = 8
_MEMBER_LENGTH_MAX = 400

_module_of: Any = vars(type)["__module__"].__get__
_qualname_of: Any = vars(type)["__qualname__"].__get__
_mro_of: Any = vars(type)["__mro__"].__get__
_names_of: Any = vars(type)["__dict__"].__get__
_cause_of: Any = vars(BaseException)["__cause__"].__get__
_context_of: Any = vars(BaseException)["__context__"].__get__
_suppresses: Any = vars(BaseException)["__suppress_context__"].__get__
_frames_of: Any = vars(BaseException)["__traceback__"].__get__
_fields_of: Any = vars(BaseException)["__dict__"].__get__
_get: Any = vars(dict)["get"]
_group_members: Any = vars(BaseExceptionGroup)["exceptions"].__get__

_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"


def is_a(error: BaseException, kind: type[BaseException] | tuple[type[BaseException], ...]) -> bool:
    """Whether an error is of a type of ours. (`isinstance` asks the error's `__class__` as well.)"""
    return issubclass(type(error), kind)


def qualified_name(error_type: type) -> str:
    """The name of an error's type as callers see it: `ValueError`, `decimal.InvalidOperation`."""
    name = _plain(_qualname_of(error_type), NAME_LENGTH_MAX)
    try:
        module = _plain(_module_of(error_type), NAME_LENGTH_MAX)
    except AttributeError:
        return name
    if module in ("builtins", ""):
        return name
    if module.startswith("stead."):  # as users import it: its private modules may change
        module = module.partition("._")[0]
    return f"{module}.{name}"


def fields_of(error: BaseException) -> dict[str, object]:
    """What an error has in its own dictionary: for `field_of`."""
    return cast("dict[str, object]", _fields_of(error))


def field_of(fields: dict[str, object], name: str) -> object:
    """What a dictionary has under a name, even if it is of a class that says otherwise; None if there is nothing."""
    return _get(fields, name)


def says(error: BaseException, name: str) -> bool:
    """Whether an attribute of an error, or the nearest one of its types, is True. (A property is not looked into.)"""
    if field_of(fields_of(error), name) is True:
        return True
    for base in _mro_of(type(error)):
        names = _names_of(base)
        if name in names:
            return names[name] is True
    return False


def cause_of(error: BaseException) -> BaseException | None:
    """What an error was raised from, or while it was handled."""
    cause = _cause_of(error)
    if cause is None and not _suppresses(error):
        cause = _context_of(error)
    return cast("BaseException | None", cause)


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """The errors of a group, all of them; none of any other error."""
    if not is_a(error, BaseExceptionGroup):
        return ()
    return cast("tuple[BaseException, ...]", _group_members(error))


def frames_of(error: BaseException) -> TracebackType | None:
    """Where an error came from, as the interpreter keeps it."""
    return cast("TracebackType | None", _frames_of(error))


def last_frame_of(error: BaseException) -> TracebackType | None:
    """The frame from which an error came."""
    last: TracebackType | None = _frames_of(error)
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last


def text_of(value: object, length_max: int = MESSAGE_LENGTH_MAX) -> str:
    """What `str` gives for something of the user's, or why it gives nothing."""
    try:
        return _plain(str(value), length_max)
    except BaseException as broken:  # noqa: BLE001 - see the module's head
        return f"(its text cannot be had: {qualified_name(type(broken))})"


def repr_of(value: object, length_max: int) -> str:
    """What `repr` gives for something of the user's, or why it gives nothing."""
    try:
        text = _plain(repr(value), length_max + 1)
    except BaseException as broken:  # noqa: BLE001 - see the module's head
        return f"a {qualified_name(type(value))} that cannot be shown ({qualified_name(type(broken))})"
    return text if len(text) <= length_max else text[: length_max - 3] + "..."


def message_of(error: BaseException) -> str:
    """What an error says; a group says what its first errors are as well."""
    text = text_of(error)
    members = members_of(error)
    if not members:
        return text
    named = "; ".join(text_of_error(member, _MEMBER_LENGTH_MAX) for member in members[:MEMBERS_MAX])
    left = f"; and {len(members) - MEMBERS_MAX:,} more" if len(members) > MEMBERS_MAX else ""
    return f"{text}: {named}{left}"[:MESSAGE_LENGTH_MAX]


def text_of_error(error: BaseException, length_max: int = MESSAGE_LENGTH_MAX) -> str:
    """An error in a line: its type, and what it says."""
    message = text_of(error, length_max)
    name = qualified_name(type(error))
    return f"{name}: {message}" if message else name


def traceback_of(error: BaseException, *, chain: bool = True) -> str:
    """The text of an error's traceback, with those of its causes if `chain`, and of the first members of groups."""
    text = "".join(_Rendering(chain).of(error, 0))
    return text[-TRACEBACK_LENGTH_MAX:]


def _plain(text: object, length_max: int) -> str:
    """A text as one that can be stored; "" for what is none. (A subclass of `str` may do anything.)"""
    if not issubclass(type(text), str):
        return ""
    return str.__str__(cast("str", text))[:length_max].encode("utf-8", "replace").decode()


class _Rendering:
    """One traceback in the making."""

    def __init__(self, chain: bool) -> None:
        self._chain = chain
        self._left = ERRORS_MAX
        self._seen: set[int] = set()

    def of(self, error: BaseException, depth: int) -> Iterator[str]:
        errors: list[tuple[BaseException, str]] = []  # from the last one to what caused it
        following: BaseException | None = error
        joint = ""
        while following is not None and self._left and id(following) not in self._seen:
            self._left -= 1
            self._seen.add(id(following))
            errors.append((following, joint))
            joint = _DURING if _cause_of(following) is None else _CAUSED
            following = cause_of(following) if self._chain and len(errors) <= CAUSES_MAX else None
        for one, joint in reversed(errors):
            yield from self._one(one, depth)
            yield joint

    def _one(self, error: BaseException, depth: int) -> Iterator[str]:
        yield from _frames(_frames_of(error))
        yield f"{text_of_error(error)}\n"
        yield from _notes(error)
        members = members_of(error)
        if not members:
            return
        shown = members[:MEMBERS_MAX] if depth < GROUPS_MAX else ()
        for number, member in enumerate(shown, 1):
            if not self._left:
                shown = shown[: number - 1]
                break
            yield f"  +---------------- {number} ----------------\n"
            for line in "".join(self.of(member, depth + 1)).splitlines():
                yield f"  | {line}\n"
        if len(shown) < len(members):
            yield f"  +---------------- and {len(members) - len(shown):,} more\n"


def _frames(frames: TracebackType | None) -> list[str]:
    if frames is None:
        return []
    try:
        lines = traceback.extract_tb(frames, limit=-FRAMES_MAX).format()
    except BaseException as broken:  # noqa: BLE001 - where a source comes from is the user's code too
        lines = [f"  (it cannot be shown: {qualified_name(type(broken))})\n"]
    return ["Traceback (most recent call last):\n", *(_plain(line, MESSAGE_LENGTH_MAX) for line in lines)]


def _notes(error: BaseException) -> Iterator[str]:
    """What was added to an error by `add_note`."""
    notes = field_of(fields_of(error), "__notes__")
    if type(notes) is not list and type(notes) is not tuple:
        return
    for note in cast("Sequence[object]", notes)[:NOTES_MAX]:
        yield f"{text_of(note)}\n"
