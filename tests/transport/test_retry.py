"""One answer to when something is tried again, for how long, and what is told in the end: all of it on the clock given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from stead.transport import (
    Backoff,
    ConnectionLost,
    KeyDamaged,
    ManualClock,
    Patience,
    ServerChanged,
    ServerUnsuitable,
    Settings,
    StoreClosed,
    StoreUnavailable,
    Tries,
    until_answered,
)
from stead.transport._contract.clock import within
from stead.transport._retry import RETRY_S_MAX, RETRY_S_MIN, hold_delay, reason_of, retry_delay

SETTINGS = Settings(store_tries_ms=10_000)


async def through_time(clock: ManualClock, awaitable: Awaitable[Any]) -> Any:
    """What something gives whose every wait is on the clock: in no time."""
    task = asyncio.ensure_future(awaitable)
    while not task.done():
        for _ in range(5):
            await asyncio.sleep(0)
        if not task.done():
            wake_ms = clock.next_wake_ms()
            assert wake_ms is not None, "it waits for something else than the clock"
            clock.advance_to(wake_ms)
    return task.result()


class Store:
    """Answers with errors, and with "well" after the last one."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "well"


@pytest.mark.parametrize("error", [ConnectionLost("gone"), ServerChanged("another")])
async def test_what_is_not_answered_is_asked_again(error: Exception) -> None:
    clock, store = ManualClock(), Store(error, error, error)
    tries = Tries(clock, SETTINGS)
    assert await through_time(clock, until_answered(store.ask, tries)) == "well"
    assert (store.asked, tries.count) == (4, 3)
    assert 0 < clock.monotonic() < 3 * RETRY_S_MAX


@pytest.mark.parametrize("error", [ServerUnsuitable("no"), KeyDamaged("odd"), ValueError("ours")])
async def test_an_answer_is_not_asked_for_again(error: Exception) -> None:
    store = Store(error)
    with pytest.raises(type(error)):
        await until_answered(store.ask, Tries(ManualClock(), SETTINGS))
    assert store.asked == 1


@pytest.mark.parametrize(("writes", "outcome"), [(False, "refused"), (True, "unknown")])
async def test_it_is_given_up_in_time_and_says_what_is_known(writes: bool, outcome: str) -> None:
    clock, store = ManualClock(), Store(*[ConnectionLost("gone")] * 1_000)
    tries = Tries(clock, SETTINGS, writes=writes, about="here: ")
    with pytest.raises(StoreUnavailable) as caught:
        await through_time(clock, until_answered(store.ask, tries))
    assert (caught.value.reason, caught.value.outcome) == ("here: gone", outcome)
    assert 10 - RETRY_S_MAX <= clock.monotonic() <= 10  # nobody waits for a try that would come too late
    assert store.asked > 10


@pytest.mark.parametrize(("before", "outcome"), [(0, "refused"), (2, "unknown")])
async def test_a_closed_store_is_not_asked_again(before: int, outcome: str) -> None:
    clock = ManualClock()
    store = Store(*[ConnectionLost("gone")] * before, StoreClosed("closed"), ConnectionLost("never"))
    with pytest.raises(StoreUnavailable) as caught:
        await through_time(clock, until_answered(store.ask, Tries(clock, SETTINGS, writes=True)))
    assert (caught.value.outcome, store.asked) == (outcome, before + 1)


async def test_a_success_begins_the_tries_anew() -> None:
    clock = ManualClock()
    tries = Tries(clock, SETTINGS)
    for _ in range(20):
        await through_time(clock, tries.failed(ConnectionLost("gone")))
        clock.advance_to(clock.now_ms() + 6_000)
        tries.succeeded()
    assert (tries.count, tries.left_s) == (0, 10)


async def test_the_time_can_be_counted_from_the_beginning() -> None:
    clock = ManualClock()
    tries = Tries(clock, SETTINGS)
    tries.begin()
    clock.advance_to(clock.now_ms() + 9_999)
    assert tries.left_s == pytest.approx(0.001, abs=1e-4)
    with pytest.raises(StoreUnavailable):
        await tries.failed(TimeoutError())


def test_pauses_double_up_to_a_limit_and_differ() -> None:
    for tries in range(40):
        ceiling = min(RETRY_S_MAX, RETRY_S_MIN * 2**tries)
        drawn = {retry_delay(tries) for _ in range(20)}
        assert len(drawn) > 1
        assert all(ceiling / 2 <= delay <= ceiling for delay in drawn)
        assert retry_delay(tries, 0.1) <= 0.1
    assert hold_delay(0) == RETRY_S_MIN
    assert hold_delay(10_000) == 0.5


async def test_a_backoff_knows_how_long_it_has_lasted() -> None:
    clock = ManualClock()
    backoff = Backoff(clock, 0.2)
    assert backoff.lasted_s == 0
    await through_time(clock, backoff.pause())
    clock.advance_to(clock.now_ms() + 5_000)
    assert (backoff.count, backoff.lasted_s) == (1, clock.monotonic())
    backoff.succeeded()
    assert (backoff.count, backoff.lasted_s, backoff.since) == (0, 0, None)


async def test_a_server_that_is_away_is_borne_however_long(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    patience = Patience(clock, SETTINGS, "reading", 0.2)
    for _ in range(1_000):
        await through_time(clock, patience.bear(ConnectionLost("gone")))
    assert 1_000 * 0.1 - 1 < clock.monotonic() < 1_000 * 0.2
    assert [record.levelno for record in caplog.records] == [logging.WARNING]  # once


async def test_a_server_that_refuses_is_borne_for_a_time(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    patience = Patience(clock, SETTINGS, "reading")
    refusal = ServerUnsuitable("no right")
    with pytest.raises(ServerUnsuitable):
        while True:
            await through_time(clock, patience.bear(refusal))
    assert 10 <= clock.monotonic() <= 10 + RETRY_S_MAX
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("well", [None, ConnectionLost("away between")])
async def test_what_ends_a_refusal_begins_the_time_anew(well: Exception | None) -> None:
    clock = ManualClock()
    patience = Patience(clock, SETTINGS, "reading")
    for _ in range(5):
        until = clock.monotonic() + 8
        while clock.monotonic() < until:
            await through_time(clock, patience.bear(ServerUnsuitable("no right")))
        if well is None:
            patience.rest()
        else:
            await through_time(clock, patience.bear(well))
    assert clock.monotonic() > 40


async def test_a_bug_is_not_borne() -> None:
    patience = Patience(ManualClock(), SETTINGS, "reading")
    for error in (ValueError("a bug"), ServerChanged("another")):
        with pytest.raises(type(error)):
            await patience.bear(error)


def test_an_error_that_says_nothing_is_told_by_its_name() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert reason_of(TimeoutError()) == "no answer in time"
    assert reason_of(TimeoutError("slow")) == "slow"
    assert reason_of(KeyError()) == "KeyError"
    assert "RuntimeError" in reason_of(Mute())


# -- a limit in the hub's time -----------------------------------------------------------------------------------------


async def test_a_limit_ends_what_takes_longer_in_the_hubs_time() -> None:
    clock = ManualClock()

    async def limited(seconds: float) -> str:
        async with within(clock, 5):
            await clock.sleep(seconds)
        return "in time"

    assert await through_time(clock, limited(4.9)) == "in time"
    assert clock.monotonic() == 4.9
    with pytest.raises(TimeoutError):
        await through_time(clock, limited(60))
    assert clock.monotonic() == pytest.approx(9.9)
    assert clock.next_wake_ms() is None, "nobody sleeps on"


async def test_a_limit_is_no_cancellation_of_another() -> None:
    clock = ManualClock()

    async def wait() -> None:
        async with within(clock, 5):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ValueError, match="its own"):
        async with within(clock, 5):
            raise ValueError("its own")


async def test_a_limit_that_is_reached_as_the_block_ends_does_nothing() -> None:
    clock = ManualClock()
    async with within(clock, 5):
        await asyncio.sleep(0)
        clock.advance_to(clock.now_ms() + 5_000)  # the alarm is due, and this task does not wait any more
    for _ in range(5):
        await asyncio.sleep(0)
