"""Where users' data is in messages, records, replies, dead letters and changes, and how these look with it in caskets.

    message        [32, target, operation, casket, message_id, extras?]   in it [version, args, kwargs]; of a start its arguments
                                                                         without the input are shown
    entity record  [32, casket or nil, modified_ms, lock, more]           in it the packed state
    reply          [32, call_id, ok, casket]                              in it the value or the failure
    dead letter    its map, with the message in that form, a failure that only names its kind, and `locked`: a casket with the failure
    changes        {"l": casket}                                         in it the entry

Names, IDs and times stay readable, and so does what has no data in it. Who knows nothing of caskets lets all of these wait, or
leaves them out, as what a later version wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from stead.transport import (
    EMPTY_ARRAY,
    NIL,
    Get,
    InvalidInput,
    PayloadLocked,
    PayloadTooLarge,
    Put,
    StoredForm,
    array_of,
    bytes_of,
    casket,
    elements_of,
    entries_of,
    is_packed,
    map_of,
    pack,
    packed,
    read_casket,
    unpack_envelope,
)

from .envelope import (
    MESSAGE_CASKET,
    MESSAGE_VERSION,
    MESSAGE_VERSION_NEWER,
    MESSAGE_VERSION_SHARDS,
    REMINDER,
    REPLY_CASKET,
    REPLY_VERSION,
    Failure,
    encode_failure,
)
from .record import RECORD_CASKET, encode_record

_START = packed("start")
_REMINDER = packed(REMINDER)
_INPUT = 2  # its place in the arguments of a start
_PLAIN_VERSIONS = tuple(map(packed, (MESSAGE_VERSION, MESSAGE_VERSION_NEWER, MESSAGE_VERSION_SHARDS)))
_CASKET_VERSION = packed(MESSAGE_CASKET)
_ENTITY = b"@"
_HEADS = 4  # a packed text's head has at most so many bytes, here


UNTOLD = "what was said of it could not be encoded by the payload codec"


def told_shortly(failure: Failure, error: InvalidInput) -> Failure:
    """What is told of a failure that cannot be told as it is: a traceback may be longer than what the hub allows, and a codec may not
    take the words."""
    if isinstance(error, PayloadTooLarge):
        return failure.shortened()
    return Failure(failure.kind, failure.type, UNTOLD)


class TolerantForm:
    """What garbage becomes: it stays as it is."""

    def seal(self, data: bytes, put: Put) -> bytes:
        """A value with its data in caskets."""
        try:
            return self._seal(data, put)
        except Garbage:
            return data

    def open(self, data: bytes, get: Get) -> bytes:
        """A value with its data in the clear, or why not."""
        try:
            return self._open(data, get)
        except Garbage:
            return data

    def shortened(self, data: bytes) -> bytes | None:
        """What is stored in place of a value that a codec does not take, so that it holds up nothing else; None: nothing is."""
        return None

    def _seal(self, data: bytes, put: Put) -> bytes:
        raise NotImplementedError

    def _open(self, data: bytes, get: Get) -> bytes:
        raise NotImplementedError


class Garbage(Exception):
    """It is no value of that kind."""


def split(data: bytes, least: int = 0) -> list[bytes]:
    """The elements of a packed array of at least so many."""
    try:
        found = elements_of(data)
    except InvalidInput as error:
        raise Garbage from error
    if len(found) < least:
        raise Garbage
    return found


def opened(packed_casket: bytes, get: Get) -> tuple[bytes | None, bytes]:
    """What is in a packed casket, or None and the casket that says why not."""
    try:
        content, shown, _ = read_casket(unpack_envelope(packed_casket))
    except InvalidInput as error:
        raise Garbage from error
    try:
        return get(content), b""
    except PayloadLocked as error:
        return None, casket(content, packed(shown), error.reason)


def opened_parts(packed_casket: bytes, get: Get, count: int) -> tuple[list[bytes], bytes]:
    """The elements of the array in a packed casket; none, and the casket that says why, if it cannot be opened."""
    data, locked = opened(packed_casket, get)
    if data is None:
        return [], locked
    try:
        found = elements_of(data)
    except InvalidInput:
        found = []
    if len(found) == count:
        return found, b""
    content, shown, _ = read_casket(unpack_envelope(packed_casket))
    return [], casket(content, packed(shown), GARBLED)


GARBLED = "the payload codec gave back something else than what it was given"


def without_reason(packed_casket: bytes) -> bytes:
    """A casket as it is stored."""
    try:
        content, shown, _ = read_casket(unpack_envelope(packed_casket))
    except InvalidInput as error:
        raise Garbage from error
    return casket(content, packed(shown))


class _MessageForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        parts = split(data, 5)
        version, target, operation, args, message_id, *rest = parts
        if version == _CASKET_VERSION:
            parts[3] = without_reason(args)
            return array_of(parts)
        if version not in _PLAIN_VERSIONS or operation == _REMINDER:
            return data
        extras = entries_of(rest[0]) if rest else {}
        kwargs = extras.pop("k", NIL)
        if args == EMPTY_ARRAY and kwargs == NIL:
            return data
        content = put(array_of((version, args, kwargs)))
        if content is None:
            return data
        made = [_CASKET_VERSION, target, operation, casket(content, _shown(target, operation, args)), message_id]
        return array_of([*made, map_of(extras)] if extras else made)

    def _open(self, data: bytes, get: Get) -> bytes:
        if data[1:2] != _CASKET_VERSION:
            return data
        version, target, operation, box, message_id, *rest = split(data, 5)
        inner, locked = opened_parts(box, get, 3)
        if locked:
            return array_of((version, target, operation, locked, message_id, *rest))
        version, args, kwargs = inner
        extras = entries_of(rest[0]) if rest else {}
        if kwargs != NIL:
            extras = {"k": kwargs, **extras}
        made = (version, target, operation, args, message_id)
        return array_of((*made, map_of(extras)) if extras else made)


def _shown(target: bytes, operation: bytes, args: bytes) -> bytes:
    if operation != _START or _ENTITY in target[: _HEADS + 1]:
        return NIL
    parts = elements_of(args)
    if len(parts) <= _INPUT:
        return NIL
    parts[_INPUT] = NIL
    return array_of(parts)


class _EntityForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        parts = split(data, 3)
        if parts[0] not in (packed(1), packed(2)):
            return data
        lock = parts[3] if len(parts) > 3 else NIL
        more = parts[4] if len(parts) > 4 else NIL
        state = bytes_of(parts[1])
        content = None if state is None else put(state)
        if more != NIL:
            more = _with_reminders(more, lambda envelope: message_form.seal(envelope, put))
        if content is None and (more == NIL or more == parts[4]):
            return data
        box = parts[1] if content is None else casket(content)
        return array_of((packed(RECORD_CASKET), box, parts[2], lock, more))

    def _open(self, data: bytes, get: Get) -> bytes:
        if data[1:2] != packed(RECORD_CASKET):
            return data
        version, box, modified, lock, more = split(data, 5)[:5]
        state: bytes | None = None
        if box != NIL and box[0] < 0xA0:  # else a state that was not worth a casket
            state, locked = opened(box, get)
            if state is None:
                return array_of((version, locked, modified, lock, more))
        elif box != NIL:
            state = unpack_envelope(box)
        if more != NIL:
            reasons: list[str] = []

            def open_message(envelope: bytes) -> bytes:
                message = message_form.open(envelope, get)
                if message[1:2] == _CASKET_VERSION:
                    reasons.append(read_casket(unpack_envelope(split(message, 5)[3])).why)
                return message

            more = _with_reminders(more, open_message)
            if reasons:
                content = read_casket(unpack_envelope(box)).content if box[0] < 0xA0 else b"\0"
                return array_of((version, casket(content, why=reasons[0]), modified, lock, more))
        known: Mapping[str, object] | None = None if more == NIL else unpack_envelope(more)
        return encode_record(state, unpack_envelope(modified), unpack_envelope(lock), known)


def _with_reminders(more: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """What a record has besides, with the messages of its reminders changed."""
    found: Any = unpack_envelope(more)
    if not isinstance(found, dict):
        raise Garbage
    letters = cast("dict[str, Any]", found)
    reminders = letters.get("r")
    if isinstance(reminders, dict):
        letters["r"] = {
            name: [*parts[:3], change(parts[3]), *parts[4:]]
            for name, parts in cast("dict[str, Any]", reminders).items()
        }
    return packed(letters)


class _ReplyForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        parts = split(data, 4)
        if parts[0] != packed(REPLY_VERSION) or parts[3] == NIL:
            return data
        content = put(parts[3])
        return data if content is None else array_of((packed(REPLY_CASKET), *parts[1:3], casket(content), *parts[4:]))

    def _open(self, data: bytes, get: Get) -> bytes:
        if data[1:2] != packed(REPLY_CASKET):
            return data
        _, call_id, well, box, *rest = split(data, 4)
        value, locked = opened(box, get)
        if value is None:
            return array_of((packed(REPLY_CASKET), call_id, well, locked, *rest))
        return array_of((packed(REPLY_VERSION), call_id, well, value, *rest))

    def shortened(self, data: bytes) -> bytes | None:
        """A failure without its words."""
        parts = split(data, 4)
        kind: Any = "payload" if parts[2] == packed(True) else unpack_envelope(parts[3])["kind"]
        return encode_failure(unpack_envelope(parts[1]), Failure(kind, "PayloadCodecFailed", UNTOLD))


class _LetterForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        letter = _letter(data)
        envelope, failure = letter["envelope"], letter["failure"]
        if "locked" in letter:
            letter["failure"]["message"] = ""
            letter["envelope"] = message_form.seal(envelope, put)
            return pack(letter)
        garbage = not is_message(envelope)  # then what is in it cannot be told apart
        content = put(pack([failure, envelope if garbage else None]))
        if content is None:  # the message may have something large in it all the same
            letter["envelope"] = message_form.seal(envelope, put)
            return data if letter["envelope"] is envelope else pack(letter)
        shown = dict.fromkeys(failure, "") | {name: failure[name] for name in ("kind", "type") if name in failure}
        sealed = b"" if garbage else message_form.seal(envelope, put)
        letter |= {"envelope": sealed, "failure": shown, "locked": content}
        return pack(letter)

    def _open(self, data: bytes, get: Get) -> bytes:
        letter = _letter(data)
        if "locked" not in letter:
            envelope = letter["envelope"]
            letter["envelope"] = message_form.open(envelope, get)
            return data if letter["envelope"] is envelope else pack(letter)
        try:
            found: Any = unpack_envelope(get(letter["locked"]))
            failure, kept = found
        except PayloadLocked as error:
            letter["failure"]["message"] = f"locked: {error.reason}"
            return pack(letter)
        except (InvalidInput, TypeError, ValueError):
            letter["failure"]["message"] = f"locked: {GARBLED}"
            return pack(letter)
        del letter["locked"]
        letter["failure"] = failure
        letter["envelope"] = message_form.open(letter["envelope"], get) if kept is None else kept
        return pack(letter)

    def shortened(self, data: bytes) -> bytes | None:
        """The message, with a failure without its words."""
        letter = _letter(data)
        letter["failure"] = dict.fromkeys(letter["failure"], "") | {
            "kind": letter["failure"]["kind"],
            "type": letter["failure"]["type"],
            "message": UNTOLD,
        }
        return pack(letter)


def is_message(envelope: bytes) -> bool:
    """Whether it is a message, of a version that is known here."""
    try:
        return split(envelope, 5)[0] in (*_PLAIN_VERSIONS, _CASKET_VERSION)
    except Garbage:
        return False


def _letter(data: bytes) -> dict[str, Any]:
    try:
        found: Any = unpack_envelope(data)
    except InvalidInput as error:
        raise Garbage from error
    if not isinstance(found, dict):
        raise Garbage
    letter = cast("dict[str, Any]", found)
    if not is_packed(letter.get("envelope")) or not isinstance(letter.get("failure"), dict):
        raise Garbage
    return letter


class _EntryForm(TolerantForm):
    def _seal(self, data: bytes, put: Put) -> bytes:
        if not data or data[:1] == _ENTRY_HEAD:
            return data
        content = put(data)
        return data if content is None else map_of({"l": casket(content)})

    def _open(self, data: bytes, get: Get) -> bytes:
        if data[:1] != _ENTRY_HEAD:
            return data
        try:
            box = entries_of(data)["l"]
        except (InvalidInput, KeyError) as error:
            raise Garbage from error
        entry, locked = opened(box, get)
        return map_of({"l": locked}) if entry is None else entry


_ENTRY_HEAD = b"\x81"

message_form: StoredForm = _MessageForm()
entity_form: StoredForm = _EntityForm()
reply_form: StoredForm = _ReplyForm()
letter_form: StoredForm = _LetterForm()
entry_form: StoredForm = _EntryForm()
