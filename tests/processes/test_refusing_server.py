"""A real server that refuses for a while: a fail-over behind one address, a right that was taken away, and the like."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from stead.app import App, Client, Settings
from stead.entities import DeadLetters, Entity, ServerUnsuitable, Worker
from stead.transport import SteadError
from support.valkey_server import ValkeyServer
from support.worker_processes import eventually

pytestmark = pytest.mark.anyio

LEASE_MS = 1_500
app = App(
    "refusing",
    settings=Settings(
        partitions=8, slot_groups=4, lease_ms=LEASE_MS, heartbeat_ms=300, worker_keep_ms=3_000, store_tries_ms=20_000
    ),
)


@app.entity
class Tally(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count

    def hold(self, seconds: float) -> None:
        """Holds the worker, and its heartbeats, but not its renewals."""
        time.sleep(seconds)
        self.count += 1


@asynccontextmanager
async def at_work(url: str, workers: int = 2) -> AsyncGenerator[tuple[Client, list[Worker]]]:
    """So many workers that share everything, and a client."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(app.connect(url))
        made = [await stack.enter_async_context(app.worker(url)) for _ in range(workers)]

        async def shared() -> bool:
            return [len(worker.partitions) for worker in made] == [8 // workers] * workers

        await eventually(shared, "a fair share")
        yield client, made


async def epochs(client: Client) -> list[int]:
    _, views = await client.store.read_leases()
    return [view.epoch for view in views]


async def lives_on(client: Client, made: list[Worker]) -> None:
    """All keys are worked on; nobody has ended, and leases stay where they are."""
    answers: dict[str, int] = {}

    async def answered() -> bool:
        for key in map(str, range(16)):
            if key not in answers:
                answers[key] = await client.call_entity(Tally.add, key)
        return len(answers) == 16

    await eventually(answered, "answers of all keys")
    threads = [thread for thread in threading.enumerate() if thread.name == "stead-leases"]
    assert len(threads) >= len(made)
    assert [worker.failure for worker in made] == [None] * len(made)


hasty = App("hasty", settings=Settings(partitions=8, lease_ms=60_000, heartbeat_ms=300, store_tries_ms=300))


@hasty.entity
class Other(Entity):
    count: int = 0


Trouble = Callable[[ValkeyServer], None]
TROUBLES: dict[str, tuple[Trouble, Trouble]] = {
    "a replica": (lambda s: s.run("REPLICAOF", "127.0.0.1", "1"), lambda s: s.run("REPLICAOF", "NO", "ONE")),
    "too few replicas": (
        lambda s: s.run("CONFIG", "SET", "min-replicas-to-write", "1"),
        lambda s: s.run("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "no right to scripts": (
        lambda s: s.run("ACL", "SETUSER", "default", "-evalsha"),
        lambda s: s.run("ACL", "SETUSER", "default", "+evalsha"),
    ),
    "no right to write hashes": (
        lambda s: s.run("ACL", "SETUSER", "default", "-hset"),
        lambda s: s.run("ACL", "SETUSER", "default", "+hset"),
    ),
    "no right to delete entries": (  # what comes in is carried out, and cannot be committed
        lambda s: s.run("ACL", "SETUSER", "default", "-xdel"),
        lambda s: s.run("ACL", "SETUSER", "default", "+xdel"),
    ),
    "no right to keep sessions": (  # nor can what comes in be remembered as accepted
        lambda s: s.run("ACL", "SETUSER", "default", "-set"),
        lambda s: s.run("ACL", "SETUSER", "default", "+set"),
    ),
    "no right to read inboxes": (
        lambda s: s.run("ACL", "SETUSER", "default", "-xread"),
        lambda s: s.run("ACL", "SETUSER", "default", "+xread"),
    ),
}


@pytest.mark.invariant(12)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_workers_go_on_when_the_trouble_is_over(start_server: Callable[..., ValkeyServer], trouble: str) -> None:
    server = start_server()
    begin, end = TROUBLES[trouble]
    async with at_work(server.url) as (client, made):
        await lives_on(client, made)
        before = await epochs(client)
        begin(server)
        calls = [asyncio.ensure_future(client.call_entity(Tally.add, f"meanwhile-{number}")) for number in range(16)]
        await asyncio.sleep(LEASE_MS / 1000 * 1.4)  # how long the trouble lasts: leases run out meanwhile
        end(server)
        await lives_on(client, made)
        counts = await asyncio.gather(*calls, return_exceptions=True)  # carried out once, or refused
        assert {count for count in counts if not isinstance(count, SteadError)} <= {1}
        renewed = await steady(client, made)
        after = await epochs(client)
        assert sum(after) - sum(before) <= 2 * 8, "leases were taken once at most, and not again and again"
        assert renewed


async def steady(client: Client, made: list[Worker]) -> bool:
    """Wait until leases have been renewed for all partitions without one being taken."""

    async def expiries() -> list[tuple[int, int]]:
        _, views = await client.store.read_leases()
        return [(view.epoch, view.expires_ms) for view in views]

    before = await expiries()

    async def renewed() -> bool:
        nonlocal before
        now = await expiries()
        if any(new[0] != old[0] for new, old in zip(now, before, strict=True)):
            before = now
        return all(new[1] > old[1] + LEASE_MS for new, old in zip(now, before, strict=True))

    await eventually(renewed, "renewals of all leases by their owners")
    return sum(len(worker.partitions) for worker in made) == 8


async def test_a_healthy_long_operation_is_no_dead_letter_after_fail_overs(
    start_server: Callable[..., ValkeyServer],
) -> None:
    """Leases run out again and again while the operation runs; its worker lives all the while."""
    server = start_server()
    async with at_work(server.url) as (client, made):
        await client.signal_entity(Tally.hold, "long", 0.2)
        for _ in range(4):
            await client.signal_entity(Tally.hold, "long", 0.4)
            server.run("REPLICAOF", "127.0.0.1", "1")
            await asyncio.sleep(LEASE_MS / 1000 * 1.2)
            server.run("REPLICAOF", "NO", "ONE")
            await eventually(lambda: _answers(client), "a server that writes")
        await lives_on(client, made)

        async def done() -> bool:
            tally = await client.read_entity(Tally, "long")
            return tally is not None and tally.count == 5

        await eventually(done, "five operations")
        assert [letter async for letter in DeadLetters(client.store).all()] == []


async def _answers(client: Client) -> bool:
    await client.call_entity(Tally.add, secrets.token_hex(4))
    return True


async def test_scripts_that_are_flushed_again_and_again_end_nothing(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    async with at_work(server.url) as (client, made):
        stop = threading.Event()

        def flush() -> None:
            while not stop.wait(0.001):
                server.run("SCRIPT", "FLUSH")

        flushing = threading.Thread(target=flush)
        flushing.start()
        try:
            await eventually(lambda: _answers(client), "an answer")
            await asyncio.sleep(LEASE_MS / 1000)  # how long that goes on
        finally:
            stop.set()
            flushing.join()
        await lives_on(client, made)


async def test_a_right_that_is_not_given_back_ends_the_worker(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    async with hasty.connect(server.url) as client:
        with pytest.raises(ServerUnsuitable, match="check the user"):
            async with hasty.worker(server.url) as worker:
                server.run("ACL", "SETUSER", "default", "-xread")
                await eventually(lambda: _has_failed(worker), "the worker's failure")
                assert worker.partitions == frozenset()
                await eventually(lambda: _all_free(client), "free partitions")


async def _has_failed(worker: Worker) -> bool:
    return worker.failure is not None


async def _all_free(client: Client) -> bool:
    _, views = await client.store.read_leases()
    return not any(view.token for view in views)
