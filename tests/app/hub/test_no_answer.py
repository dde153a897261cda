"""Why a call was not answered: what the error says differs by what the hub shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from stead.entities._client.no_answer import BACKLOG_LENGTH, NoAnswer
from stead.entities._message.record import encode_record
from stead.transport import LeaseView, ManualClock, MemoryStore, PartitionInfo, Settings, WorkerView

SETTINGS = Settings(partitions=1)
TARGET = "@station@oslo"


class Hub(MemoryStore):
    """A hub that shows what a test says, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__("hub", SETTINGS, ManualClock())
        now_ms = self.clock.now_ms()
        self.views = [WorkerView("w", now_ms, {})]
        self.about = PartitionInfo(
            lease=LeaseView(0, b"token", "w", 1, now_ms + 10_000, 0, False),
            backlog=1,
            parked=0,
            parked_targets=0,
            blocked={},
            entities=1,
            timers=0,
            dead=0,
            dead_trimmed=0,
        )
        self.record: bytes | None = None
        self.asked = 0

    async def workers(self) -> list[WorkerView]:
        self.asked += 1
        return self.views

    async def info(self) -> list[PartitionInfo]:
        return [self.about]

    async def read_records(self, partition: int, targets: Any) -> list[bytes | None]:
        return [self.record]


def owner(hub: Hub, **changes: Any) -> None:
    hub.about = replace(hub.about, lease=replace(hub.about.lease, **changes))


async def advice(hub: Hub) -> str:
    return await NoAnswer(hub, SETTINGS).advice(TARGET)


async def test_no_worker() -> None:
    hub = Hub()
    hub.views = []
    assert "no worker is running" in await advice(hub)
    hub.views = [WorkerView("w", hub.clock.now_ms() - SETTINGS.worker_keep_ms - 1, {})]
    assert "no worker is running" in await advice(hub)


async def test_a_partition_that_nobody_holds_or_that_is_quarantined() -> None:
    hub = Hub()
    owner(hub, token=b"")
    assert "no worker holds its partition 0" in await advice(hub)
    owner(hub, token=b"t", quarantined=True)
    assert "quarantined" in await advice(hub)


async def test_blocked() -> None:
    hub = Hub()
    hub.about = replace(hub.about, blocked={TARGET: "its state is not valid"})
    assert "because its state is not valid" in await advice(hub)


async def test_locked() -> None:
    hub = Hub()
    hub.record = encode_record(None, 1, [b"request", "transfer-7", []])
    assert "locked by the orchestration transfer-7" in await advice(hub)
    hub.record = encode_record(None, 1, [None, "", [b"withdrawn"]])
    assert "locked" not in await advice(hub)


async def test_an_instance() -> None:
    hub = Hub()
    hub.record = bytes((0,)) + b"no record of an entity"
    assert "takes long" in await NoAnswer(hub, SETTINGS).advice("order-7")


async def test_a_backlog_parked_messages_and_a_slow_operation() -> None:
    hub = Hub()
    assert "takes long" in await advice(hub)
    hub.about = replace(hub.about, parked_targets=2)
    assert "2 entities of its partition" in await advice(hub)
    hub.about = replace(hub.about, backlog=BACKLOG_LENGTH)
    found = await advice(hub)
    assert f"{BACKLOG_LENGTH} messages wait in its partition" in found
    assert "whether a worker runs" not in found
    assert found.startswith("it may still be carried out")


async def test_many_calls_ask_once() -> None:
    hub = Hub()
    why = NoAnswer(hub, SETTINGS)
    await asyncio.gather(*(why.advice(f"@station@{number}") for number in range(100)))
    assert hub.asked == 1


async def test_a_store_that_says_nothing_is_no_second_error() -> None:
    hub = Hub()

    async def workers() -> list[WorkerView]:
        raise TimeoutError

    hub.workers = workers  # type: ignore[method-assign]
    assert await advice(hub) == ""
