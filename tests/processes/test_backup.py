"""A copied append-only file is a backup: what a hub is that was restored from one, for entities, instances, timers and producers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from stead.app import App, Settings
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.slow

ANN, BOB = EntityId("Account", "ann"), EntityId("Account", "bob")


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    """One for the server, and one for its backup."""
    with tempfile.TemporaryDirectory(prefix="st") as first, tempfile.TemporaryDirectory(prefix="st") as second:
        yield Path(first), Path(second)


def make_app() -> App:
    """An app with something that lasts."""
    app = App("kept", settings=Settings(partitions=4, slot_groups=2, lease_ms=1_000, heartbeat_ms=200))

    @app.entity
    class Account(Entity):
        balance: int = 0

        def deposit(self, amount: int) -> int:
            self.balance += amount
            return self.balance

    @app.orchestration
    async def reminder(context: OrchestrationContext) -> str:
        await context.create_timer(timedelta(seconds=3))
        return "reminded"

    @app.orchestration
    async def approval(context: OrchestrationContext) -> str:
        return await context.wait_for_external_event("Answer", str)

    return app


async def test_a_restored_hub_goes_on_from_the_backup(folders: tuple[Path, Path]) -> None:
    first, second = folders
    app = make_app()
    running = ValkeyServer(first)
    running.start()
    try:
        async with app.worker(running.url), app.connect(running.url) as client:
            for _ in range(10):
                await client.call_entity(ANN, "deposit", 10)
            async with client.producer(source="meter") as producer:
                for number in range(5):
                    await producer.signal_once(number, BOB, "deposit", 1)
            await client.start_new("reminder", instance_id="due")
            await client.start_new("approval", instance_id="asked")
        running.run("BGREWRITEAOF")  # a copy beside a rewriting is a backup, too
        shutil.copytree(first / "appendonlydir", second / "appendonlydir")
        async with app.worker(running.url), app.connect(running.url) as client:
            await client.call_entity(ANN, "deposit", 1_000)  # what comes after the copy is not in it
    finally:
        running.kill()
    restored = ValkeyServer(second)
    restored.start()
    try:
        async with app.worker(restored.url), app.connect(restored.url) as client:
            assert await client.call_entity(ANN, "deposit", 0) == 100
            async with client.producer(source="meter") as producer:
                for number in range(3, 8):  # the source sends again from where it is not sure
                    await producer.signal_once(number, BOB, "deposit", 1)
            assert await client.call_entity(BOB, "deposit", 0) == 8
            assert (await client.wait_for_completion("due", 60)).output == "reminded"
            await client.raise_event("asked", "Answer", "yes")
            assert (await client.wait_for_completion("asked", 60)).output == "yes"
    finally:
        restored.kill()
