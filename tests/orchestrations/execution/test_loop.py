"""asyncio and anyio, unchanged, on a loop that never blocks."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
from typing import Any

import anyio
import anyio.to_thread
import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.unsupported import UnsupportedInOrchestrator
from stead.orchestrations._history.events import TimerCreated
from support.instance_driver import (
    START_MS,
    Driver,
    begin,
    done,
    failed,
    failure_of,
    only,
    raised,
    result_of,
    scheduled,
)

HOUR_MS = 3_600_000


async def test_a_sleep_of_72_hours_is_one_timer() -> None:
    async def flow(context: OrchestrationContext) -> str:
        await asyncio.sleep(72 * 3600)
        return context.now.isoformat()

    execution = begin(flow)
    (timer,) = scheduled(execution)
    assert timer == TimerCreated(START_MS, 1, START_MS + 72 * HOUR_MS, "")
    execution.feed(done(timer))
    assert result_of(execution) == "2026-01-04T00:00:00+00:00"


@pytest.mark.parametrize("way", ["asyncio", "anyio", "wait_for", "wait", "fail_after"])
async def test_a_deadline_is_a_durable_timer(way: str) -> None:
    async def flow(context: OrchestrationContext) -> str:
        wait = context.wait_for_external_event("Approval")
        try:
            match way:
                case "asyncio":
                    async with asyncio.timeout(5):
                        return str(await wait)
                case "anyio":
                    with anyio.move_on_after(5):
                        return str(await wait)
                    return "late"
                case "wait_for":
                    return str(await asyncio.wait_for(wait, 5))
                case "fail_after":
                    with anyio.fail_after(5):
                        return str(await wait)
                case _:
                    finished, _ = await asyncio.wait([wait], timeout=5)
                    return str(wait.result()) if finished else "late"
        except TimeoutError:
            return "late"

    late = begin(flow)
    (timer,) = scheduled(late)
    assert timer.fire_at_ms == START_MS + 5_000
    late.feed(done(timer))
    assert result_of(late) == "late"

    early = begin(flow)
    (timer,) = scheduled(early)
    early.feed(raised("approval", "yes"))
    assert result_of(early) == "yes"


async def test_gather_and_task_groups_run_side_by_side() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        seen: list[Any] = list(await asyncio.gather(*(context.call_activity("double", n) for n in range(3))))

        async def one(n: int) -> None:
            seen.append(await context.call_activity("double", n))

        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(one, n)
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(one(n)) for n in range(3)]
        assert all(task.done() for task in made)
        calls = [context.call_activity("double", n) for n in range(3)]
        return [*seen, *[await following for following in asyncio.as_completed(calls)]]

    execution = begin(flow)
    for _ in range(4):
        calls = scheduled(execution)
        assert [call.args for call in calls] == [[0], [1], [2]]
        for call in reversed(calls):
            execution.feed(done(call, call.args[0] * 2))
    assert result_of(execution) == [0, 2, 4, 4, 2, 0, 4, 2, 0, 4, 2, 0]


async def test_queues_events_locks_and_conditions() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        queue: asyncio.Queue[str] = asyncio.Queue(1)
        ready = asyncio.Event()
        lock = anyio.Lock()
        seen: list[Any] = []

        async def produce() -> None:
            for n in range(3):
                await queue.put(await context.call_activity("make", n))
            ready.set()

        async def consume() -> None:
            for _ in range(3):
                async with lock:
                    seen.append(await queue.get())

        await asyncio.gather(produce(), consume(), ready.wait())
        return seen

    assert Driver(flow).run().result == ["make"] * 3  # type: ignore[union-attr]


async def test_ten_thousand_gathered_activities() -> None:
    async def flow(context: OrchestrationContext) -> int:
        return sum(await asyncio.gather(*(context.call_activity("one") for _ in range(10_000))))

    execution = begin(flow)
    for call in scheduled(execution):
        execution.feed(done(call, 1))
    assert result_of(execution) == 10_000


REFUSED: dict[str, Any] = {
    "thread": lambda: asyncio.to_thread(print),
    "executor": lambda: asyncio.get_running_loop().run_in_executor(None, print),
    "subprocess": lambda: asyncio.create_subprocess_exec("true"),
    "connection": lambda: asyncio.open_connection("localhost", 1),
    "server": lambda: asyncio.start_server(print, "localhost", 0),
    "name": lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1),
    "socket": lambda: asyncio.get_running_loop().sock_connect(socket.socket(), ("localhost", 1)),
    "anyio thread": lambda: anyio.to_thread.run_sync(print),
    "anyio process": lambda: anyio.run_process(["true"]),
    "anyio connection": lambda: anyio.connect_tcp("127.0.0.1", 1),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
async def test_what_leaves_the_orchestrator_is_refused_with_the_alternative(
    what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async def flow(context: OrchestrationContext) -> None:
        await REFUSED[what]()

    if what == "socket":
        with socket.socket() as made:

            async def flow_socket(context: OrchestrationContext) -> None:
                await asyncio.get_running_loop().sock_connect(made, ("localhost", 1))

            failure = failure_of(begin(flow_socket))
    else:
        failure = failure_of(begin(flow))
    assert failure.is_caused_by(UnsupportedInOrchestrator)
    assert "activity" in failure.message
    assert capfd.readouterr() == ("", "")


async def test_callbacks_of_files_are_refused() -> None:
    async def flow(context: OrchestrationContext) -> None:
        asyncio.get_running_loop().add_reader(0, print)

    assert "loop.add_reader" in failure_of(begin(flow)).message


async def test_other_loops_are_refused() -> None:
    other = asyncio.get_running_loop().create_future()

    async def awaits(context: OrchestrationContext) -> None:
        await other

    async def runs(context: OrchestrationContext) -> None:
        work = asyncio.sleep(0)
        try:
            asyncio.run(work)
        finally:
            work.close()

    for flow in (awaits, runs):
        failure = failure_of(begin(flow))
        assert failure.error_type.endswith("UnsupportedInOrchestrator")
        assert "await" in failure.message


async def test_waiting_for_what_cannot_come_is_a_failure() -> None:
    async def flow(context: OrchestrationContext) -> None:
        await context.call_activity("first")
        await asyncio.Event().wait()

    execution = begin(flow)
    execution.feed(done(only(execution)))
    assert failure_of(execution).error_type.endswith("StuckOrchestration")


async def test_sleeping_for_ever_is_not() -> None:
    async def flow(context: OrchestrationContext) -> None:
        await anyio.sleep(math.inf)

    execution = begin(flow)
    assert execution.outcome is None
    assert scheduled(execution) == []
    execution.close()


async def test_an_endless_loop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stead.orchestrations._execution.loop.STEPS_MAX", 1_000)

    async def flow(context: OrchestrationContext) -> None:
        while True:
            await asyncio.sleep(0)

    assert "without waiting" in failure_of(begin(flow)).message


async def test_a_timer_that_is_cancelled_at_once_is_never_set() -> None:
    async def flow(context: OrchestrationContext) -> str:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        return str(await context.call_activity("after"))

    execution = begin(flow)
    (call,) = scheduled(execution)
    assert call.task_id == 2
    execution.close()
    driver = Driver(flow, replay_every_turn=True)
    assert driver.run() is not None
    assert [event.task_id for event in driver.wanted] == [2]


async def test_what_nobody_waits_for_and_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def flow(context: OrchestrationContext) -> str:
        async def broken() -> None:
            raise LookupError("in the background")

        asyncio.get_running_loop().create_task(broken())
        await context.call_activity("first")
        return str(await context.call_activity("second"))

    driver = Driver(flow, replay_every_turn=True)
    assert driver.run() is not None
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.name == "stead.orchestration"
    assert "in the background" in str(record.exc_info)


async def test_a_task_begins_eagerly_where_asyncio_has_that() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        seen: list[Any] = []

        async def one(n: int) -> str:
            seen.append(n)
            return str(await context.call_activity(f"a{n}"))

        create_task: Any = asyncio.get_running_loop().create_task
        tasks: list[Any] = []
        for n in range(3):
            coroutine = one(n)
            try:
                tasks.append(create_task(coroutine, eager_start=True))
            except TypeError:
                tasks.append(create_task(coroutine))
            seen.append("made")
        return [*seen, *await asyncio.gather(*tasks)]

    begun = [0, "made", 1, "made", 2, "made"] if sys.version_info >= (3, 12) else ["made"] * 3
    driver = Driver(flow, replay_every_turn=True)
    assert driver.run().result == [*begun, "a0", "a1", "a2"]  # type: ignore[union-attr]


async def test_the_task_that_takes_a_turn_is_the_current_one_after_it() -> None:
    async def flow(context: OrchestrationContext) -> list[str]:
        await context.call_activity("x")
        return [task.get_name() for task in (asyncio.current_task(), *asyncio.all_tasks()) if task is not None]

    outer = asyncio.current_task()
    execution = begin(flow)
    assert asyncio.current_task() is outer
    execution.feed(done(only(execution)))
    assert asyncio.current_task() is outer
    assert result_of(execution) == ["flow", "flow"]


async def test_a_failing_child_cancels_its_siblings() -> None:
    async def flow(context: OrchestrationContext) -> str:
        async def one(name: str) -> None:
            await context.call_activity(name)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(one("good"))
                group.create_task(one("bad"))
        except* LookupError:
            pass
        return "no"

    execution = begin(flow)
    good, bad = scheduled(execution)
    execution.feed(failed(bad, ValueError("no")))
    failure = failure_of(execution)
    assert failure.error_type == "ExceptionGroup"
    assert failure.cause is not None and failure.cause.error_type.endswith("ActivityFailed")
    assert "ActivityFailed" in failure.message
    assert (execution.take(), execution.called_off) == ([], [good.task_id])
