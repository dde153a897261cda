"""Activities: kept in their partition until their results are recorded, and shared over queues with all workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stead.transport import CommitVerdict, Store, Taken, Task
from support.redis_steps import commit, payloads, take
from support.store_twins import Twin, soon

pytestmark = pytest.mark.anyio

LONG_MS = 60_000


def own(name: bytes, queue: str = "") -> Task:
    return Task(name, queue, shared=False, payload=b"payload of " + name)


def shared(name: bytes, queue: str = "q") -> Task:
    return Task(name, queue, shared=True, payload=b"payload of " + name)


async def write(store: Store, partition: int = 0, token: bytes = b"token", **effects: Any) -> None:
    """A commit of its own owner, who takes the partition first if it is free."""
    _, leases = await store.read_leases()
    acquired = await store.acquire(partition, "worker", token, leases[partition].token, LONG_MS)
    assert acquired is not None
    name = acquired.commit_id + b"+"
    assert await store.commit([commit(acquired, name, **effects)], store.generation) == [CommitVerdict.APPLIED]


async def all_tasks(store: Store, partition: int = 0, page: int = 100) -> dict[bytes, bytes]:
    """The own tasks of a partition, page by page."""
    found: dict[bytes, bytes] = {}
    after = b""
    while True:
        tasks, after = await store.tasks(partition, after, page)
        found.update(tasks)
        if not after:
            return found


async def take_now(
    store: Store, worker: str = "w", queues: Sequence[str] = ("q",), count: int = 10
) -> dict[bytes, Taken]:
    return {task.task_id: task for task in await store.take_tasks(queues, worker, count, 0)}


# -- own ---------------------------------------------------------------------------------------------------------------


async def test_a_task_is_there_until_a_commit_drops_it(store: Store) -> None:
    await write(store, tasks=[own(b"1"), own(b"\xff2"), own(b"3")])
    assert await all_tasks(store) == {b"1": b"payload of 1", b"\xff2": b"payload of \xff2", b"3": b"payload of 3"}
    assert await all_tasks(store, 1) == {}
    await write(store, dropped=[b"1", b"never"], tasks=[own(b"4")])
    assert set(await all_tasks(store)) == {b"\xff2", b"3", b"4"}
    assert (await store.info())[0].tasks == 3


async def test_many_tasks_are_read_page_by_page(store: Store) -> None:
    names = [b"%d" % number for number in range(1_500)]
    await write(store, tasks=[own(name) for name in names] + [shared(b"s%d" % number) for number in range(50)])
    assert set(await all_tasks(store, page=100)) == set(names)
    page, after = await store.tasks(0, b"", 100)
    assert 0 < len(page) < 1_500
    assert after


async def test_a_task_may_have_any_payload(store: Store) -> None:
    loads = {b"empty": b"", b"flag": b"D", b"colon": b":S:", b"zero": b"\x00" * 9}
    await write(store, tasks=[Task(name, "q", shared=False, payload=load) for name, load in loads.items()])
    assert await all_tasks(store) == loads
    await write(store, tasks=[Task(name, "q", shared=True, payload=load) for name, load in loads.items()])
    assert {name: task.payload for name, task in (await take_now(store)).items()} == loads


async def test_the_tries_of_a_suspect_are_counted_over_its_owners(store: Store) -> None:
    """HAZARDS 20."""
    await write(store, tasks=[own(b"1"), own(b"2")])
    assert [await store.mark_task(0, b"token", b"1") for _ in range(2)] == [1, 2]
    await take(store, token=b"next", expected=b"token")
    assert await store.mark_task(0, b"token", b"1") is None
    assert [await store.mark_task(0, b"next", name) for name in (b"1", b"2", b"never")] == [3, 1, 0]
    await write(store, token=b"last", dropped=[b"1"])
    assert await store.mark_task(0, b"last", b"1") == 0
    await write(store, token=b"more", tasks=[own(b"1")])
    assert await store.mark_task(0, b"more", b"1") == 1, "the count went with the task"


async def test_a_result_of_a_task_enters_the_inbox_once(store: Store) -> None:
    await write(store, tasks=[own(b"1")])
    assert await store.complete_task(0, b"1", b"result", None)
    assert not await store.complete_task(0, b"1", b"another", None)
    assert not await store.complete_task(0, b"never", b"x", None)
    assert await payloads(store) == [b"result"]
    assert await all_tasks(store) == {}, "it has its result: the owner is not to run it"
    assert await store.mark_task(0, b"token", b"1") == 0


async def test_a_result_of_a_task_that_was_dropped_is_not_wanted(store: Store) -> None:
    await write(store, tasks=[own(b"1")])
    await write(store, dropped=[b"1"])
    assert not await store.complete_task(0, b"1", b"result", None)
    assert await payloads(store) == []


# -- queues ------------------------------------------------------------------------------------------------------------


async def test_each_shared_task_goes_to_one_worker(store: Store) -> None:
    await store.open_queues(["q"])
    await store.open_queues(["q", "r"])
    await write(store, tasks=[shared(b"%d" % number) for number in range(4)] + [shared(b"r", "r"), own(b"own", "q")])
    assert list(await take_now(store, "w", count=3)) == [b"0", b"1", b"2"]
    assert list(await take_now(store, "v")) == [b"3"]
    assert await take_now(store, "w") == {}
    assert list(await take_now(store, "w", ["r"])) == [b"r"]


async def test_what_is_taken_says_all_that_is_needed_to_run_it(store: Store) -> None:
    await write(store, 1, tasks=[shared(b"1")])
    [task] = await store.take_tasks(["q"], "w", 1, 0)
    assert (task.queue, task.partition, task.task_id, task.payload, task.deliveries) == (
        "q",
        1,
        b"1",
        b"payload of 1",
        1,
    )


async def test_tasks_that_came_before_anybody_served_the_queue_are_taken(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    await store.open_queues(["q"])
    assert list(await take_now(store)) == [b"1"]


async def test_no_more_is_taken_than_asked_for_and_no_queue_starves(store: Store) -> None:
    await write(store, tasks=[shared(b"%s%d" % (queue.encode(), n), queue) for queue in "qrs" for n in range(6)])
    taken = [await store.take_tasks(["q", "r", "s"], "w", 2, 0) for _ in range(3)]
    assert [len(tasks) for tasks in taken] == [2, 2, 2]
    assert {task.queue for tasks in taken for task in tasks} == {"q", "r", "s"}
    rest = [task for _ in range(9) for task in await store.take_tasks(["q", "r", "s"], "w", 2, 0)]
    assert len(rest) == 12
    assert await store.take_tasks([], "w", 2, 0) == []
    assert await store.take_tasks(["q"], "w", 0, 0) == []


async def test_a_wait_for_tasks_ends_when_one_comes(store: Store) -> None:
    await store.open_queues(["q"])
    for number in range(3):
        waiting = asyncio.ensure_future(store.take_tasks(["other", "q"], "w", 5, LONG_MS))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await write(store, tasks=[shared(b"%d" % number)])
        [task] = await soon(waiting)
        assert task.task_id == b"%d" % number


async def test_a_wait_for_tasks_ends_after_its_time(twin: Twin) -> None:
    assert await soon(twin.wait_for(twin.store.take_tasks(["q"], "w", 5, 50))) == []


async def test_a_wait_that_is_cancelled_takes_nothing(store: Store) -> None:
    waiting = asyncio.ensure_future(store.take_tasks(["q"], "w", 5, LONG_MS))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await write(store, tasks=[shared(b"1")])
    assert list(await take_now(store, "v")) == [b"1"]


async def test_of_two_who_wait_one_gets_the_task(twin: Twin) -> None:
    store = twin.store
    waiting = asyncio.ensure_future(store.take_tasks(["q"], "w", 5, LONG_MS))
    await asyncio.sleep(0.02)
    await write(store, tasks=[shared(b"1")])
    assert list(await soon(waiting)) != []
    assert await take_now(store, "v") == {}


async def test_tasks_that_nobody_wants_are_forgotten_on_the_way(store: Store) -> None:
    await write(store, tasks=[shared(b"%d" % number) for number in range(20)])
    await write(store, dropped=[b"%d" % number for number in range(15)])
    found: list[bytes] = []
    while tasks := await store.take_tasks(["q"], "w", 4, 0):
        found += [task.task_id for task in tasks]
    assert sorted(found) == [b"15", b"16", b"17", b"18", b"19"]
    assert len(await store.retake_tasks(["q"], "v", 0, 100)) == 5


async def test_a_task_written_anew_is_not_mistaken_for_its_namesake(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    [old] = await store.take_tasks(["q"], "w", 1, 0)
    await write(store, dropped=[b"1"])
    await write(store, tasks=[shared(b"1")])
    assert (await store.keep_tasks("w", [old])).lost == [b"1"]
    [new] = await store.take_tasks(["q"], "v", 9, 0)
    assert new.entry != old.entry
    await write(store, dropped=[b"1"], tasks=[shared(b"2")])
    await write(store, dropped=[b"2"])
    await write(store, tasks=[shared(b"2")])
    assert len(await store.take_tasks(["q"], "v", 9, 0)) == 1, "though it is twice in the queue"


async def test_a_completed_shared_task_is_gone_from_its_queue(store: Store) -> None:
    await write(store, tasks=[shared(b"1"), shared(b"2")])
    taken = await take_now(store)
    assert await store.complete_task(0, b"1", b"result", taken[b"1"])
    assert not await store.complete_task(0, b"1", b"result", taken[b"1"]), "sent again"
    assert await payloads(store) == [b"result"]
    assert [task.task_id for task in await store.retake_tasks(["q"], "v", 0, 10)] == [b"2"]
    await write(store, dropped=[b"1"])
    assert (await store.info())[0].tasks == 1


# -- keeping alive and taking over -------------------------------------------------------------------------------------


async def test_a_task_whose_worker_says_nothing_is_taken_over(twin: Twin) -> None:
    store = twin.store
    await write(store, tasks=[shared(b"1"), shared(b"2")])
    taken = await take_now(store, "w")
    assert await store.retake_tasks(["q", "r"], "v", LONG_MS, 10) == []
    await twin.pass_ms(300)
    assert (await store.keep_tasks("w", [taken[b"1"]])).lost == []
    [again] = await store.retake_tasks(["q"], "v", 200, 10)
    assert (again.task_id, again.payload, again.entry, again.deliveries) == (
        b"2",
        b"payload of 2",
        taken[b"2"].entry,
        2,
    )
    assert (await store.keep_tasks("w", list(taken.values()))).lost == [b"2"]
    assert (await store.keep_tasks("v", [again])).lost == []
    assert await store.retake_tasks(["q"], "v", 200, 10) == []


async def test_deliveries_grow_with_every_worker_and_not_with_keeping_alive(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    [task] = await store.take_tasks(["q"], "w", 1, 0)
    for number in range(2, 5):
        assert (await store.keep_tasks("w", [task])).lost == []
        [task] = await store.retake_tasks(["q"], "w", 0, 1)
        assert task.deliveries == number


async def test_a_worker_heard_of_since_it_was_given_up_on_did_not_end_on_the_task(twin: Twin) -> None:
    """It could not say that the task runs, or left it to others: that delivery does not count."""
    store = twin.store
    await write(store, tasks=[shared(b"1")])
    await take_now(store, "w")
    await twin.pass_ms(300)
    await store.heartbeat("w", {}, LONG_MS)
    [again] = await store.retake_tasks(["q"], "v", 200, 10)
    assert again.deliveries == 1
    await store.heartbeat("v", {}, LONG_MS)
    await twin.pass_ms(300)
    [again] = await store.retake_tasks(["q"], "v", 200, 10)
    assert again.deliveries == 1, "taken over from itself"
    await twin.pass_ms(300)
    [again] = await store.retake_tasks(["q"], "w", 200, 10)
    assert again.deliveries == 2, "it was last heard of while the task was kept"


async def test_no_more_is_taken_over_than_asked_for(store: Store) -> None:
    await write(store, tasks=[shared(b"%d" % number) for number in range(5)])
    await take_now(store, "w")
    assert len(await store.retake_tasks(["q"], "v", 0, 2)) == 2
    assert await store.retake_tasks([], "v", 0, 2) == []


async def test_who_keeps_a_task_alive_learns_that_nobody_wants_it(store: Store) -> None:
    await write(store, tasks=[shared(b"1"), shared(b"2"), shared(b"3", "r")])
    taken = await take_now(store, "w", ["q", "r"])
    await write(store, dropped=[b"1", b"3"])
    assert sorted((await store.keep_tasks("w", list(taken.values()))).lost) == [b"1", b"3"]
    assert (await store.keep_tasks("w", [])).lost == []
    assert not await store.complete_task(0, b"3", b"result", taken[b"3"])
    assert [task.task_id for task in await store.retake_tasks(["q", "r"], "v", 0, 10)] == [b"2"]


async def test_of_two_who_ran_a_task_the_first_result_counts(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    [first] = await store.take_tasks(["q"], "w", 1, 0)
    [second] = await store.retake_tasks(["q"], "v", 0, 1)
    assert await store.complete_task(0, b"1", b"of w", first)
    assert (await store.keep_tasks("v", [second])).lost == [b"1"]
    assert not await store.complete_task(0, b"1", b"of v", second)
    assert await payloads(store) == [b"of w"]
