"""Events that a producer sends while workers, connections and the server go away: each instance takes each of its events once,
in order.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from stead.app import Client
from stead.orchestrations import InstanceProducer, InstanceSourceProducer, RuntimeStatus
from support.orchestrating_app import app, take_numbers
from support.orchestrating_load import FINISH_S
from support.swallowing_proxy import SwallowingProxy
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]

APP = "orchestrating_app:app"
IDS = [f"taker-{number}" for number in range(16)]  # every partition has some
EACH = 240
ROUND = EACH // 8


@pytest.fixture
async def proxy(own_server: ValkeyServer, tmp_path: Path) -> AsyncIterator[SwallowingProxy]:
    proxy = SwallowingProxy(tmp_path, own_server.socket)
    await proxy.start()
    yield proxy
    await proxy.stop()


async def begin(client: Client) -> None:
    for instance_id in IDS:
        await client.start_new(take_numbers, (0, 0, EACH), instance_id=instance_id)


async def some_are_taken(client: Client, producer: InstanceProducer | InstanceSourceProducer, sent: int) -> None:
    """Wait until workers have taken some of what was sent."""
    await producer.flush()

    async def fewer_wait() -> bool:
        return sum(partition.backlog + partition.parked for partition in await client.store.info()) < sent

    await eventually(fewer_wait, "progress")


async def check(client: Client) -> None:
    """All of them have taken what they were sent: so many, and so many out of order."""
    for instance_id in IDS:
        status = await client.wait_for_completion(instance_id, timeout=FINISH_S)
        assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, (EACH, 0)), (
            f"{instance_id}: {status}"
        )


async def lose_the_answers(proxy: SwallowingProxy, producer: InstanceProducer | InstanceSourceProducer) -> None:
    """What the producer was given is in the server, which nobody tells it."""
    proxy.swallow()
    flushing = asyncio.ensure_future(producer.flush())
    await proxy.asked.wait()
    proxy.cut()
    await flushing


async def test_a_producers_events_are_taken_once_and_in_order(
    own_server: ValkeyServer, start_worker: StartWorker, proxy: SwallowingProxy
) -> None:
    first, second = start_worker(APP), start_worker(APP)
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        await begin(client)
        async with app.connect(proxy.url) as far, far.producer() as producer:
            for number in range(EACH):
                for instance_id in IDS:
                    await producer.raise_event(instance_id, "number", number)
                match divmod(number + 1, ROUND):
                    case 1, 0:
                        await some_are_taken(client, producer, ROUND * len(IDS))
                        first.signal(signal.SIGKILL)
                    case 2 | 5, 0:
                        await lose_the_answers(proxy, producer)
                    case 3, 0:
                        proxy.cut()
                        start_worker(APP)
                    case 4, 0:
                        await asyncio.to_thread(own_server.kill)
                        await asyncio.to_thread(own_server.start)
                    case 6, 0:
                        second.signal(signal.SIGKILL)
                    case _:
                        pass
        await check(client)


async def test_a_sources_events_are_taken_once_though_its_programs_end_again_and_again(
    own_server: ValkeyServer, start_worker: StartWorker, proxy: SwallowingProxy
) -> None:
    first, second = start_worker(APP), start_worker(APP)
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        await begin(client)
        acknowledged = 0  # by the source: of this and what follows it delivers all again
        for life in range(8):
            async with app.connect(proxy.url) as far:
                producer = far.producer("log")
                for number in range(acknowledged, (life + 1) * ROUND):
                    for place, instance_id in enumerate(IDS):
                        await producer.raise_event_once(number * len(IDS) + place, instance_id, "number", number)
                if life == 2:
                    await some_are_taken(client, producer, ROUND * len(IDS))
                    first.signal(signal.SIGKILL)
                    start_worker(APP)
                if life % 3 == 1:
                    await lose_the_answers(proxy, producer)
                if life % 2:  # else the program ends before it has told the source
                    await producer.flush()
                    acknowledged = (life + 1) * ROUND
        await check(client)
