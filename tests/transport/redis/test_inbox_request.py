"""The request that reads inboxes is byte for byte what packing it as a whole would give, whatever was asked before."""

from __future__ import annotations

import random

import pytest

from stead.transport import HubLayout
from stead.transport._redis import inbox_request
from stead.transport._redis.inbox_request import InboxRequest
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.scripts import command

KEYS = KeyNames(HubLayout("hub", "0123456789abcdef", 16, 4, "direct", 1, 0))


def whole(positions: dict[int, bytes], count: int, block_ms: int) -> bytes:
    wait = (b"BLOCK", block_ms) if block_ms else ()
    keys = [KEYS.partitions[partition].inbox for partition in positions]
    return command(b"XREAD", b"COUNT", count, *wait, b"STREAMS", *keys, *positions.values())


@pytest.mark.parametrize("kept_max", [4_096, 3])
def test_each_request_is_as_if_it_were_the_first(monkeypatch: pytest.MonkeyPatch, kept_max: int) -> None:
    monkeypatch.setattr(inbox_request, "_ARGUMENTS_MAX", kept_max)
    chance = random.Random(kept_max)
    request = InboxRequest(KEYS.partitions)
    positions: dict[int, bytes] = {0: b"0"}
    for number in range(1_000):
        partition = chance.randrange(16)
        match chance.randrange(10):
            case 0 if len(positions) > 1:
                positions.popitem()
            case 1:
                positions[partition] = b"0"
            case _:
                positions[chance.choice([*positions])] = b"%d-%d" % (1_764_000_000_000 + number, chance.randrange(3))
        count, block_ms = chance.choice([1, 32, 2_000]), chance.choice([0, 1, 5_000])
        assert request.pack(positions, count, block_ms) == whole(positions, count, block_ms)
        assert request.by_key == {KEYS.partitions[partition].inbox: partition for partition in positions}
