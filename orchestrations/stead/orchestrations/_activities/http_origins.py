"""To whom the headers of a request may go: what identifies its sender goes to the origin that it was given for, and no other.

Another origin is another scheme (also https to http), host or port. One rule for redirects and for the polls of `call_http`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}

# Words that make a header's name one of a credential: `x-api-key`, `ocp-apim-subscription-key`, `x-zumo-auth`.
_WORDS = frozenset(
    {
        *("auth", "key", "keys", "pass", "pwd", "bearer", "sid", "sig", "pat", "otp", "pin"),
        *("access", "dpop", "hmac", "login", "mac", "ntlm", "saml", "signed", "ticket", "userpass"),
    }
)
# Within a word too: `apikey`, `x-authtoken`, `sessionid`.
_STEMS = re.compile(
    "authoriz|authoris|authentic|oauth|cookie|token|secret|passw|passphrase|passcode|accesscode|credential|signature|session|jwt"
    "|client-?cert|client-principal|assertion|remote-user|forwarded-user|x-amz-"
    "|(?:access|account|api|app|auth|client|licen[cs]e|master|private|service|shared|subscription|user)key"
)
# They contain such a word, and say nothing of who sends.
_HARMLESS = frozenset({"idempotency-key", "sec-websocket-key", "x-ms-continuation-token"})


def is_credential(name: str) -> bool:
    """Whether a header may say who sends, or on whose behalf, so that whoever has it could do so as well."""
    lower = name.strip().lower()
    if lower in _HARMLESS:
        return False
    return _STEMS.search(lower) is not None or not _WORDS.isdisjoint(re.split("[-_.]", lower))


def credentials_in(names: Iterable[str]) -> list[str]:
    """Those of some headers' names that are credentials'."""
    return [name for name in names if is_credential(name)]


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may go anywhere."""
    return {name: value for name, value in headers.items() if not is_credential(name)}


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a URL; None if it is not one to ask over HTTP."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        return None
    return scheme, parts.hostname.lower(), _PORTS[scheme] if port is None else port
