"""Which shard of an entity gets what: the same for a sender each time, spread over senders, by the larger number for a delete."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities._message.envelope import MESSAGE_VERSION, decode_message, encode_message
from stead.entities._message.ids import EntityId, check_key
from stead.entities._message.shards import (
    BEHIND,
    LatestSpreads,
    Spread,
    by_target,
    check_target_key,
    chosen_shard,
    kind_of,
    logical_target,
    receivers,
    shard_target,
    shard_targets,
    shown_target,
    split_target,
    version_for,
)
from stead.entities._partition.effects import Effects
from stead.transport import SHARDS_MAX, InvalidInput, Settings


def is_key(text: str) -> bool:
    try:
        check_key(text)
    except InvalidInput:
        return False
    return True


KEYS = st.text(max_size=20).filter(is_key)
COUNTS = st.integers(1, SHARDS_MAX)
SENDERS = st.binary(min_size=1, max_size=20)


@given(KEYS, KEYS, st.data())
@pytest.mark.hazard(111)
def test_no_entitys_target_is_a_shards_and_an_entitys_shards_are_listed_together(
    key: str, other: str, data: st.DataObject
) -> None:
    target, count = str(EntityId("Clicks", key)), data.draw(COUNTS)
    shard = data.draw(st.integers(0, count - 1))
    one = shard_target(target, shard)
    assert split_target(one) == (target, shard)
    assert logical_target(one) == target and kind_of(one) == "clicks"
    assert EntityId.of_target(one) == EntityId("clicks", key)
    check_target_key(one.removeprefix("@clicks@"))
    shards = [each.encode() for each in shard_targets(target, count)]
    assert shards == sorted(set(shards)) and len(shards) == count
    if other != key:  # nothing of another entity is between them
        another = str(EntityId("Clicks", other)).encode()
        assert another < shards[0] or another > (target + BEHIND).encode()
        assert (target + BEHIND).encode() > shards[-1]


@given(KEYS, SENDERS, COUNTS, COUNTS, st.sampled_from(["hit", "delete", "Delete"]), st.booleans())
@pytest.mark.hazard(111)
def test_a_sender_comes_to_one_shard_and_a_delete_to_all(
    key: str, sender: bytes, first: int, more: int, operation: str, source: bool
) -> None:
    target = str(EntityId("Clicks", key))
    spread = Spread(max(first, more), more, first)
    found = receivers(target, operation, sender, spread, source=source)
    mine = shard_target(target, chosen_shard(target, sender, first if source else more))
    assert found[-1] == mine  # what comes after it from the same sender is behind it
    assert found == receivers(target, operation, sender, spread, source=source)
    if operation == "hit":
        assert found == (mine,)
    else:
        assert sorted(found) == shard_targets(target, spread.total)
    larger = Spread(SHARDS_MAX, SHARDS_MAX, first)
    if source:  # it stays where its numbers are known
        assert receivers(target, "hit", sender, larger, source=True) == receivers(
            target, "hit", sender, spread, source=True
        )


def test_many_senders_are_spread_evenly() -> None:
    found = Counter(chosen_shard("@clicks@home", by_target(f"@page@{number}"), 16) for number in range(16_000))
    assert len(found) == 16
    assert min(found.values()) > 850 and max(found.values()) < 1_150


@pytest.mark.parametrize(
    "bad",
    [
        "a\x1f",
        "a\x1f0000",
        "a\x1f1",
        "a\x1f00001",
        "a\x1f1024",
        "a\x1f-001",
        "a\x1f\u0660\u0660\u06601",
        "\x1e\x1f0001",
    ],
)
def test_what_is_no_shard_of_anything_is_no_target(bad: str) -> None:
    with pytest.raises(InvalidInput):
        check_target_key(bad)


def test_people_see_a_shard_as_one() -> None:
    assert shown_target("@clicks@a\x1f0012") == "@clicks@a (shard 12)"
    assert shown_target("@clicks@a") == "@clicks@a"
    assert shown_target("an instance") == "an instance"


@pytest.mark.hazard(26)
def test_a_message_to_a_shard_is_one_that_older_workers_let_wait() -> None:
    target = shard_target("@clicks@a", 3)
    assert version_for("@clicks@a") == MESSAGE_VERSION and version_for(target) == 3
    message = decode_message(encode_message(target, "hit", [1], b"id", {"k": {"x": 1}}, version_for(target)))
    assert (message.target, message.operation, message.args, message.kwargs) == (target, "hit", [1], {"x": 1})


@pytest.mark.hazard(67)
def test_all_messages_of_a_commit_go_by_the_same_numbers() -> None:
    effects = Effects(16, Settings(), lambda: 1_000, b"nonce")
    known = {"clicks": Spread(2, 2, 2)}
    effects.latest_spreads = LatestSpreads(known)

    def to_whom() -> list[str]:
        return [effects.receivers("@clicks@home", "hit", f"@page@{number}")[0] for number in range(50)]

    before = to_whom()
    effects.send("@page@x", b"")  # something is in it from now on
    effects.latest_spreads.now = known = {"clicks": Spread(64, 64, 2)}
    assert to_whom() == before
    assert len(set(before)) == 2
    assert effects.receivers("@page@x", "seen", "@page@y") == ("@page@x",)
    later = Effects(16, Settings(), lambda: 1_000, b"nonce")
    later.latest_spreads = LatestSpreads(known)
    assert len({later.receivers("@clicks@home", "hit", f"@page@{number}")[0] for number in range(200)}) > 32
