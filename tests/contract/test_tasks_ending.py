"""Tasks that are to end, while somebody waits for that; and what those that run have to say to their instances."""

from __future__ import annotations

import pytest

from contract.test_limits import limited, names, write
from contract.test_tasks import all_tasks, own, shared, take_now
from stead.transport import Store
from support.redis_steps import payloads

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(113)]


async def test_an_own_task_has_no_payload_any_more_and_its_result_is_still_wanted(store: Store) -> None:
    await write(store, own(b"1"), own(b"2"))
    await write(store, ending=[("", b"1"), ("", b"gone")])
    assert await all_tasks(store) == {b"1": b"", b"2": b"payload of 2"}
    assert await store.complete_task(0, b"1", b"ended", None)
    await write(store, ending=[("", b"1")])  # it has a result
    assert await all_tasks(store) == {b"2": b"payload of 2"}
    assert not await store.complete_task(0, b"1", b"ended", None)


@pytest.mark.parametrize("opened", [True, False])
async def test_what_nobody_has_taken_leaves_its_queue_and_is_the_owners(store: Store, opened: bool) -> None:
    if opened:
        await store.open_queues(["q"])
    await write(store, shared(b"1"), shared(b"2"))
    await write(store, ending=[("q", b"1")])
    assert await all_tasks(store) == {b"1": b""}
    assert list(await take_now(store)) == [b"2"]


async def test_one_that_is_scheduled_and_ended_by_one_commit_is_the_owners(store: Store) -> None:
    await write(store, shared(b"1"), own(b"2"), ending=[("q", b"1"), ("", b"2")])
    assert await all_tasks(store) == {b"1": b"", b"2": b""}
    assert await take_now(store) == {}


async def test_who_has_taken_one_hears_of_it_and_whoever_takes_it_over_gets_no_payload(store: Store) -> None:
    await write(store, shared(b"1"), shared(b"2"))
    taken = await take_now(store)
    await write(store, ending=[("q", b"1")])
    assert await all_tasks(store) == {}, "it runs where it is"
    for _ in range(2):
        kept = await store.keep_tasks("w", list(taken.values()))
        assert (kept.lost, kept.ending) == ([], [b"1"])
    heir = {task.task_id: task for task in await store.retake_tasks(["q"], "heir", 0, 10)}
    assert {name: task.payload for name, task in heir.items()} == {b"1": b"", b"2": b"payload of 2"}
    assert sorted((await store.keep_tasks("w", list(taken.values()))).lost) == [b"1", b"2"]
    assert await store.give_back_tasks("heir", [heir[b"1"]]) == 1
    again = (await take_now(store, "third"))[b"1"]
    assert again.payload == b""
    assert await store.complete_task(0, b"1", b"ended", again)


async def test_one_behind_a_limit_gives_up_its_wait_and_keeps_its_place_until_it_has_ended(store: Store) -> None:
    await write(store, *(limited(name) for name in "012"))
    (running,) = await store.take_tasks(["q"], "w", 10, 0)
    assert running.task_id == b"0"
    await write(store, ending=[("q", b"0"), ("q", b"1")])
    assert await all_tasks(store) == {b"1": b""}
    (view,) = await store.limits(["q"], 10)
    assert (view.running, view.waiting) == (1, 1)
    assert (await store.keep_tasks("w", [running])).ending == [b"0"]
    assert await store.take_tasks(["q"], "w", 10, 0) == []
    assert await store.complete_task(0, b"0", b"ended", running)
    assert names(await store.take_tasks(["q"], "w", 10, 0)) == ["2"]


async def test_what_those_that_run_say_comes_to_the_inbox_as_long_as_it_is_wanted(store: Store) -> None:
    await write(store, *(shared(b"%d" % number) for number in range(4)))
    taken = await take_now(store)
    others = await store.retake_tasks(["q"], "v", 0, 1)
    assert [task.task_id for task in others] == [b"0"]
    await write(store, dropped=[b"1"], ending=[("q", b"2")])
    said = {name: b"said by " + name for name in taken}
    kept = await store.keep_tasks("w", list(taken.values()), said)
    assert (sorted(kept.lost), kept.ending) == ([b"0", b"1"], [b"2"])
    assert await payloads(store) == [b"said by 3"]
