"""Tasks that change hands: given back to their queue, and shared while they run."""

from __future__ import annotations

import asyncio

import pytest

from contract.test_tasks import LONG_MS, all_tasks, own, shared, take_now, write
from stead.transport import Store, StreamId, Taken, Task, TornCommit
from support.redis_steps import payloads
from support.store_twins import Twin, soon

pytestmark = pytest.mark.anyio


# -- giving back -------------------------------------------------------------------------------------------------------


async def test_what_is_given_back_waits_again_at_once_and_was_never_taken(twin: Twin) -> None:
    """A deployment is no death: however many there are, none of them is counted."""
    store = twin.store
    await write(store, tasks=[shared(b"1"), shared(b"2", "r")])
    taken = await take_now(store, "w", ["q", "r"])
    for worker in ("v", "w") * 5:
        before = "w" if worker == "v" else "v"
        assert await store.give_back_tasks(before, list(taken.values())) == 2
        taken = await take_now(store, worker, ["q", "r"])
        assert {name: (task.payload, task.deliveries) for name, task in taken.items()} == {
            b"1": (b"payload of 1", 1),
            b"2": (b"payload of 2", 1),
        }
    assert await store.complete_task(0, b"1", b"result", taken[b"1"])
    assert await payloads(store) == [b"result"]
    [again] = await store.retake_tasks(["q", "r"], "u", 0, 10)
    assert (again.task_id, again.deliveries) == (b"2", 2)
    assert await store.give_back_tasks("w", []) == 0


async def test_deaths_are_remembered_by_what_is_given_back(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    [task] = await store.take_tasks(["q"], "w", 1, 0)
    for deaths in range(1, 4):
        [task] = await store.retake_tasks(["q"], "w", 0, 1)
        for _ in range(2):
            assert task.deliveries == deaths + 1
            assert await store.give_back_tasks("w", [task]) == 1
            [task] = await store.take_tasks(["q"], "w", 1, 0)


async def test_what_is_given_back_wakes_who_waits(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    taken = await store.take_tasks(["q"], "w", 1, 0)
    waiting = asyncio.ensure_future(store.take_tasks(["q"], "v", 5, LONG_MS))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    assert await store.give_back_tasks("w", taken) == 1
    assert [task.task_id for task in await soon(waiting)] == [b"1"]


async def test_giving_back_again_does_nothing(store: Store) -> None:
    """Its answer may have got lost."""
    await write(store, tasks=[shared(b"1")])
    taken = await store.take_tasks(["q"], "w", 1, 0)
    assert await store.give_back_tasks("w", taken) == 1
    assert await store.give_back_tasks("w", taken) == 0
    [again] = await store.take_tasks(["q"], "w", 9, 0)
    assert await store.give_back_tasks("w", taken) == 0, "though this very worker has it again"
    assert again.deliveries == 1
    assert (await store.keep_tasks("w", [again])).lost == []
    assert await store.take_tasks(["q"], "v", 9, 0) == []


async def test_only_who_has_a_task_may_give_it_back(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    old = await store.take_tasks(["q"], "w", 1, 0)
    [new] = await store.retake_tasks(["q"], "v", 0, 1)
    assert await store.give_back_tasks("w", old) == 0
    assert (await store.keep_tasks("v", [new])).lost == []
    assert await store.take_tasks(["q"], "w", 9, 0) == []


async def test_what_is_given_back_is_not_kept_alive_by_who_had_it(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    taken = await store.take_tasks(["q"], "w", 1, 0)
    assert await store.give_back_tasks("w", taken) == 1
    assert (await store.keep_tasks("w", taken)).lost == [b"1"]
    assert await store.retake_tasks(["q"], "v", 0, 9) == []
    assert len(await store.take_tasks(["q"], "v", 9, 0)) == 1


async def test_a_result_and_a_task_that_is_given_back_at_the_same_time_do_no_harm(store: Store) -> None:
    await write(store, tasks=[shared(b"1"), shared(b"2"), shared(b"3")])
    taken = await take_now(store)
    assert await store.complete_task(0, b"1", b"first", taken[b"1"])
    await write(store, dropped=[b"3"])
    assert await store.give_back_tasks("w", list(taken.values())) == 1
    assert await store.complete_task(0, b"2", b"late", taken[b"2"])
    assert await payloads(store) == [b"first", b"late"]
    assert await store.take_tasks(["q"], "v", 9, 0) == [], "each has its result, or nobody wants it"
    assert await store.retake_tasks(["q"], "v", 0, 9) == []


async def test_the_namesake_of_a_task_is_not_given_back_in_its_place(store: Store) -> None:
    await write(store, tasks=[shared(b"1")])
    old = await store.take_tasks(["q"], "w", 1, 0)
    await write(store, dropped=[b"1"])
    await write(store, tasks=[shared(b"1")])
    assert await store.give_back_tasks("w", old) == 0
    [new] = await store.take_tasks(["q"], "v", 9, 0)
    assert (new.payload, new.deliveries) == (b"payload of 1", 1)


async def test_a_task_may_be_given_back_with_any_payload(store: Store) -> None:
    loads = {b"empty": b"", b"flag": b"D", b"colon": b":S:", b"\xff": b"\xff\x00" * 9}
    await write(store, 1, tasks=[Task(name, "q", shared=True, payload=load) for name, load in loads.items()])
    taken = await take_now(store)
    assert await store.give_back_tasks("w", list(taken.values())) == 4
    again = await take_now(store)
    assert {name: (task.payload, task.partition) for name, task in again.items()} == {
        name: (load, 1) for name, load in loads.items()
    }


async def test_what_was_an_owner_s_own_can_be_given_back_too(store: Store) -> None:
    await write(store, tasks=[own(b"1")])
    entries = await store.share_tasks(0, b"token", "w", [(b"1", "q")])
    assert entries is not None
    assert await store.give_back_tasks("w", [as_taken(b"1", entries[0])]) == 1
    assert await store.share_tasks(0, b"token", "w", [(b"1", "q")]) == [b""], "it waits for anyone"
    [task] = await store.take_tasks(["q"], "v", 9, 0)
    assert (task.payload, task.deliveries) == (b"payload of 1", 1)


# -- sharing what the owner runs ---------------------------------------------------------------------------------------


def as_taken(name: bytes, entry: StreamId, queue: str = "q") -> Taken:
    return Taken(queue, entry, 0, name, b"payload of " + name, 1)


async def test_tasks_that_the_owner_runs_become_shared_ones_that_it_has_taken(twin: Twin) -> None:
    store = twin.store
    await write(store, tasks=[shared(b"0"), own(b"1"), own(b"2"), own(b"3", "r"), own(b"4")])
    entries = await store.share_tasks(0, b"token", "w", [(b"1", "q"), (b"3", "r"), (b"never", "q")])
    assert entries is not None
    assert entries[2] == b""
    assert set(await all_tasks(store)) == {b"2", b"4"}
    await write(store, token=b"next", tasks=[shared(b"5")])
    assert set(await take_now(store, "v", ["q", "r"])) == {b"0", b"5"}, "the others take only what waits"
    mine = [as_taken(b"1", entries[0]), as_taken(b"3", entries[1], "r")]
    assert (await store.keep_tasks("w", mine)).lost == []
    assert await store.complete_task(0, b"1", b"result", mine[0])
    assert await payloads(store) == [b"result"]
    await twin.pass_ms(20)
    again = {task.task_id: task for task in await store.retake_tasks(["q", "r"], "v", 10, 10)}
    assert again[b"3"].payload == b"payload of 3"
    assert again[b"3"].deliveries == 2


async def test_sharing_again_gives_the_same_entries(store: Store) -> None:
    await write(store, tasks=[own(b"1"), own(b"2")])
    tasks = [(b"1", "q"), (b"2", "q")]
    entries = await store.share_tasks(0, b"token", "w", tasks)
    assert entries is not None
    assert await store.share_tasks(0, b"token", "w", tasks) == entries
    await store.retake_tasks(["q"], "v", 0, 1)
    assert await store.share_tasks(0, b"token", "w", tasks) == [b"", entries[1]], "another has it now"
    await store.complete_task(0, b"2", b"result", None)
    assert await store.share_tasks(0, b"token", "w", tasks) == [b"", b""]


async def test_only_the_owner_may_share_or_mark(twin: Twin) -> None:
    store = twin.store
    await write(store, tasks=[own(b"1")])
    for token in (b"", b"another"):
        assert await store.share_tasks(0, token, "w", [(b"1", "q")]) is None
        assert await store.mark_task(0, token, b"1") is None
    assert set(await all_tasks(store)) == {b"1"}
    assert await take_now(store) == {}
    twin.tear(0)
    with pytest.raises(TornCommit):
        await store.share_tasks(0, b"token", "w", [(b"1", "q")])
    with pytest.raises(TornCommit):
        await store.mark_task(0, b"token", b"1")


async def test_a_crowd_of_workers_carries_out_every_task_once(store: Store) -> None:
    names = {b"%d" % number for number in range(60)}
    await write(store, tasks=[shared(name, "qr"[int(name) % 2]) for name in names])
    done: list[bytes] = []
    for turn in range(40):
        worker = f"w{turn % 4}"
        for task in await store.take_tasks(["q", "r"], worker, 3, 0):
            assert await store.complete_task(0, task.task_id, task.task_id, task)
            done.append(task.task_id)
    assert sorted(done) == sorted(names)
    assert set(await payloads(store)) == names


async def test_what_a_lost_answer_had_taken_is_taken_over_by_anyone(twin: Twin) -> None:
    """Whoever asked does not know that it has them, so they are not kept alive."""
    store = twin.store
    await write(store, tasks=[shared(b"1")])
    await store.take_tasks(["q"], "w", 1, 0)
    await twin.pass_ms(60)
    [again] = await store.retake_tasks(["q"], "w", 50, 10)
    assert (again.task_id, again.deliveries) == (b"1", 2)
    assert await store.retake_tasks(["q"], "v", 10_000, 10) == []
