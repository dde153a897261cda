"""Aggregates as state of real entities: in virtual time, on a server through restarts and eviction, and over HTTP."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import pytest

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId, OperationFailed
from stead.entities.aggregates import Distinct, Quantiles, Tally, TopItems, Windowed, summarized, windowed
from support.gateway_tools import serve
from support.valkey_server import ValkeyServer

MINUTE = timedelta(minutes=1)


class Route(Entity):
    delays: Tally = Tally()
    recent: Windowed[Tally] = windowed(Tally(), MINUTE, keep=60, ahead=5 * MINUTE)
    latency: Quantiles = Quantiles(accuracy=0.01)
    users: Distinct = Distinct()
    pages: TopItems = TopItems(most=100)
    by_gate: dict[str, Windowed[Tally]] = {}

    def landed(self, delay: float, user: str, minutes_ago: float = 0) -> None:
        at = self.context.now - timedelta(minutes=minutes_ago)
        self.delays.add(delay)
        self.recent.at(at).add(delay)
        self.latency.add(delay)
        self.users.add(user)
        self.pages.add(user)
        if delay < 0:
            raise ValueError("too early")

    def gate(self, name: str, at: datetime) -> int:
        self.by_gate.setdefault(name, windowed(Tally(), MINUTE, keep=5, ahead=MINUTE)).at(at).add(1.0)
        return self.by_gate[name].early

    def absorb(self, other: Tally) -> Tally:
        self.delays.merge(other)
        return self.delays

    async def later(self, delay: float) -> float | None:
        self.delays.add(delay)
        return self.delays.mean


def make_app(name: str, settings: Settings | None = None) -> tuple[App, type[Route]]:
    """An app, and its own Route: a class is registered once."""
    app = App(name, settings=settings or Settings())
    own: type[Route] = app.entity(name="Route")(type("Own", (Route,), {"__module__": __name__}))
    return app, own


async def test_in_virtual_time() -> None:
    app, _ = make_app("aggregates-virtual")
    route = EntityId("Route", "a")
    async with TestHub(app) as hub:
        for minute in range(90):
            await hub.client.signal_entity(route, "landed", float(minute), f"user-{minute % 10}")
            await hub.advance(MINUTE)
        state = summarized(await hub.client.read_entity(route))
        assert state["delays"]["count"] == 90
        assert len(state["recent"]["buckets"]) == 60
        assert state["users"]["estimate"] == pytest.approx(10, abs=0.1)
        assert state["pages"]["top"][0] == ["user-0", 9]
        with pytest.raises(OperationFailed, match="too early"):
            await hub.client.call_entity(route, "landed", -1.0, "nobody")
        assert summarized(await hub.client.read_entity(route)) == state
        assert await hub.client.call_entity(route, "later", 90.0) == 45.0
        given = Tally()
        given.extend([1_000.0] * 9)
        merged = await hub.client.call_entity(route, "absorb", given)
        assert (merged.count, given.count) == (100, 9)
        await hub.restart_worker()
        assert await hub.client.call_entity(route, "later", 0.0) == pytest.approx((91 * 45 + 9_000) / 101)


async def test_a_window_that_an_operation_makes_knows_the_time_of_the_hub() -> None:
    app, _ = make_app("aggregates-clock")
    route = EntityId("Route", "a")
    async with TestHub(app) as hub:
        await hub.advance(timedelta(days=400))
        assert await hub.client.call_entity(route, "gate", "b", hub.now) == 0
        assert await hub.client.call_entity(route, "gate", "b", hub.now + 2 * MINUTE) == 1
        assert await hub.client.call_entity(route, "gate", "c", hub.now + 2 * MINUTE) == 1


async def test_the_state_survives_workers_and_eviction(server: ValkeyServer) -> None:
    settings = Settings(activations_max=1, partitions=2)
    app, cls = make_app("aggregates-server", settings)
    url = server.url
    expected = [Tally() for _ in range(4)]
    async with app.connect(url=url) as client:
        for turn in range(3):
            async with app.worker(url):
                for index in range(40):
                    key = index % 4
                    delay = float(index * (turn + 1))
                    expected[key].add(delay)
                    await client.signal_entity(EntityId("Route", str(key)), "landed", delay, f"user-{index}")
                for key, tally in enumerate(expected):
                    mean = await client.call_entity(EntityId("Route", str(key)), "later", float(turn))
                    tally.add(float(turn))
                    assert mean == pytest.approx(tally.mean)
        for key, tally in enumerate(expected):
            state = await client.read_entity(cls, str(key))
            assert state is not None
            assert state.delays.count == tally.count
            assert state.delays.variance == pytest.approx(tally.variance)
            assert state.recent.over(60 * MINUTE).count == 30
            assert state.users.estimate() == pytest.approx(10, abs=0.1)
            assert state.latency.count == 30


def test_over_http_it_is_a_summary_and_raw_on_request(server: ValkeyServer) -> None:
    app, _ = make_app("aggregates-http")
    with serve(app, server.url) as served:
        operation = "/api/v1/entities/Route/oslo/landed"
        for delay in (1.0, 2.0, 3.0):
            assert (
                served.http.post(operation, json={"args": [delay, "ada"]}, params={"wait": "true"}).status_code == 200
            )
        answer = served.http.get("/api/v1/entities/Route/oslo").json()
        state = answer["state"]
        assert state["delays"] == {"count": 3, "sum": 6.0, "mean": 2.0, "min": 1.0, "max": 3.0, "variance": 1.0}
        assert (state["recent"]["width_ms"], state["recent"]["late"], state["recent"]["early"]) == (60_000, 0, 0)
        assert sum(bucket["value"]["count"] for bucket in state["recent"]["buckets"]) == 3
        assert state["latency"] == {"count": 3, "p50": 2.0, "p90": 3.0, "p99": 3.0}
        assert state["users"] == {"estimate": 1.0}
        assert state["pages"] == {"top": [["ada", 3]]}
        raw = served.http.get("/api/v1/entities/Route/oslo", params={"aggregates": "raw"}).json()
        assert raw["etag"] == answer["etag"]
        data = base64.b64decode(raw["state"]["delays"])
        assert Tally.from_bytes(data).mean == 2.0
        listed = served.http.get("/api/v1/entities/Route", params={"aggregates": "RAW"}).json()["entities"]
        assert listed[0]["state"] == raw["state"]
        wrong = served.http.get("/api/v1/entities/Route/oslo", params={"aggregates": "some"})
        assert wrong.status_code == 400
        body = {"args": [raw["state"]["delays"]]}
        merged = served.http.post("/api/v1/entities/Route/oslo/absorb", json=body, params={"wait": "true"})
        assert merged.json()["result"]["count"] == 6
        refused = served.http.post("/api/v1/entities/Route/oslo/absorb", json={"args": ["nonsense"]})
        assert refused.status_code == 400 and "Tally" in refused.text
        functions = served.http.get("/runtime/webhooks/durabletask/entities/Route/oslo").json()
        assert functions["delays"]["count"] == 6
