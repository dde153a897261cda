"""What can be done to the store in memory: the harm that a server does to its clients, on demand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from stead.transport import (
    Commit,
    CommitVerdict,
    ConnectionLost,
    Fault,
    LogWrite,
    ManualClock,
    MemoryStore,
    Reply,
    Running,
    ServerChanged,
    ServerClock,
    Taken,
    Task,
    Timer,
    Verdict,
)
from support.redis_steps import batch, commit, payloads, put, read, take
from support.store_twins import SETTINGS, MemoryTwin, soon

pytestmark = pytest.mark.anyio


@pytest.fixture
def twin() -> MemoryTwin:
    return MemoryTwin("memory", SETTINGS)


@pytest.fixture
def store(twin: MemoryTwin) -> MemoryStore:
    return twin.store


async def test_a_lost_answer_hides_a_step_that_was_carried_out(store: MemoryStore) -> None:
    store.faults.lose_answers("enqueue", 2)
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            await store.enqueue([batch([b"a"])])
    [result] = await store.enqueue([batch([b"a"])])
    assert result.verdict is Verdict.DUPLICATE
    assert await payloads(store) == [b"a"]


async def test_a_refused_call_does_nothing(store: MemoryStore) -> None:
    store.faults.refuse("enqueue")
    with pytest.raises(ConnectionLost):
        await store.enqueue([batch([b"a"])])
    assert await payloads(store) == []
    assert [result.verdict for result in await store.enqueue([batch([b"a"])])] == [Verdict.ACCEPTED]


async def test_a_connection_lost_in_mid_pipeline_carries_a_part_of_it(store: MemoryStore) -> None:
    batches = [batch([b"x"], partition=partition) for partition in range(3)]
    store.faults.lose_answers("enqueue", parts=2)
    with pytest.raises(ConnectionLost):
        await store.enqueue(batches)
    assert [await payloads(store, partition) for partition in range(3)] == [[b"x"], [b"x"], []]
    verdicts = [result.verdict for result in await store.enqueue(batches)]
    assert verdicts == [Verdict.DUPLICATE, Verdict.DUPLICATE, Verdict.ACCEPTED]


@pytest.mark.parametrize(("parts", "arrived"), [(0, False), (1, True)])
async def test_a_batch_of_commits_arrives_as_a_whole_or_not_at_all(
    store: MemoryStore, parts: int, arrived: bool
) -> None:
    owners = [await take(store, partition) for partition in range(3)]
    commits = [commit(owner, b"one", sends=[(owner.partition, b"x")]) for owner in owners]
    store.faults.lose_answers("commit", parts=parts)
    with pytest.raises(ConnectionLost):
        await store.commit(commits, store.generation)
    assert [await payloads(store, partition) for partition in range(3)] == [[b"x"] if arrived else []] * 3
    verdict = CommitVerdict.ALREADY if arrived else CommitVerdict.APPLIED
    assert await store.commit(commits, store.generation) == [verdict] * 3


async def test_a_delayed_call_reaches_the_server_late_by_the_hub_s_clock(twin: MemoryTwin) -> None:
    twin.store.faults.delay("enqueue", 5.0)
    late = asyncio.ensure_future(twin.store.enqueue([batch([b"late"])]))
    await asyncio.sleep(0)
    await put(twin.store, [b"early"])
    await twin.pass_ms(4_999)
    assert not late.done()
    await twin.wait_for(twin.store.read_inboxes({1: b"0"}, 1, 10))
    await late
    assert await payloads(twin.store) == [b"early", b"late"]


async def test_faults_can_be_chosen_for_every_call(store: MemoryStore) -> None:
    befallen: list[str] = []

    def choose(method: str) -> Fault | None:
        befallen.append(method)
        return Fault(refused=True) if method == "load" else None

    store.faults.choose = choose
    with pytest.raises(ConnectionLost):
        await store.load({0: ["@e@k"]})
    await store.read_records(0, ["@e@k"])
    assert befallen == ["load", "read_records"]
    store.faults.clear()
    await store.load({0: ["@e@k"]})
    assert store.faults.calls == {"load": 2, "read_records": 1}


async def test_a_full_server_refuses_messages_and_lets_workers_go_on(store: MemoryStore) -> None:
    """HAZARDS 5."""
    ids = await put(store, [b"a"])
    owner = await take(store)
    store.faults.full = True
    [result] = await store.enqueue([batch([b"b"])])
    assert result.verdict is Verdict.FULL
    assert await store.commit([commit(owner, consumed=ids, sends=[(1, b"c")])], store.generation) == [
        CommitVerdict.APPLIED
    ]
    store.faults.full = False
    assert [result.verdict for result in await store.enqueue([batch([b"b"])])] == [Verdict.ACCEPTED]


async def test_a_restart_is_noticed_by_those_who_wait_and_those_who_commit(store: MemoryStore) -> None:
    """HAZARDS 2: what was begun before a restart is not written after it, and nothing is lost."""
    await put(store, [b"a"])
    owner = await take(store)
    generation, run_id = store.generation, store.facts.run_id
    reading = asyncio.ensure_future(store.read_inboxes({1: b"0"}, 10, 60_000))
    answers = asyncio.ensure_future(store.read_replies(0, "client", b"0", 60_000))
    await asyncio.sleep(0.01)
    store.restart()
    for waiting in (reading, answers):
        with pytest.raises(ConnectionLost):
            await waiting
    assert store.generation == generation + 1
    assert store.facts.run_id != run_id
    with pytest.raises(ServerChanged):
        await store.commit([commit(owner, sends=[(0, b"x")])], generation)
    assert await payloads(store) == [b"a"]


@pytest.mark.hazard(34)
@pytest.mark.parametrize("component", [0, 1])
async def test_a_fail_over_loses_a_batch_as_a_whole(store: MemoryStore, component: int) -> None:
    """So that no history has one member of it and not the other."""
    owners = [await take(store, place) for place in range(2)]

    def batch_of(batch_id: bytes, previous: bytes) -> list[Commit]:
        return [commit(owner, batch_id, previous, sends=[(3, batch_id)], component=component) for owner in owners]

    generation = store.generation
    assert await store.commit(batch_of(b"one", b""), generation) == [CommitVerdict.APPLIED] * 2
    snapshot = store.snapshot()
    assert await store.commit(batch_of(b"two", b"one"), generation) == [CommitVerdict.APPLIED] * 2
    store.restore(snapshot)
    with pytest.raises(ServerChanged):
        await store.commit(batch_of(b"three", b"two"), generation)
    assert await store.commit(batch_of(b"three", b"two"), store.generation) == [CommitVerdict.FENCED] * 2
    assert await payloads(store, 3) == [b"one", b"one"]
    assert await store.commit(batch_of(b"two", b"one"), store.generation) == [CommitVerdict.APPLIED] * 2


async def test_a_fail_over_to_a_replica_that_lags_forgets_what_came_since(store: MemoryStore) -> None:
    """HAZARDS 1: the commits after it are fenced by their IDs although every number fits again."""
    owner = await take(store)
    await store.commit([commit(owner, b"one", states=[("@e@k", b"1")])], store.generation)
    snapshot = store.snapshot()
    await store.commit([commit(owner, b"two", b"one", states=[("@e@k", b"2")])], store.generation)
    await store.enqueue([batch([b"a"])])
    store.restore(snapshot)
    assert await store.read_records(0, ["@e@k"]) == [b"1"]
    late = commit(owner, b"three", b"two", states=[("@e@k", b"3")])
    assert await store.commit([late], store.generation) == [CommitVerdict.FENCED]
    [result] = await store.enqueue([batch([b"b"], previous=0)])
    assert (result.verdict, result.detail) == (Verdict.GAP, -1)


async def test_a_snapshot_is_not_changed_by_what_happens_afterwards(store: MemoryStore) -> None:
    snapshot = store.snapshot()
    await put(store, [b"a"])
    store.restore(snapshot)
    await put(store, [b"b"])
    store.restore(snapshot)
    assert await payloads(store) == []


@pytest.mark.hazard(2)
async def test_a_promoted_replica_gives_a_stream_id_again(store: MemoryStore) -> None:
    """HAZARDS 2: so a message in hand is known by its message ID as well."""
    snapshot = store.snapshot()
    first = await put(store, [b"lost"])
    store.restore(snapshot)
    assert await put(store, [b"another"]) == first


async def test_leases_can_be_made_to_run_out(store: MemoryStore) -> None:
    await take(store, 0)
    await take(store, 1)
    store.expire_leases(0)
    now_ms, leases = await store.read_leases()
    assert [lease.expires_ms < now_ms for lease in leases[:2]] == [True, False]
    store.expire_leases()
    now_ms, leases = await store.read_leases()
    assert all(lease.expires_ms < now_ms for lease in leases[:2])
    assert leases[2].token == b""


async def test_the_renewer_can_fail_too(store: MemoryStore) -> None:
    await take(store)
    renewer = store.renewer()
    store.faults.refuse("renew")
    with pytest.raises(ConnectionLost):
        renewer.renew({0: b"token"}, 1_000)
    store.faults.lose_answers("renewer.mark_running")
    with pytest.raises(ConnectionLost):
        renewer.mark_running(0, b"token", Running("@e@k", b"1-0", 1))
    assert renewer.renew({0: b"token"}, 1_000) == set()


async def test_a_hub_is_idle_when_nothing_can_happen_by_itself(twin: MemoryTwin) -> None:
    store = twin.store
    assert store.is_idle()
    ids = await put(store, [b"a", b"b"])
    assert not store.is_idle()
    owner = await take(store)
    await store.park(0, b"token", "@e@k", ids[:1])
    await store.commit([commit(owner, b"one", consumed=ids[1:])], store.generation)
    assert not store.is_idle(), "a parked message will run"
    due_ms = store.clock.now_ms() + 1_000
    blocked = commit(owner, b"two", b"one", blocked=[("@e@k", "unknown kind")], timers=[Timer(b"t", due_ms, b"x")])
    await store.commit([blocked], store.generation)
    assert store.is_idle(), "a blocked target's messages wait for people"
    assert store.next_due_ms() == due_ms
    await twin.pass_ms(1_000)
    assert not store.is_idle(), "a timer is due"


async def test_a_hub_is_idle_when_no_activity_can_be_carried_out(twin: MemoryTwin) -> None:
    store = twin.store
    owner = await take(store)
    tasks = [Task(b"own", "", shared=False, payload=b""), Task(b"shared", "q", shared=True, payload=b"")]
    await store.commit([commit(owner, b"1", tasks=tasks[:1])], store.generation)
    assert not store.is_idle(), "its owner runs it"
    await store.commit([commit(owner, b"2", b"1", tasks=tasks[1:], dropped=[b"own"])], store.generation)
    assert store.is_idle(), "nobody serves the queue"
    await store.open_queues(["q"])
    assert not store.is_idle(), "somebody will take it"
    [taken] = await store.take_tasks(["q"], "w", 1, 0)
    assert not store.is_idle(), "a worker runs it"
    await store.complete_task(0, b"shared", b"result", taken)
    [(result, _)] = await read(store)
    await store.commit([commit(owner, b"3", b"2", consumed=[result])], store.generation)
    assert store.is_idle()


async def test_a_fail_over_takes_back_what_was_done_with_tasks(store: MemoryStore) -> None:
    owner = await take(store)
    task = Task(b"1", "q", shared=True, payload=b"")
    await store.commit([commit(owner, b"1", tasks=[task], logs=[LogWrite("i", [b"1"])])], store.generation)
    snapshot = store.snapshot()
    [taken] = await store.take_tasks(["q"], "w", 1, 0)
    await store.complete_task(0, b"1", b"result", taken)
    await store.commit([commit(owner, b"2", b"1", logs=[LogWrite("i", [b"2"])], dropped=[b"1"])], store.generation)
    store.restore(snapshot)
    assert await payloads(store) == []
    assert await store.read_log(0, "i", 0, 10) == [b"1"]
    assert await store.take_tasks(["q"], "v", 1, 0) == [taken]


async def test_what_is_done_with_tasks_can_fail_too(store: MemoryStore) -> None:
    owner = await take(store)
    task = Task(b"1", "q", shared=True, payload=b"")
    await store.commit([commit(owner, b"1", tasks=[task])], store.generation)
    taken = Taken("q", b"0-0", 0, b"1", b"", 1)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "tasks": lambda: store.tasks(0, b"", 1),
        "mark_task": lambda: store.mark_task(0, b"token", b"1"),
        "share_tasks": lambda: store.share_tasks(0, b"token", "w", [(b"1", "q")]),
        "open_queues": lambda: store.open_queues(["q"]),
        "take_tasks": lambda: store.take_tasks(["q"], "w", 1, 0),
        "retake_tasks": lambda: store.retake_tasks(["q"], "w", 0, 1),
        "keep_tasks": lambda: store.keep_tasks("w", [taken]),
        "give_back_tasks": lambda: store.give_back_tasks("w", [taken]),
        "complete_task": lambda: store.complete_task(0, b"1", b"result", None),
        "read_log": lambda: store.read_log(0, "i", 0, 1),
        "read_instance": lambda: store.read_instance(0, "i", 1),
    }
    for method, call in calls.items():
        store.faults.refuse(method)
        with pytest.raises(ConnectionLost):
            await call()
    store.faults.lose_answers("complete_task")
    with pytest.raises(ConnectionLost):
        await calls["complete_task"]()
    assert await calls["complete_task"]() is False
    assert await payloads(store) == [b"result"]


async def test_workers_share_a_hub_and_each_reads_from_its_own_positions(store: MemoryStore) -> None:
    ids = await put(store, [b"a", b"b"])
    readers = [asyncio.ensure_future(store.read_inboxes({0: after}, 10, 60_000)) for after in (b"0", ids[0], ids[1])]
    waiting = asyncio.ensure_future(store.read_inboxes({0: ids[1], 1: b"0"}, 10, 60_000))
    await asyncio.sleep(0.01)
    await put(store, [b"c"])
    found = [[entry[1][1] for _, entries in await soon(reader) for entry in entries] for reader in (*readers, waiting)]
    assert found == [[b"a", b"b"], [b"b"], [b"c"], [b"c"]]


async def test_a_waiting_read_can_be_woken_from_another_thread_s_event_loop() -> None:
    """A synchronous client of a hub in memory has its own thread and loop."""
    store = MemoryStore("memory", SETTINGS, ServerClock())
    owner = await take(store)
    reading = asyncio.ensure_future(store.read_inboxes({0: b"0"}, 10, 60_000))
    answers = asyncio.ensure_future(store.read_replies(0, "client", b"0", 60_000))
    await asyncio.sleep(0.01)

    def elsewhere() -> None:
        asyncio.run(put(store, [b"a"]))
        reply = commit(owner, replies=[Reply(0, "client", b"answer")])
        asyncio.run(store.commit([reply], store.generation))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    [(_, entries)] = await soon(reading)
    assert [entry[1][1] for entry in entries] == [b"a"]
    assert [payload for _, payload in await soon(answers)] == [b"answer"]
    thread.join()


async def test_in_virtual_time_a_long_wait_takes_none() -> None:
    twin = MemoryTwin("memory", SETTINGS)
    assert await twin.wait_for(twin.store.read_inboxes({0: b"0"}, 10, 3_600_000)) == []
    assert twin.clock.monotonic() == pytest.approx(3_600)
    assert isinstance(twin.store.clock, ManualClock)
