"""A steady stream of orchestrations, for as long as workers are killed and replaced beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stead.app import Client
from stead.orchestrations import RuntimeStatus
from support.guards import HANGS_S
from support.orchestrating_app import CITIES, LOCAL_STEPS, WIDTH, Account, Ends, fan_out, glances, hello, transfer
from support.worker_processes import eventually

ACCOUNTS = [f"account-{number}" for number in range(10)]
MONEY = 1_000
ROUNDS_PER_S = 10
RUNNING_MAX = 60  # a slow machine is given less, not more than it can take
FINISH_S = HANGS_S


class Instances:
    """A steady stream of all four kinds while its block lasts; afterwards all have ended as they should."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._expected: dict[str, object] = {}
        self._over = False

    @property
    def started(self) -> int:
        return len(self._expected)

    async def run(self) -> None:
        client = self._client
        number = 0
        while not self._over:
            source, destination = ACCOUNTS[number % 10], ACCOUNTS[(number * 7 + 3) % 10]
            self._expected[await client.start_new(hello, instance_id=f"hello-{number}")] = [
                f"Hello {city}!" for city in CITIES
            ]
            self._expected[await client.start_new(fan_out, number, instance_id=f"fan-{number}")] = sum(
                (number + each) ** 2 for each in range(WIDTH)
            )
            self._expected[await client.start_new(glances, number, instance_id=f"glances-{number}")] = [
                number + each for each in range(LOCAL_STEPS)
            ]
            if source != destination:
                order = (source, destination, 1 + number % 9)
                self._expected[await client.start_new(transfer, order, instance_id=f"transfer-{number}")] = None
            number += 1
            await asyncio.sleep(1 / ROUNDS_PER_S)  # the rate, nothing waits for it
            while not self._over and self.started - await self._completed() > RUNNING_MAX:
                await asyncio.sleep(1 / ROUNDS_PER_S)

    def end(self) -> None:
        self._over = True

    async def progress(self) -> None:
        """Wait until something that is not there yet is completed."""
        before = await self._completed()
        began = self.started

        async def moved() -> bool:
            return await self._completed() > before + 5 and self.started > began

        await eventually(moved, "progress of orchestrations")

    async def _completed(self) -> int:
        return sum([1 async for _ in self._client.list_instances(statuses=["Completed"])])

    async def check(self) -> None:
        """Everything ended, once, with the right result."""
        client = self._client
        for instance_id, expected in self._expected.items():
            status = await client.wait_for_completion(instance_id, timeout=FINISH_S)
            assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, expected), (
                f"{instance_id}: {status}"
            )
        listed = {status.instance_id async for status in client.list_instances()}
        assert listed == set(self._expected)
        # An answer from each account says that no lock is left.
        balances = [await client.call_entity(Account.add, name, 0) for name in ACCOUNTS]
        assert sum(balances) == MONEY * len(ACCOUNTS)
        await eventually(self._all_noted, "the last signals")
        for number in range(0, len(self._expected) // 4, 7):
            await self._check_history(f"fan-{number}", WIDTH)
            await self._check_history(f"glances-{number}", LOCAL_STEPS)

    async def _all_noted(self) -> bool:
        noted: dict[str, int] = {}
        async for _, ends in self._client.list_entities(Ends):
            noted.update(ends.times)
        assert set(noted.values()) <= {1}, f"ended more than once: {[one for one in noted if noted[one] > 1]}"
        return noted.keys() == self._expected.keys()

    async def _check_history(self, instance_id: str, activities: int) -> None:
        status = await self._client.get_status(instance_id, show_history=True)
        assert status is not None and status.history is not None
        kinds = [(event.event_type, event.task_id) for event in status.history]
        assert len(kinds) == len(set(kinds)), f"{instance_id} has an event twice"
        assert sum(kind == "TaskCompleted" for kind, _ in kinds) == activities


@asynccontextmanager
async def instances(client: Client) -> AsyncGenerator[Instances]:
    """Runs instances beside the block, and checks all of them at its end."""
    await asyncio.gather(*(client.call_entity(Account.add, name, MONEY) for name in ACCOUNTS))
    load = Instances(client)
    task = asyncio.create_task(load.run())
    try:
        yield load
        load.end()
        await asyncio.wait_for(task, FINISH_S)
        await load.check()
    finally:
        task.cancel()
        await asyncio.wait([task])
