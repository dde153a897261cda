"""Limits of activities over a whole hub: what is over them waits in its queue, without anybody asking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stead.transport import (
    CommitVerdict,
    DeclaredLimit,
    LimitNumbers,
    LimitView,
    MemoryStore,
    Store,
    Taken,
    Task,
    TaskLimit,
)
from stead.transport._redis.scripts import command
from stead.transport._redis.store import RedisStore
from support.redis_steps import commit
from support.store_twins import Twin, soon

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(113)]

DAY_US = 86_400_000_000


def limited(
    name: str,
    limit: str = "charge",
    numbers: str = "1:0:0",
    *,
    instance: str = "i",
    priority: int = 0,
    queue: str = "q",
) -> Task:
    return Task(name.encode(), queue, True, b"payload", TaskLimit(limit, numbers, instance, priority))


async def write(store: Store, *tasks: Task, partition: int = 0, **effects: Any) -> None:
    """A commit of a new owner."""
    _, leases = await store.read_leases()
    token = leases[partition].token + b"+"
    acquired = await store.acquire(partition, "worker", token, leases[partition].token, 60_000)
    assert acquired is not None
    written = commit(acquired, acquired.commit_id + b"+", tasks=tasks, **effects)
    assert await store.commit([written], store.generation) == [CommitVerdict.APPLIED]


async def take(store: Store, count: int = 10, worker: str = "w", block_ms: int = 0, queue: str = "q") -> list[Taken]:
    return await store.take_tasks([queue], worker, count, block_ms)


def names(taken: Sequence[Taken]) -> list[str]:
    return [task.task_id.decode() for task in taken]


async def end(store: Store, task: Taken) -> None:
    assert await store.complete_task(task.partition, task.task_id, b"result", task)


async def in_order(store: Store) -> list[str]:
    """What can be taken, one after the other, as each is completed."""
    found: list[str] = []
    while taken := await take(store):
        found += names(taken)
        for task in taken:
            await end(store, task)
    return found


async def test_no_more_run_at_once_than_may_in_the_whole_hub(store: Store) -> None:
    await write(store, *(limited(f"{number}", numbers="2:0:0") for number in range(5)))
    first = await take(store, 1, "w")
    second = await take(store, 10, "v")
    assert (names(first), names(second)) == (["0"], ["1"])
    assert await take(store, 10, "x") == []
    await end(store, second[0])
    assert names(await take(store, 10, "x")) == ["2"]
    await end(store, first[0])
    assert names(await take(store, 10, "w")) == ["3"]


async def test_each_key_has_a_limit_of_its_own_and_others_pass(store: Store) -> None:
    shops = [limited(f"{shop}{number}", f"charge:{shop}") for shop in "abc" for number in range(2)]
    await write(store, *shops, Task(b"free", "q", True, b""))
    assert names(await take(store)) == ["a0", "b0", "c0", "free"]


async def test_whoever_waits_for_the_queue_wakes_when_there_is_room(store: Store) -> None:
    await write(store, limited("0"), limited("1"))
    [first] = await take(store)
    waiting = asyncio.ensure_future(take(store, 1, "v", 60_000))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await end(store, first)
    assert names(await soon(waiting)) == ["1"]


async def test_the_place_of_a_task_goes_with_it_to_whoever_takes_it_over(store: Store) -> None:
    """A dead worker's place is not lost, and not given away while its task may still be running."""
    await write(store, limited("0"), limited("1"))
    [dead] = await take(store, 1, "dead")
    assert await take(store) == []
    [again] = await store.retake_tasks(["q"], "heir", 0, 10)
    assert (again.task_id, again.limit, again.deliveries) == (b"0", "charge", 2)
    assert await take(store) == []
    assert not (await store.keep_tasks("heir", [again])).lost
    assert (await store.keep_tasks("dead", [dead])).lost == [b"0"]
    assert await take(store) == []
    await end(store, again)
    assert names(await take(store)) == ["1"]


async def test_what_is_taken_over_counts_for_its_rate(store: Store) -> None:
    """Nor does it come before its time: as many begin as may, whoever died. What has no rate passes it by."""
    seldom = f"0:{DAY_US}:0"
    others = [limited(f"{number}", "free", "9:0:0") for number in (2, 3)]
    await write(store, limited("0", numbers=seldom), *others)
    assert names(await take(store, 10, "dead")) == ["0", "2", "3"]
    assert names(await store.retake_tasks(["q"], "heir", 0, 1)) == ["2"]
    assert names(await store.retake_tasks(["q"], "heir", 0, 10)) == ["2", "3"]


async def test_what_is_given_back_gives_its_place_to_the_next_and_keeps_its_turn(store: Store) -> None:
    await write(store, *(limited(f"{number}") for number in range(3)))
    taken = await take(store)
    assert await store.give_back_tasks("w", taken) == 1
    assert await store.give_back_tasks("w", taken) == 0, "sent again"
    assert await in_order(store) == ["0", "1", "2"]


async def test_what_came_without_a_limit_is_put_behind_it(store: Store) -> None:
    await write(store, limited("0"), Task(b"1", "q", True, b""), Task(b"2", "q", True, b""))
    first, *rest = await take(store)
    behind = {task.task_id: TaskLimit("charge", "1:0:0", "i") for task in rest}
    assert await store.give_back_tasks("w", rest, behind) == 2
    assert await take(store) == []
    await end(store, first)
    [second] = await take(store)
    assert (second.task_id, second.limit, second.deliveries) == (b"1", "charge", 1)


async def test_what_nobody_wants_any_more_leaves_the_queue_at_once(store: Store) -> None:
    await write(store, *(limited(f"{number}") for number in range(3)))
    [running] = await take(store)
    await write(store, dropped=[b"1"], unqueued=[("q", b"1")])
    assert await store.limits(["q"], 10) == [LimitView("q", "charge", None, 1, 1, None)]
    await write(store, dropped=[b"0"], unqueued=[("q", b"0")])
    assert await take(store) == [], "it still runs"
    assert (await store.keep_tasks("w", [running])).lost == [b"0"]
    assert names(await take(store)) == ["2"]


async def test_what_is_found_to_be_unwanted_when_it_is_taken_costs_no_turn(store: Store) -> None:
    """A worker that knows no limits dropped it, or its instance was purged: the rate gets its turn back."""
    seldom = f"0:{DAY_US}:0"
    await write(store, limited("0", numbers=seldom), limited("1", numbers=seldom))
    await write(store, dropped=[b"0"])
    assert names(await take(store)) == ["1"]


async def test_instances_take_turns(store: Store) -> None:
    """Who has much to do does not keep others waiting; and whoever comes later never passes by for ever."""
    await write(store, *(limited(f"a{number}", instance="a") for number in range(4)))
    await write(store, *(limited(f"b{number}", instance="b") for number in range(2)), limited("c0", instance="c"))
    assert await in_order(store) == ["a0", "a1", "a2", "b0", "c0", "a3", "b1"]


async def test_who_comes_later_waits_for_a_round_at_most(store: Store) -> None:
    await write(store, *(limited(f"a{number}", instance="a") for number in range(50)))
    [running] = await take(store)
    await write(store, *(limited(f"{name}0", instance=name) for name in "bcd"))
    await end(store, running)
    order = await in_order(store)
    assert max(order.index(f"{name}0") for name in "bcd") <= 4
    assert [name for name in order if name.startswith("a")] == [f"a{number}" for number in range(1, 50)]


async def test_newcomers_do_not_starve_what_waits(store: Store) -> None:
    """As many new instances come as tasks end: whoever had several still gets on."""
    await write(store, *(limited(f"a{number}", instance="a") for number in range(5)))
    ended: list[str] = []
    for number in range(12):
        await write(store, limited(f"n{number}", instance=f"n{number}"))
        [task] = await take(store)
        ended.append(task.task_id.decode())
        await end(store, task)
    assert [name for name in ended if name.startswith("a")] == [f"a{number}" for number in range(5)]


async def test_what_has_priority_goes_first(store: Store) -> None:
    [low, none, high] = (limited(name, priority=priority) for name, priority in (("l", -5), ("n", 0), ("h", 10)))
    await write(store, limited("0"), low, none, high)
    assert await in_order(store) == ["0", "h", "n", "l"]


async def test_a_rate_spreads_what_begins(twin: Twin) -> None:
    store = twin.store
    await write(store, *(limited(f"{number}", numbers=LimitNumbers.of(0, 1, 200_000).text) for number in range(3)))
    assert names(await take(store)) == ["0"]
    for number in range(1, 3):
        assert await take(store) == []
        [view] = await store.limits(["q"], 10)
        assert (view.running, view.waiting, view.due_ms is None) == (number, 3 - number, False)
        taken = await soon(twin.wait_for(take(store, block_ms=60_000)))
        assert names(taken) == [f"{number}"], "the wait ends when the next one may begin"


async def test_a_rate_counts_what_is_not_over_it_and_forgets_it_in_time(twin: Twin) -> None:
    """What is there of a key is gone when it means nothing any more."""
    store = twin.store
    rate = LimitNumbers.of(0, 1, 60_000).text
    for number in range(3):
        await write(store, limited(f"{number}", f"charge:{number}", rate))
        [task] = await take(store)
        await end(store, task)
        await twin.pass_ms(65)
    held = store._state.queues["q"].limits.next_us if isinstance(store, MemoryStore) else await rates(store)
    assert len(held) == 1


async def rates(store: Store) -> list[bytes]:
    assert isinstance(store, RedisStore)
    key = store._keys.queue_and_limits("q")[4]
    found: list[bytes] = await store._queries.one(command(b"ZRANGE", key, 0, -1))
    return found


async def test_both_limits_hold_together(store: Store) -> None:
    await write(store, *(limited(f"{number}", numbers=f"1:{DAY_US}:0") for number in range(2)))
    [first] = await take(store)
    await end(store, first)
    assert await take(store) == []
    [view] = await store.limits(["q"], 10)
    assert (view.running, view.waiting, view.due_ms is not None) == (0, 1, True)


async def test_limits_follow_whoever_joined_last(store: Store) -> None:
    await store.open_queues(["q"], [DeclaredLimit("q", "charge", "2:0:0")], True)
    await write(store, *(limited(f"{number}", "charge:a", numbers="5:0:0") for number in range(6)))
    assert len(await take(store)) == 2
    await store.open_queues(["q"], [DeclaredLimit("q", "charge", "9:0:0")], False)
    assert await take(store) == [], "it has joined before"
    await store.open_queues(["q"], [DeclaredLimit("q", "charge", "3:0:0")], True)
    assert len(await take(store)) == 1, "what waits hears of it"
    await store.open_queues(["q"], [DeclaredLimit("q", "charge", "1:0:0")], True)
    assert await take(store) == []


async def test_as_much_is_looked_at_as_one_step_may(store: Store) -> None:
    """A large fan-out is set aside in steps that do not hold the server for long, and hides nothing behind it."""
    await write(store, *(limited(f"{number}", instance=f"{number}") for number in range(1_300)))
    await write(store, Task(b"free", "q", True, b""))
    found = names(await take(store))
    while "free" not in found:
        more = names(await take(store))
        assert more
        found += more
    assert found == ["0", "free"]
    [view] = await store.limits(["q"], 10)
    assert (view.running, view.waiting) == (1, 1_299)


async def test_a_worker_with_little_room_leaves_the_rest_to_others(store: Store) -> None:
    await write(store, *(limited(f"{number}", numbers="3:0:0") for number in range(5)))
    taken = await take(store, 3)
    assert await take(store) == []
    for task in taken:
        await end(store, task)
    assert names(await take(store, 1)) == ["3"]
    assert names(await take(store, 1, "v")) == ["4"]


async def test_limits_can_be_seen(store: Store) -> None:
    await write(
        store,
        *(limited(f"a{number}", "charge:oslo") for number in range(3)),
        limited("b", "charge:bergen"),
        limited("c", "ship", queue="r"),
    )
    await take(store)
    await take(store, queue="r")
    assert await store.limits(["q", "r", "none"], 10) == [
        LimitView("q", "charge", "oslo", 1, 2, None),
        LimitView("q", "charge", "bergen", 1, 0, None),
        LimitView("r", "ship", None, 1, 0, None),
    ]
    assert len(await store.limits(["q"], 1)) == 1
    assert await store.limits([], 1) == []
