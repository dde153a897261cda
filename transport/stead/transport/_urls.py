"""What a store URL means. A password in one never gets into a message: errors name the part, not the text.

redis:// rediss:// unix://   a server; valkey://, valkeys:// and valkey+unix:// are other names for them
embedded://PATH              a server of our own in that folder: embedded://./data relative, embedded:///data absolute
memory://                    this process only
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from stead.transport._contract.errors import InvalidInput

DEFAULT_URL = "embedded://./.stead"
"""Where neither the program nor `STEAD_URL` says otherwise."""

_SERVERS = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "redis+tls": "rediss",
    "redis+unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+tls": "rediss",
    "valkey+unix": "unix",
}
_LATER = {
    f"{name}+{kind}": kind for name in ("redis", "rediss", "valkey", "valkeys") for kind in ("sentinel", "cluster")
}
_KNOWN = "redis://, rediss://, unix://, valkey://, valkeys://, embedded://PATH or memory://"


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A store URL that was understood."""

    kind: Literal["server", "embedded", "memory"]
    url: str  # of a server: redis://, rediss:// or unix://, password included
    folder: Path | None  # of the embedded server: absolute
    public: str  # for screens and logs: without the password

    def __str__(self) -> str:
        return self.public

    def __repr__(self) -> str:
        return f"StoreUrl({self.public!r})"


def parse_url(url: str | None = None) -> StoreUrl:
    """Understand a store URL; without one `$STEAD_URL`, else `embedded://./.stead`. Raises `InvalidInput`."""
    text = url if url is not None else os.environ.get("STEAD_URL") or DEFAULT_URL
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a user may give a Path
        raise InvalidInput("store URL", f"it is a text, not a {type(text).__name__}")
    if any(character < " " or character == "\x7f" for character in text):
        raise InvalidInput("store URL", "it contains control characters")
    scheme, separator, rest = text.strip().partition("://")
    scheme = scheme.lower()
    if not separator:
        raise InvalidInput("store URL", f"it does not begin with {_KNOWN}")
    if scheme in _LATER:
        raise InvalidInput(
            "store URL",
            f"{scheme}:// is for a later version of stead, which will support {_LATER[scheme]}; "
            "this one needs the address of a single primary (redis://HOST:PORT)",
        )
    if scheme == "memory":
        return _memory(rest)
    if scheme == "embedded":
        return _embedded(rest)
    if scheme in _SERVERS:
        return _server(_SERVERS[scheme], rest)
    raise InvalidInput("store URL", f"it does not begin with {_KNOWN}")


def _memory(rest: str) -> StoreUrl:
    if rest not in ("", "/"):
        raise InvalidInput("store URL", "memory:// takes nothing more: hubs differ by their names")
    return StoreUrl("memory", "memory://", None, "memory://")


def _embedded(rest: str) -> StoreUrl:
    if not rest:
        raise InvalidInput("store URL", "embedded:// needs a folder: embedded://./data, or embedded:///var/lib/data")
    try:
        folder = Path(rest).expanduser().absolute()
    except RuntimeError as error:  # ~nobody
        raise InvalidInput("store URL", str(error)) from None
    return StoreUrl("embedded", f"embedded://{rest}", folder, f"embedded://{rest}")


def _server(scheme: str, rest: str) -> StoreUrl:
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port
    except ValueError:  # its text may hold the password
        raise InvalidInput("store URL", "it is not a valid URL; is a character of the password not escaped?") from None
    if parts.fragment:
        raise InvalidInput("store URL", 'it contains a "#"; in a password write %23')
    if scheme == "unix":
        if not unquote(parts.path).strip("/"):
            raise InvalidInput("store URL", "unix:// needs the path of a socket: unix:///run/valkey.sock")
    else:
        _check_host(parts)
        database = parts.path.strip("/")
        if database and not database.isdecimal():
            raise InvalidInput("store URL", "what follows the host is the number of a database: redis://HOST:PORT/0")
    if port == 0:
        raise InvalidInput("store URL", "0 is not the port of a server")
    return StoreUrl("server", f"{scheme}://{rest}", None, _public(parts))


def _check_host(parts: SplitResult) -> None:
    if not parts.hostname:
        raise InvalidInput("store URL", f"it names no host: {parts.scheme}://HOST:PORT")
    if any(character.isspace() for character in parts.netloc):
        raise InvalidInput("store URL", "its host contains a space")


def _public(parts: SplitResult) -> str:
    """The URL without its password and its options (which may be one)."""
    login, at, host = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    return f"{parts.scheme}://{f'{user}:***@' if ':' in login else login + at}{host}{parts.path}"
