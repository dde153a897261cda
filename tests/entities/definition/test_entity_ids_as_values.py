"""An entity's ID as a field, an argument, a result, a key of a dictionary and an orchestration's input."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId, InvalidInput
from stead.orchestrations import OrchestrationContext

OSLO = EntityId("Station", "oslo")
ADAPTER = TypeAdapter(EntityId)

app = App("entity-ids")


@app.entity
class Route(Entity):
    """Where somebody has been."""

    home: EntityId | None = None
    seen: list[EntityId] = []
    visits: dict[EntityId, int] = {}

    def visit(self, station: EntityId) -> EntityId:
        """Gives the one before."""
        before = self.seen[-1] if self.seen else station
        self.seen.append(station)
        self.visits[station] = self.visits.get(station, 0) + 1
        self.home = self.home or station
        return before


@app.orchestration
async def go(context: OrchestrationContext, station: EntityId) -> EntityId:
    return await context.call_entity(Route.visit, "b", station)


async def test_it_comes_back_as_it_was_also_after_a_restart() -> None:
    bergen = EntityId("Station", "bergen @ sea")
    async with TestHub(app) as hub:
        assert await hub.client.call_entity(Route.visit, "a", OSLO) == OSLO
        await hub.restart_worker()
        assert repr(await hub.client.call_entity(Route.visit, "a", bergen)) == "EntityId('Station', 'oslo')"
        await hub.restart_worker()
        found = await hub.client.call_entity(Route.visit, "a", EntityId("STATION", "oslo"))
        assert type(found) is EntityId and found == bergen
        state = await hub.client.read_entity(Route, "a")
        assert state is not None
        assert (state.home, state.seen) == (OSLO, [OSLO, bergen, OSLO])
        assert state.visits == {OSLO: 2, bergen: 1}
        instance = await hub.client.start_new(go, OSLO)
        await hub.run_until_idle()
        status = await hub.client.get_status(instance)
        assert status is not None and status.output == OSLO


def test_in_json_it_is_its_text() -> None:
    assert json.loads(ADAPTER.dump_json(OSLO)) == "@Station@oslo"
    assert ADAPTER.validate_json('"@Station@oslo"') == ADAPTER.validate_python(OSLO) == OSLO
    assert ADAPTER.json_schema() == {"type": "string"}


@pytest.mark.parametrize("text", ["", "Station", "@Station", "oslo@Station", "@1@a", "@@a", "@Station@\x00"])
async def test_what_is_none_is_refused_at_the_door(text: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(text)
    async with TestHub(app) as hub:
        with pytest.raises(InvalidInput, match="station"):
            await hub.client.call_entity(EntityId("Route", "a"), "visit", text)
