"""Who may do what: keys with rights, and tokens that are good for one instance alone.

A key is looked for in the query (`code=`), in `x-functions-key`, in `Authorization: Bearer`, and as the password of
`Authorization: Basic`, which clients make of a URL that has one. An empty one is none. Keys are
hashed before they are compared, each with each in constant time, so that neither their length nor how much of one was right
can be measured. They are never logged.

A token goes into the URIs that a start's answer carries. It is an HMAC over the hub, the instance's ID and the rights, under
a secret that is derived from the key of whoever started the instance: it is worth nothing for another instance, does not give
the key away, and ends with the key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard, cast, get_args
from urllib.parse import parse_qsl

from starlette.requests import Request

from .errors import HttpError

VARIABLE = "STEAD_HTTP_KEYS"

Right = Literal["read", "signal", "manage"]
RIGHTS: tuple[Right, ...] = get_args(Right)
_LETTERS: dict[str, Right] = {"r": "read", "s": "signal", "m": "manage"}
_TOKEN = "i1"  # noqa: S105 - how a token begins
_EXAMPLE = '{"the-key": ["read", "signal", "manage"]}'
_SALT = secrets.token_bytes(32)


class KeysRefused(ValueError):
    """The keys cannot be used as they are written. The message never shows one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do. `instance_id`: a token's, and nothing else then. `secret`: for tokens made on its behalf."""

    rights: frozenset[Right]
    instance_id: str | None = None
    secret: bytes | None = None


EVERYTHING = Grant(frozenset(RIGHTS))


@dataclass(frozen=True, slots=True)
class _Key:
    digest: bytes
    rights: frozenset[Right]
    secret: bytes


class Keys:
    """The keys of a gateway. Without any, everything is open to whoever can reach it."""

    def __init__(self, keys: Mapping[str, Iterable[str]] | None = None, *, hub_name: str = "") -> None:
        self._keys = [_key(key, rights) for key, rights in (keys or {}).items()]
        self._hub_name = hub_name

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __repr__(self) -> str:
        return f"Keys({len(self._keys)} keys)"

    @classmethod
    def load(cls, file: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Keys:
        """The keys of a file, else of $STEAD_HTTP_KEYS: a JSON object of rights by key. Raises `KeysRefused`."""
        if file is not None:
            try:
                text = Path(file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise KeysRefused(f"the keys in {file} cannot be read: {error}") from None
            keys = cls(_parse(text, str(file)))
            if not keys:
                raise KeysRefused(f"{file} has no keys; write {_EXAMPLE}")
            return keys
        return cls(
            _parse((os.environ if environ is None else environ).get(VARIABLE, "").strip() or "{}", f"${VARIABLE}")
        )

    def for_hub(self, hub_name: str) -> Keys:
        """The same keys; their tokens are good for this hub only."""
        keys = Keys(hub_name=hub_name)
        keys._keys = self._keys
        return keys

    def grant(self, request: Request) -> Grant:
        """What the keys or the token of a request allow. Raises `HttpError` (401) if it has none that is right."""
        if not self._keys:
            return EVERYTHING
        offered = _offered(request)
        instance_id = cast("str | None", request.path_params.get("instance_id"))
        for word in offered:
            if (grant := self._grant_of(word, instance_id)) is not None:
                return grant
        reason = (
            "the key is not right" if offered else "a key is needed: ?code=, x-functions-key, or Authorization: Bearer"
        )
        raise HttpError(401, reason, headers={"www-authenticate": "Bearer"})

    def key_of(self, request: Request) -> str | None:
        """The key that a request carries, which is right and no token; None if it has none, or none is needed."""
        return next((word for word in _offered(request) if self._keys and self._grant_of(word, None) is not None), None)

    def token(self, grant: Grant, instance_id: str) -> str | None:
        """A token for one instance, for who was granted that; None if no keys are needed here.

        It reads the instance in any case: who has started one may see what becomes of it.
        """
        if grant.secret is None:
            return None
        rights = _with_read(grant.rights)
        letters = "".join(letter for letter, right in _LETTERS.items() if right in rights)
        return self._sign(grant.secret, letters, instance_id)

    def _sign(self, secret: bytes, letters: str, instance_id: str) -> str:
        text = f"{_TOKEN}\0{self._hub_name.lower()}\0{letters}\0{instance_id}"
        signature = hmac.digest(secret, text.encode(errors="surrogatepass"), "sha256")[:24]
        return f"{_TOKEN}.{letters}.{urlsafe_b64encode(signature).decode()}"

    def _grant_of(self, word: str, instance_id: str | None) -> Grant | None:
        digest = _digest(word)
        found: Grant | None = None
        for key in self._keys:  # all of them, whichever it is
            if hmac.compare_digest(key.digest, digest):
                found = Grant(key.rights, None, key.secret)
        start, _, rest = word.partition(".")
        letters = rest.partition(".")[0]
        if found is None and start == _TOKEN and instance_id is not None:
            for key in self._keys:
                if hmac.compare_digest(_digest(self._sign(key.secret, letters, instance_id)), digest):
                    rights = frozenset[Right](_LETTERS[letter] for letter in letters)
                    found = Grant(rights & _with_read(key.rights), instance_id, key.secret)
        return found


def check_right(grant: Grant, right: Right | None, *, instance_scoped: bool) -> None:
    """Raise `HttpError` (403) unless the grant includes the right."""
    if right is None:
        return
    if right not in grant.rights:
        raise HttpError(403, f"the key has not the right to {right}")
    if grant.instance_id is not None and not instance_scoped:
        raise HttpError(403, "the token is good for its instance alone")


def _offered(request: Request) -> list[str]:
    """The keys that a request carries, the empty ones left out."""
    words: list[str] = []
    query: str = request.scope["query_string"].decode("latin-1")
    if "=" in query:
        words += [value for name, value in parse_qsl(query) if name.lower() == "code"]
    words += request.headers.getlist("x-functions-key")
    for header in request.headers.getlist("authorization"):
        scheme, _, word = header.partition(" ")
        if scheme.lower() == "bearer":
            words.append(word)
        elif scheme.lower() == "basic":
            words.append(_password(word))
    return [word.strip() for word in words if word.strip()][:8]


def _password(credentials: str) -> str:
    """The password of `Authorization: Basic`, "" if it has none."""
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _key(key: str, rights: Iterable[str]) -> _Key:
    secret = hmac.digest(b"stead instance token", key.encode(), "sha256")
    return _Key(_digest(key), frozenset(cast("Iterable[Right]", rights)), secret)


def _with_read(rights: frozenset[Right]) -> frozenset[Right]:
    return rights | frozenset[Right](("read",))


def _digest(word: str) -> bytes:
    return hashlib.blake2b(word.encode(errors="surrogatepass"), key=_SALT, digest_size=32).digest()


def _parse(text: str, where: str) -> dict[str, list[str]]:
    """Rights by key. What is wrong is said without showing a key."""
    try:
        found: Any = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise KeysRefused(f"the keys in {where} are not JSON; write {_EXAMPLE}") from None
    if not isinstance(found, _Pairs):
        raise KeysRefused(f"the keys in {where} are not an object of rights by key; write {_EXAMPLE}")
    keys: dict[str, list[str]] = {}
    for number, (key, rights) in enumerate(found.pairs, start=1):
        which = f"key {number} in {where}"
        if not key.strip() or key != key.strip() or not key.isascii() or not key.isprintable():
            raise KeysRefused(f"{which} is empty, or has blanks around it or characters other than printable ASCII")
        if key in keys:
            raise KeysRefused(f"{which} is there twice")
        if not _is_list(rights) or not rights or any(right not in RIGHTS for right in rights):
            raise KeysRefused(f"{which}: its rights are a list of some of {', '.join(RIGHTS)}")
        keys[key] = rights
    return keys


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


class _Pairs:
    """A JSON object as it was written, keys that are there twice included."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs
