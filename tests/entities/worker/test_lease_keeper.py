"""The thread that renews leases outlives whatever a renewal meets, and the watch over the event loop with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from stead.entities._worker.lease_keeper import STUCK_EXIT_STATUS, ThreadKeeper, Turning
from stead.transport import ConnectionLost, MemoryStore, Running, ServerUnsuitable, Settings
from support.guards import HANGS_S

SETTINGS = Settings(partitions=2, lease_ms=100, turn_stuck_ms=200, store_tries_ms=60_000)
TURN = Turning(0, b"token", "@e@k", b"1-0", 1)


class Renewer:
    """Renewals of which the first ones fail as a test wants."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.renewals = 0
        self.marks = 0
        self.closed = False

    def renew(self, leases: Mapping[int, bytes], lease_ms: int) -> set[int]:
        if self.errors:
            raise self.errors.pop(0)
        self.renewals += 1
        return set()

    def mark_running(self, partition: int, token: bytes, running: Running) -> bool:
        self.marks += 1
        raise ServerUnsuitable("the server refuses this user")

    def close(self) -> None:
        self.closed = True


class Store(MemoryStore):
    def __init__(self, renewer: Renewer) -> None:
        super().__init__("hub", SETTINGS)
        self.made = renewer

    def renewer(self) -> Any:
        return self.made


@pytest.mark.parametrize("error", [ConnectionLost("READONLY"), ServerUnsuitable("NOPERM")])
async def test_what_may_pass_is_told_to_nobody_and_renewals_go_on(error: Exception) -> None:
    renewer, failures = Renewer(error, error), list[BaseException]()
    keeper = ThreadKeeper(Store(renewer), SETTINGS, lambda lost: None, lambda: None, failed=failures.append)
    keeper.hold(0, b"token")
    keeper.start()
    async with asyncio.timeout(HANGS_S):
        while renewer.renewals < 2:
            await asyncio.sleep(0.005)
    await keeper.stop()
    assert (failures, renewer.closed) == ([], True)


async def test_what_nobody_expects_is_told_in_the_event_loop_and_the_thread_is_still_there() -> None:
    told: list[tuple[BaseException, threading.Thread]] = []
    renewer = Renewer(TypeError("an answer of another type"))
    keeper = ThreadKeeper(
        Store(renewer),
        SETTINGS,
        lambda lost: None,
        lambda: None,
        failed=lambda error: told.append((error, threading.current_thread())),
    )
    keeper.hold(0, b"token")
    keeper.start()
    async with asyncio.timeout(HANGS_S):
        while not told or renewer.renewals < 1:
            await asyncio.sleep(0.005)
    await keeper.stop()
    ((error, thread),) = told
    assert isinstance(error, TypeError)
    assert thread is threading.current_thread()


@pytest.mark.hazard(18)
@pytest.mark.parametrize("broken", [False, True])
async def test_a_stuck_worker_ends_though_its_message_cannot_be_marked(broken: bool) -> None:
    """The server refuses the mark, or even what the loop is in cannot be told."""
    renewer = Renewer(*[ServerUnsuitable("NOPERM")] * 1_000)
    ended = threading.Event()
    statuses: list[int] = []

    def turning() -> Turning | None:
        if broken:
            raise AttributeError("read while the loop changes it")
        return TURN

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    keeper = ThreadKeeper(Store(renewer), SETTINGS, lambda lost: None, turning, end)
    keeper.hold(0, b"token")
    keeper.start()
    assert ended.wait(HANGS_S)  # holds the event loop, as an operation that never ends would
    await keeper.stop()
    assert statuses == [STUCK_EXIT_STATUS]
    assert renewer.marks == (0 if broken else 1)
