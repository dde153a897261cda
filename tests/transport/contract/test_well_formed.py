"""What is wrong with a hub in memory is seen, whichever of its rules is broken."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from stead.transport import HubLayout, Timer
from stead.transport._memory.queues import Delivery
from stead.transport._memory.state import HubState, KeptTask, PartitionState
from stead.transport._memory.well_formed import ill_formed


def in_use() -> HubState:
    """A hub with something of everything."""
    hub = HubState(HubLayout("hub", "id", 1, 1, "direct", 1, 0), [PartitionState()])
    [state] = hub.partitions
    for number in range(3):
        state.inbox.append(number, b"m")
    park = state.parks["@a@a"] = copy.deepcopy(state.inbox)
    for order in list(state.inbox)[1:]:
        state.inbox.delete(order)
    park.delete(next(iter(park)))
    state.timers.set(Timer(b"t", 5, b"m"))
    state.timers.set(Timer(b"u", 4, b"m"))
    state.records["@a@a"] = b"r"
    hub.add_to_index(0, "@a@a")
    state.starts["one"] = (b"id", b"m")
    hub.add_to_index(0, "one")
    queue = hub.queue("q")
    state.tasks[b"task"] = KeptTask(b"p", "q", queue.append(1, 0, b"task"))
    queue.taken[state.tasks[b"task"].entry] = Delivery("worker", 1, 1)
    state.lease.token, state.lease.owner = b"token", "worker"
    return hub


def in_two_places(hub: HubState) -> None:
    [state] = hub.partitions
    [*_, last] = state.parks["@a@a"]
    state.inbox.insert(last, b"m")


def an_empty_park(hub: HubState) -> None:
    hub.partitions[0].parks["@a@a"].entries.clear()


def an_entry_out_of_order(hub: HubState) -> None:
    hub.partitions[0].inbox.order.clear()


def an_order_upside_down(hub: HubState) -> None:
    hub.partitions[0].parks["@a@a"].order.reverse()


def a_last_that_is_not(hub: HubState) -> None:
    hub.partitions[0].inbox.last = (0, 0)


def a_timer_without_its_time(hub: HubState) -> None:
    del hub.partitions[0].timers.order[0]


def a_timer_of_another_name(hub: HubState) -> None:
    timers = hub.partitions[0].timers
    timers.by_id[b"t"] = Timer(b"v", 5, b"m")


def a_record_without_index(hub: HubState) -> None:
    hub.partitions[0].records["@a@b"] = b"r"


def a_reservation_that_is_gone(hub: HubState) -> None:
    hub.partitions[0].starts.clear()


def an_index_without_its_partition(hub: HubState) -> None:
    hub.index.append((b"z", 0))


def a_history_without_record(hub: HubState) -> None:
    hub.partitions[0].logs["two"] = [b"e"]


def a_lease_of_nobody(hub: HubState) -> None:
    hub.partitions[0].lease.owner = ""


def a_task_that_waits_nowhere(hub: HubState) -> None:
    hub.queue("q").forget(hub.partitions[0].tasks[b"task"].entry)


def a_task_that_nobody_knows(hub: HubState) -> None:
    hub.partitions[0].tasks.clear()


def a_delivery_of_nothing(hub: HubState) -> None:
    hub.queue("q").taken[9, 9] = Delivery("worker", 1, 1)


BREAKS: dict[Callable[[HubState], None], str] = {
    in_two_places: "in the inbox and in a park",
    an_empty_park: "is empty, and was kept",
    an_entry_out_of_order: "out of all order",
    an_order_upside_down: "the park of @a@a is not in order",
    a_last_that_is_not: "after its last",
    a_timer_without_its_time: "in which they are due",
    a_timer_of_another_name: "by another's ID",
    a_record_without_index: "a record or a reservation",
    a_reservation_that_is_gone: "a record or a reservation",
    an_index_without_its_partition: "the hub's index",
    a_history_without_record: "a history has no record",
    a_lease_of_nobody: "a token without an owner",
    a_task_that_waits_nowhere: "waits in no queue",
    a_task_that_nobody_knows: "does not know it",
    a_delivery_of_nothing: "that is not there",
}


def test_a_hub_in_use_is_well_formed() -> None:
    assert ill_formed(in_use()) is None


@pytest.mark.parametrize(("damage", "words"), BREAKS.items())
def test_each_rule_that_is_broken_is_named(damage: Callable[[HubState], None], words: str) -> None:
    hub = in_use()
    damage(hub)
    assert words in (ill_formed(hub) or "")
