"""An app that uses all that a hub offers, and a client that sees that it works: for servers and users that are not our own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from stead.app import App, Client, Settings
from stead.entities import DeadLetters, Entity, EntityId, Indexed, indexed
from stead.entities.aggregates import Tally
from stead.orchestrations import OrchestrationContext, RuntimeStatus
from stead.transport import names_in

app = App("everything", settings=Settings(partitions=4, slot_groups=2))


@app.entity(changes=timedelta(hours=1))
class Score(Entity):
    points: Indexed[int] = indexed(0)
    name: Indexed[str] = indexed("")
    each: Tally = Tally()

    def add(self, amount: int) -> int:
        self.points += amount
        self.name = self.context.entity_id.key
        self.each.add(amount)
        return self.points

    def fail(self) -> None:
        raise ValueError("no")

    def remind(self) -> None:
        self.context.reminder("more", after=timedelta(milliseconds=50)).signal(Score.add, 1_000)


@app.activity
async def double(number: int) -> int:
    return 2 * number


@app.activity(queue="elsewhere")
def triple(number: int) -> int:
    return 3 * number


@app.orchestration
async def child(context: OrchestrationContext, number: int) -> int:
    return await context.call_activity(double, number)


@app.orchestration
async def parent(context: OrchestrationContext, number: int) -> int:
    one, two = EntityId("Score", "one"), EntityId("Score", "two")
    async with context.lock_entities(one, two):
        await context.call_entity(Score.add, "one", number)
        await context.call_entity(Score.add, "two", number)
    await asyncio.sleep(0.01)
    event = await context.wait_for_external_event("go", int)
    numbers = await asyncio.gather(context.call_activity(triple, event), context.call_sub_orchestrator(child, event))
    context.signal_entity(Score.add, "three", sum(numbers))
    return sum(numbers)


async def use_everything(client: Client) -> None:
    """Use a hub with a worker, and check what comes of it."""
    async with client.producer(source="file") as producer:
        for number in range(40):
            await producer.signal_once(number, Score.add, f"key{number % 8}", number)
    await client.signal_entity(Score.fail, "one")
    await client.signal_entity(Score.remind, "late")
    await client.after(timedelta(milliseconds=20)).signal_entity(Score.add, "later", 7)
    instance_id = await client.start_new(parent, 5)
    await client.raise_event(instance_id, "go", 10)
    status = await client.wait_for_completion(instance_id)
    assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, 50), status
    assert await client.call_entity(Score.add, "one", 0) == 5
    while not ((late := await client.read_entity(Score, "late")) and late.points == 1_000):
        await asyncio.sleep(0.01)
    while not ((three := await client.read_entity(Score, "three")) and three.points == 50):
        await asyncio.sleep(0.01)
    while not ((later := await client.read_entity(Score, "later")) and later.points == 7):
        await asyncio.sleep(0.01)

    best = [
        entity_id.key async for entity_id, _ in client.query(Score).order_by(Score.points, descending=True).limit(2)
    ]
    assert best == ["late", "key7"], best
    assert await client.query(Score).where(Score.name.startswith("key"), Score.points >= 80).count() == 8
    assert await client.query(Score).rank(Score.points, "late", descending=True) == 1
    changed: set[str] = set()
    async for change in client.changes(Score, after="oldest"):
        changed.add(change.entity_id.key)
        if len(changed) == 13:
            break

    await client.schedules.create("often", every=timedelta(seconds=1)).signal_entity(Score.add, "clock", 1)
    while not ((clock := await client.read_entity(Score, "clock")) and clock.points > 0):
        await asyncio.sleep(0.01)
    await client.schedules.delete("often")

    assert await names_in(client.store.values()) == set()  # what a collector of large payloads reads: there are none

    letters = DeadLetters(client.store)
    (letter,) = [letter async for letter in letters.all()]
    assert (letter.operation, letter.failure.message) == ("fail", "no")
    assert await letters.resend(letter)
    assert not await letters.resend(letter)
    assert (await client.info())["hub"]
    assert await client.purge(instance_id)
