"""Activities that cannot be ended, and results that cannot be stored: nobody waits for them, and nothing is done again."""

from __future__ import annotations

import asyncio
import threading

import pytest

from support.activity_bench import ActivityBench, settle

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stead.orchestrations._activities.slots.LATE_S", 0)


async def double(number: int) -> int:
    return number * 2


async def test_a_thread_that_was_given_up_is_replaced_and_named(caplog: pytest.LogCaptureFixture) -> None:
    """So often, at most, as there may be threads; what is given up beyond that counts until it ends."""
    others = set(threading.enumerate())  # of tests that ran here before
    go = threading.Event()

    begun: list[int] = []

    def hang() -> None:
        begun.append(1)
        go.wait()

    def which(number: int) -> int:
        return number

    bench = ActivityBench(hang, which, activity_threads_max=2)
    slots = bench.runner.slots
    try:
        async with bench.running():
            for last in (False, True):
                hanging = [bench.task("hang") for _ in range(2)]
                bench.grant(*hanging)
                while len(begun) < (4 if last else 2):
                    await asyncio.sleep(0)
                bench.unwanted(*hanging)
                assert slots.running == (2 if last else 0)
                if not last:
                    bench.grant(bench.task("which", 1))
                    await bench.idle()
                    assert list(bench.answers.values()) == [1], "others have threads"
            bench.grant(bench.task("which", 2))
            await settle()
            assert len(bench.answers) == 1, "it waits: threads have a limit"
            assert caplog.text.count("hang of i still runs in its thread") == 4
            go.set()
            await bench.idle()
            assert list(bench.answers.values()) == [1, 2]
            while slots.running:
                await asyncio.sleep(0)
            threads = [
                thread
                for thread in threading.enumerate()
                if thread not in others and thread.name.startswith("stead-activity")
            ]
            assert slots.room(True) > 0
    finally:
        go.set()
    for thread in threads:
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive(), "all of them end with the worker"


async def test_an_asynchronous_one_that_takes_no_cancellation_is_named(caplog: pytest.LogCaptureFixture) -> None:
    go = asyncio.Event()

    async def stay() -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    bench = ActivityBench(stay, double, activities_running_max=1)
    first = bench.task("stay")
    async with bench.running():
        bench.grant(first)
        await settle()
        bench.unwanted(first)
        bench.grant(bench.task("double", 1), bench.task("double", 2))
        await settle()
        assert caplog.text.count("stay of i still runs and takes no cancellation") == 1
        go.set()
        await bench.idle()
    assert sorted(bench.answers.values()) == [2, 4]


async def test_a_result_that_cannot_be_stored_is_final() -> None:
    def large() -> str:
        return "x" * 2_000

    async def unstorable() -> object:
        return object()

    bench = ActivityBench(large, unstorable, payload_bytes_max=1_024)
    async with bench.running():
        bench.grant(bench.task("large"), bench.task("unstorable"))
        await bench.idle()
    assert [args[3]["kind"] for _, args in bench.board.delivered] == ["non_retriable"] * 2
