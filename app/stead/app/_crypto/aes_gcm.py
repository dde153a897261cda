"""AES-256-GCM with named keys. What it makes of data is

    version (1 byte), length of the key's name (1), the key's name, salt (16), nonce (12), ciphertext and tag (16)

1. All before the ciphertext is authenticated with it.
2. No key encrypts data itself: of each key and a random salt HKDF makes another one, which this process uses for a while. A random
   nonce under one key is safe for 2^32 payloads in all, which a busy hub has in days; so it is for each of these.
3. Nonces are random and not counted: a process that was forked would count the same ones.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from stead.transport import InvalidInput, PayloadLocked, SteadError

_VERSION = 1
_KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_NAME_BYTES_MAX = 64
_SALT_USED_MAX = 2**24
_KEPT = 4_096  # keys that were made of others, and are kept for the next payload: processes and their salts


class CryptoMissing(SteadError, ImportError):
    """The library `cryptography` is not installed."""

    def __str__(self) -> str:
        return "cryptography is needed for this codec, and is not installed here: pip install 'stead[crypto]'"


def _library() -> tuple[Any, Any, Any]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError as error:
        raise CryptoMissing from error
    return AESGCM, HKDF, SHA256


def new_key() -> str:
    """A random key, as `AesGcmCodec` takes it: 32 bytes in base64."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


class AesGcmCodec:
    """A codec of payloads by AES-256-GCM, for `Settings(payload_codec=…)`.

    `keys`: by name, each 32 bytes, or text that is base64 of them. `current`: the one that encrypts; the first, if it is not said. The
    others are for what was encrypted before. Names are stored in the clear with each payload, and are at most 64 bytes.

    To rotate: give all processes the new key first, as one of the others; then make it the current one. Keep the old one for as long as
    something may be stored that it has encrypted.

    Raises `CryptoMissing` without the extra `stead[crypto]`, and `InvalidInput` for what is no key.
    """

    def __init__(self, keys: Mapping[str, bytes | str], current: str | None = None) -> None:
        aes, hkdf, sha256 = _library()
        if not keys:
            raise InvalidInput("keys", "there is none: give at least one, such as {'2026-07': new_key()}")
        self._keys = {_checked_name(name): _checked_key(name, key) for name, key in keys.items()}
        self.current = next(iter(keys)) if current is None else current
        """The name of the key that encrypts."""
        if self.current not in keys:
            raise InvalidInput(f"current {self.current!r}", f"there is no such key; there are {', '.join(keys)}")

        @lru_cache(maxsize=_KEPT)
        def cipher(name: bytes, salt: bytes) -> Any:
            made = hkdf(algorithm=sha256(), length=_KEY_BYTES, salt=salt, info=b"stead payloads")
            return aes(made.derive(self._keys[name]))

        self._cipher = cipher
        self._name = self.current.encode()
        self._head = b""
        self._encrypt: Any = None
        self._left = 0

    @classmethod
    def from_environment(cls, variable: str) -> AesGcmCodec:
        """The keys from an environment variable: `NAME:BASE64`, several with commas between, the current one first.

        Raises `InvalidInput` where there is none, or something else; it never says what.
        """
        told = os.environ.get(variable, "").strip()
        if not told:
            raise InvalidInput(
                variable, "it is not set: NAME:KEY, with commas between several, the one that encrypts first"
            )
        pairs = [pair.strip().partition(":") for pair in told.split(",")]
        if not all(name and colon and key for name, colon, key in pairs):
            raise InvalidInput(variable, "it is NAME:KEY, with commas between several, the one that encrypts first")
        if len({name for name, _, _ in pairs}) < len(pairs):
            raise InvalidInput(variable, "two keys have the same name")
        return cls({name: key for name, _, key in pairs})

    def encode(self, data: bytes, /) -> bytes:
        """Encrypt."""
        if not self._left:
            salt = os.urandom(_SALT_BYTES)
            self._encrypt = self._cipher(self._name, salt).encrypt
            self._head = bytes((_VERSION, len(self._name))) + self._name + salt
            self._left = _SALT_USED_MAX
        self._left -= 1
        head, nonce = self._head, os.urandom(_NONCE_BYTES)
        encrypted: bytes = self._encrypt(nonce, data, head)
        return b"".join((head, nonce, encrypted))

    def decode(self, data: bytes, /) -> bytes:
        """Decrypt. Raises `PayloadLocked`, which names the key if this process does not have it."""
        if len(data) < 2 or data[0] != _VERSION:
            raise PayloadLocked("it was not encoded by AesGcmCodec, or by that of a later version of stead")
        salt_at = 2 + data[1]
        nonce_at = salt_at + _SALT_BYTES
        first = nonce_at + _NONCE_BYTES
        if len(data) < first + _TAG_BYTES:
            raise PayloadLocked("it is cut short")
        name = data[2:salt_at]
        if name not in self._keys:
            raise PayloadLocked.without_key(name.decode("utf-8", "replace"))
        decrypt = self._cipher(name, data[salt_at:nonce_at]).decrypt
        try:
            found: bytes = decrypt(data[nonce_at:first], data[first:], data[:nonce_at])
        except Exception as error:  # `InvalidTag` says nothing
            raise PayloadLocked(
                f"the key {name.decode('utf-8', 'replace')!r} does not fit: it is another one of this name, or what is stored was changed"
            ) from error
        return found


def _checked_name(name: str) -> bytes:
    data = name.encode()
    if not 0 < len(data) <= _NAME_BYTES_MAX or not name.isprintable():
        raise InvalidInput(f"key {name[:40]!r}", f"a name has 1 to {_NAME_BYTES_MAX} printable bytes")
    return data


def _checked_key(name: str, key: bytes | str) -> bytes:
    if isinstance(key, str):
        try:
            key = base64.b64decode(key, validate=True)
        except binascii.Error:
            raise InvalidInput(f"key {name!r}", "its text is not base64") from None
    if len(key) != _KEY_BYTES:
        raise InvalidInput(f"key {name!r}", f"it has {len(key)} bytes, and has to have {_KEY_BYTES}: see new_key()")
    return key
