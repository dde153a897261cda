"""AES-GCM with named keys: what is another each time, what is refused, and how keys are changed."""

from __future__ import annotations

import base64
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.app.crypto import AesGcmCodec, CryptoMissing, new_key
from stead.entities import InvalidInput, PayloadLocked
from support.codecs import KEYS, aes, only_two, other_one, rotated

pytestmark = pytest.mark.hazard(114)


@settings(max_examples=50)
@given(st.binary(max_size=5_000))
def test_what_is_encoded_is_decoded_to_what_it_was(data: bytes) -> None:
    encoded = aes.encode(data)
    assert aes.decode(encoded) == data
    assert len(data) < 4 or data not in encoded
    assert aes.encode(data) != encoded
    assert rotated.decode(encoded) == data


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=60), st.data())
def test_what_was_changed_or_cut_is_refused(data: bytes, draw: st.DataObject) -> None:
    encoded = aes.encode(data)
    place = draw.draw(st.integers(0, len(encoded) - 1))
    changed = bytearray(encoded)
    changed[place] ^= draw.draw(st.integers(1, 255))
    for broken in (bytes(changed), encoded[:place], b""):
        with pytest.raises(PayloadLocked):
            aes.decode(broken)


def test_a_new_key_encrypts_and_the_old_one_still_decrypts() -> None:
    before = aes.encode(b"data")
    after = rotated.encode(b"data")
    assert b"one" in before
    assert b"two" in after
    assert rotated.decode(before) == b"data"
    assert aes.decode(after) == b"data"  # which knows the new key already
    assert only_two.decode(after) == b"data"
    with pytest.raises(PayloadLocked, match="the key 'one', and this process does not have that key") as found:
        only_two.decode(before)
    assert found.value.is_of_process
    with pytest.raises(PayloadLocked, match="'one' does not fit"):
        other_one.decode(before)


def test_one_key_is_not_used_for_all() -> None:
    codec = AesGcmCodec(KEYS)
    salts = set[bytes]()
    for _ in range(3):
        salts.add(codec.encode(b"")[5:21])
        codec._left = 0  # as after 16 million payloads
    assert len(salts) == 3


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {name: base64.b64encode(key).decode() for name, key in KEYS.items()}
    monkeypatch.setenv("KEYS", f"two:{keys['two']}, one:{keys['one']}")
    codec = AesGcmCodec.from_environment("KEYS")
    assert codec.current == "two"
    assert codec.decode(aes.encode(b"data")) == b"data"
    for told in (
        "",
        "two",
        "two:",
        ":x",
        "two:???",
        "two:" + base64.b64encode(b"short").decode(),
        f"a:{keys['one']},a:{keys['one']}",
    ):
        monkeypatch.setenv("KEYS", told)
        with pytest.raises(InvalidInput) as found:
            AesGcmCodec.from_environment("KEYS")
        assert keys["one"] not in str(found.value)


def test_what_is_no_key_is_refused() -> None:
    assert AesGcmCodec({"a": new_key()}).current == "a"
    for keys, current in (
        ({}, None),
        ({"a": b"short"}, None),
        ({"a": "??"}, None),
        (KEYS, "three"),
        ({"": new_key()}, None),
    ):
        with pytest.raises(InvalidInput):
            AesGcmCodec(keys, current)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(CryptoMissing, match=r"pip install 'stead\[crypto\]'"):
        AesGcmCodec(KEYS)
