"""Key names: all keys of a partition are on one node, and the groups are spread evenly over the slots."""

from __future__ import annotations

import binascii

import pytest

from stead.transport import HubLayout
from stead.transport._redis.keys import KeyNames, group_tags


def layout(partitions: int = 64, slot_groups: int = 16) -> HubLayout:
    return HubLayout("hub", "0123456789abcdef", partitions, slot_groups, "direct", 1, 0)


def slot(key: bytes) -> int:
    tag = key[key.index(b"{") + 1 : key.index(b"}")]
    return binascii.crc_hqx(tag, 0) % 16_384


@pytest.mark.hazard(23)
@pytest.mark.parametrize("groups", [1, 2, 16, 64, 1024])
def test_each_group_has_a_slot_in_its_own_part_of_all_slots(groups: int) -> None:
    tags = group_tags("0123456789abcdef", groups)
    assert [slot(f"{{{tag}}}".encode()) * groups // 16_384 for tag in tags] == list(range(groups))
    assert tags == group_tags("0123456789abcdef", groups)


def test_the_checksum_is_the_one_of_the_servers() -> None:
    assert binascii.crc_hqx(b"123456789", 0) == 0x31C3  # from the cluster specification


@pytest.mark.hazard(23)
def test_all_keys_of_a_partition_have_the_tag_of_its_group() -> None:
    keys = KeyNames(layout())
    for number, partition in enumerate(keys.partitions):
        names = [partition.lease, partition.inbox, partition.state, partition.index, partition.timers]
        names += [partition.payloads, partition.parked, partition.blocked, partition.dead]
        names += [partition.starts, partition.tasks, partition.tries]
        names += [partition.park("@a@}{x"), partition.session("s"), partition.log("}{x")]
        assert {slot(name) for name in names} == {slot(keys.reply(number % 16, "client"))}
        assert len(set(names)) == len(names)


def test_keys_name_the_hub_and_its_id_so_that_a_hub_made_anew_is_another() -> None:
    keys = KeyNames(layout())
    assert keys.partitions[3].inbox.startswith(b"stead:hub:0123456789abcdef:{")
    assert keys.workers.startswith(b"stead:hub:0123456789abcdef:{" + keys.tags[0].encode())
