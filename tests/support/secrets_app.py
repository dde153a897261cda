"""An app in which something is stored in every way in which users' data is stored, all of it with one word in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from stead.app import App
from stead.entities import Entity, EntityId, Indexed, indexed
from stead.orchestrations import NonRetriable, OrchestrationContext, activity_context
from stead.transport import Settings

WORD = "plumwhistle"
DAY = timedelta(days=1)


def settings(codec: str | None = "support.codecs:aes", **others: Any) -> Settings:
    """Small limits, so that messages are parked."""
    return Settings(
        partitions=4, slot_groups=2, payload_codec=codec, mailbox_length_max=2, mailbox_age_ms_max=50, **others
    )


app = App("secrets", settings=settings())
gate = asyncio.Event()


@app.entity(changes=DAY)
class Note(Entity):
    rank: Indexed[int] = indexed(0)
    text: str = ""

    def put(self, text: str, rank: int = 0) -> str:
        self.text, self.rank = text, rank
        return f"put {text}"

    def remind(self, text: str) -> None:
        self.text = text
        self.context.reminder("later", after=DAY).signal(Note.put, text)

    def boom(self, text: str) -> None:
        raise ValueError(text)

    async def hold(self, text: str) -> None:
        self.text = text
        await gate.wait()

    def pass_on(self, text: str) -> None:
        self.context.signal_entity(Note.put, "passed", text)
        self.context.after(DAY).signal_entity(Note.put, "passed", text=text)
        self.context.start_new(child, text, instance_id=f"from-{self.context.entity_id.key}")


@app.activity
def shout(text: str) -> str:
    return text.upper() + text


@app.activity(queue="slow", heartbeat_timeout=timedelta(seconds=20))
async def slow(text: str) -> str:
    activity_context().heartbeat({"at": text})
    await gate.wait()
    return text


@app.activity
def fails(text: str) -> str:
    raise NonRetriable(f"no {text}")


@app.orchestration
async def child(context: OrchestrationContext, text: str) -> str:
    return f"child of {text}"


@dataclass
class Told:
    heard: list[str] = field(default_factory=list[str])


@app.orchestration
async def story(context: OrchestrationContext, text: str) -> str:
    told = context.share(Told())
    context.set_custom_status({"doing": text})
    loud = await context.call_activity(shout, text)
    try:
        await context.call_activity(fails, text)
    except Exception as error:  # noqa: BLE001 - it is what is wanted
        told.heard.append(str(error))
    born = await context.call_sub_orchestrator(child, text)
    async with context.lock_entities(EntityId(Note, "locked")):
        put = await context.call_entity(Note.put, "locked", text)
    context.signal_entity(Note.put, "signalled", text)
    event = await context.wait_for_external_event("go")
    return "|".join([loud, born, put, str(event)])


@story.query
def heard(state: Told, text: str) -> str:
    return f"{text} {state.heard}"


@story.update
async def tell(context: OrchestrationContext, state: Told, text: str) -> str:
    state.heard.append(text)
    return f"told {text}"


@app.orchestration
async def endless(context: OrchestrationContext, text: str) -> str:
    return await context.call_activity(slow, text)


@app.orchestration
async def failing(context: OrchestrationContext, text: str) -> str:
    raise RuntimeError(f"failed: {text}")


app.schedule("nightly", every=DAY).start_new(story, WORD)
