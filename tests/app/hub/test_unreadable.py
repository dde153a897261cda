"""What is stored of one thing cannot be read: who asks for it hears its name, and that it is no mistake of theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App, Settings
from stead.app._hub.client import Client
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId, Indexed, InvalidState, indexed
from stead.gateway._http.errors import http_status_of
from stead.orchestrations import OrchestrationContext
from stead.transport import pack, unpack

pytestmark = pytest.mark.anyio

app = App("unreadable", settings=Settings(partitions=1, slot_groups=1))


@app.entity
class Counter(Entity):
    value: Indexed[int] = indexed(0)

    def add(self) -> None:
        self.value += 1


@app.orchestration
async def waits(context: OrchestrationContext) -> int:
    return await context.wait_for_external_event("go", int)


GARBAGE = (b"\xc1", pack({"another": 1}), pack([9, "another"]))
COUNTER = EntityId(Counter, "a")


def inside(garbage: bytes) -> Callable[[bytes], bytes]:
    """What is in the record cannot be read, and the record can."""

    def damage(record: bytes) -> bytes:
        version, _, *others = unpack(record)
        return pack([version, garbage, *others])

    return damage


ASKING: dict[str, tuple[str, str, Callable[[Client], Awaitable[object]]]] = {
    "an entity": ("read_records", "@counter@a", lambda client: client.read_entity(COUNTER)),
    "its state": ("read_records", "@counter@a", lambda client: client.read_entity(Counter, "a")),
    "its description": ("read_records", "@counter@a", lambda client: client.describe_entity(COUNTER)),
    "a schedule": ("read_records", "schedule 'nightly'", lambda client: client.schedules.get("nightly")),
    "an instance": ("read_instance", "instance 'one'", lambda client: client.get_status("one")),
    "its history": ("read_instance log", "instance 'one'", lambda client: client.get_status("one", show_history=True)),
    "who restarts it": ("read_instance", "instance 'one'", lambda client: client.restart("one")),
    "an event for it": ("stored", "instance 'one'", lambda client: client.raise_event("one", "go", 1)),
    "kept keys": (
        "read_kept",
        "'bonus'",
        lambda client: client.query(Counter).where(Counter.value > 0).signal_once("bonus", Counter.add),
    ),
}


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize("asked", ASKING)
async def test_it_is_named_and_nobody_s_mistake(asked: str, garbage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    method, name, ask = ASKING[asked]
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Counter.add, "a")
        await hub.client.schedules.create("nightly", every=timedelta(days=1)).signal_entity(Counter.add, "b")
        await hub.client.start_new(waits, instance_id="one")
        await hub.run_until_idle()
        if method == "stored":  # the store itself looks at it
            _damage_record(hub.client.store, "one", garbage)
        else:
            _damage(hub.client, method, monkeypatch, lambda _: garbage)
        with pytest.raises(InvalidState, match=name) as caught:
            await ask(hub.client)
        assert http_status_of(caught.value) == 422, "the server's data, not the request"


@pytest.mark.parametrize("garbage", [b"\xc1", b"\x93\x01"], ids=repr)
@pytest.mark.parametrize("asked", ["an entity", "its state", "its description", "a schedule"])
async def test_nor_is_what_is_inside(asked: str, garbage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    method, _, ask = ASKING[asked]
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Counter.add, "a")
        await hub.client.schedules.create("nightly", every=timedelta(days=1)).signal_entity(Counter.add, "b")
        await hub.run_until_idle()
        _damage(hub.client, method, monkeypatch, inside(garbage))
        with pytest.raises(InvalidState):
            await ask(hub.client)


def _damage_record(store: Any, target: str, garbage: bytes) -> None:
    [records] = [state.records for state in store._state.partitions if target in state.records]
    records[target] = garbage


def _damage(client: Client, method: str, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]) -> None:
    """Let a method of the client's store find something else where it finds something."""
    store: Any = client.store
    name = method.split(maxsplit=1)[0]
    read = getattr(store, name)

    async def damaged(*args: Any) -> Any:
        found = await read(*args)
        match method:
            case "read_instance":
                return found._replace(record=damage(found.record))
            case "read_instance log":
                return found._replace(log=[damage(each) for each in found.log])
            case "read_kept":
                return damage(b"")
            case _:
                return [each and damage(each) for each in found]

    monkeypatch.setattr(store, name, damaged)
