"""Addresses: which names and keys there are, and their one canonical form."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities import Entity, EntityId, InvalidInput
from stead.entities._message.envelope import encode_message
from stead.transport._contract import codec

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,99}", fullmatch=True)
keys = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=256)


class Station(Entity):
    """Addressed by its class."""


def test_the_canonical_form() -> None:
    assert str(EntityId("Station", "oslo")) == "@station@oslo"
    assert EntityId(Station, "oslo") == EntityId("STATION", "oslo") == EntityId.parse("@station@oslo")
    assert EntityId("Station", "oslo") != EntityId("Station", "Oslo"), "keys are compared exactly"
    assert repr(EntityId(Station, "oslo")) == "EntityId('Station', 'oslo')"
    assert EntityId("Station", "oslo").name == "Station"
    assert len({EntityId("Station", "oslo"), EntityId("station", "oslo")}) == 1
    assert EntityId("Station", "oslo") != "@station@oslo"


@given(names, keys)
def test_the_canonical_form_is_read_back(name: str, key: str) -> None:
    entity_id = EntityId(name, key)
    again = EntityId.parse(str(entity_id))
    assert again == entity_id
    assert again.key == key
    assert again.canonical_name == again.name == name.lower()
    assert pickle.loads(pickle.dumps(entity_id)) == entity_id
    str(entity_id).encode()


@pytest.mark.parametrize("key", ["", " ", "a@b", "@", "ключ", "🦊", "a/b#?\\", "x" * 256])
def test_a_key_is_any_text(key: str) -> None:
    assert EntityId.parse(str(EntityId("Station", key))).key == key


@pytest.mark.parametrize("key", ["\n", "a\0", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "x" * 257, 5, None])
def test_a_bad_key_is_refused(key: Any) -> None:
    with pytest.raises(InvalidInput, match="entity key") as caught:
        EntityId("Station", key)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a@b", "ä", "İ", "a" * 101, "_a", 5, None])
def test_a_bad_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInput, match="entity name"):
        EntityId(name, "x")


@pytest.mark.parametrize("text", ["", "station@oslo", "@station", "station", "@@x", "x@station@oslo"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        EntityId.parse(text)


def test_a_target_that_is_more_than_its_text_is_packed_once_as_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `start_new` gives knows a type besides: what msgpack does not know is tried twice, with all that is in the message."""

    class Typed(str):
        __slots__ = ()

    plain = encode_message("one", "do", [1], b"id", {"t": 1})

    def packed_again(value: object) -> bytes:
        raise AssertionError("not at once")

    monkeypatch.setattr(codec, "_packed", packed_again)
    assert encode_message(Typed("one"), "do", [1], b"id", {"t": 1}) == plain
