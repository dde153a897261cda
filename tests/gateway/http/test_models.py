"""What HTTP gives of a model can be given back to it, and it takes a model by its fields' names and by their aliases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

from stead.app import App, Settings
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext
from support.gateway_tools import Served, serve
from support.valkey_server import ValkeyServer

app = App("parcels", settings=Settings(partitions=4, slot_groups=2))


class Parcel(BaseModel):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    weight_kg: int = Field(0, alias="weightKg")

    @computed_field
    def is_heavy(self) -> bool:
        return self.weight_kg > 20


@app.entity
class Scale(Entity):
    last: Parcel | None = None

    def weigh(self, parcel: Parcel) -> Parcel:
        self.last = parcel
        return parcel


@app.orchestration
async def compare(context: OrchestrationContext, parcel: Parcel) -> Parcel:
    other = await context.wait_for_external_event("parcel", Parcel)
    assert parcel == other == await context.call_entity(Scale.weigh, "s", other)
    return other


BY_NAME, BY_ALIAS = {"weight_kg": 30}, {"weightKg": 30}


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(app, module_server.url) as running:
        yield running


@pytest.mark.parametrize("data", [BY_NAME, BY_ALIAS])
@pytest.mark.parametrize("event", [BY_NAME, BY_ALIAS])
def test_a_model_goes_in_and_out_and_in_again(served: Served, data: dict[str, int], event: dict[str, int]) -> None:
    http = served.http
    started = http.post("/api/v1/instances", json={"name": "compare", "input": data}).json()["instance_id"]
    path = f"/api/v1/instances/{started}"
    assert http.post(f"{path}/events/parcel", json=event).is_success
    status = http.get(path, params={"wait_ms": 20_000}).json()
    assert status["output"] == BY_NAME, status
    answer = http.post("/api/v1/entities/Scale/x/weigh?wait=true", json={"args": [status["output"]]})
    assert answer.is_success and answer.json()["result"] == BY_NAME, answer.text
