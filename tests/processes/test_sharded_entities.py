"""An entity in shards, its workers killed and replaced by ones that want more shards: what is read is what was sent."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from stead.app import Client
from stead.transport import partition_of
from support.sharded_app import Clicks, app
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually

pytestmark = pytest.mark.slow

SENDERS, EACH = 12, 200


async def send(client: Client, part: int) -> None:
    """Many senders, each with numbers of its own, in their order."""

    async def one(sender: int) -> None:
        async with client.producer(source=f"source-{sender}") if sender % 2 else client.producer() as producer:
            for number in range(part * EACH, (part + 1) * EACH):
                if sender % 2:
                    await producer.signal_once(number, Clicks.hit, "home", f"{sender}", number)  # type: ignore[union-attr]
                else:
                    await producer.signal(Clicks.hit, "home", f"{sender}-{part}", number)  # type: ignore[union-attr]

    await asyncio.gather(*(one(sender) for sender in range(SENDERS)))


async def counted(client: Client, count: int) -> None:
    async def there() -> bool:
        found = await client.read_entity(Clicks, "home")
        assert found is None or found.count <= count
        return found is not None and found.count == count

    await eventually(there, f"{count} clicks")


@pytest.mark.invariant(1)
@pytest.mark.hazard(111)
async def test_the_sum_is_exact_though_workers_are_killed_and_newer_ones_come(
    own_server: ValkeyServer, start_worker: Callable[..., WorkerProcess]
) -> None:
    first = start_worker("sharded_app:app")
    async with app.connect(own_server.url) as client:
        await send(client, 0)
        await counted(client, SENDERS * EACH)
        second = start_worker("sharded_app:newer")

        async def shared_out() -> bool:
            owners = {lease.owner for lease in (await client.store.read_leases())[1]}
            return any(map(first.owns, owners)) and any(map(second.owns, owners))

        await eventually(shared_out, "partitions of both workers")
        sending = asyncio.create_task(send(client, 1))
        first.signal(signal.SIGKILL)
        assert await first.ended() == -signal.SIGKILL
        await sending
        await counted(client, 2 * SENDERS * EACH)
        third = start_worker("sharded_app:app")  # of the version of before: the number stays
        await third.says("8 shards in the hub")
        found = await client.read_entity(Clicks, "home")
        assert found is not None and found.disorder == 0
        assert len({partition_of(f"@clicks@home\x1f{shard:04d}", 8) for shard in found.shards if shard}) > 1
        await client.signal_entity(Clicks.delete, "home")

        async def gone() -> bool:
            return await client.read_entity(Clicks, "home") is None

        await eventually(gone, "the end of the entity")
