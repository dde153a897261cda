"""Entities in shards over HTTP, and for the client without `await`: one entity, whichever door one comes through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Self

import pytest

from stead.app import App, Settings
from stead.entities import Entity, EntityId
from support.gateway_tools import Served, serve
from support.v1_gateway import eventually, fresh, post_lines
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.hazard(111)

app = App("sharded", settings=Settings(partitions=8, slot_groups=2))


@app.entity(shards=6)
class Clicks(Entity):
    count: int = 0
    places: list[int] = []

    def hit(self, times: int = 1) -> None:
        if times < 0:
            raise ValueError(times)
        self.count += times
        self.places = [self.context.shard or 0]

    def peek(self) -> int:
        return self.count

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return cls(count=sum(s.count for s in shards), places=[p for s in shards for p in s.places])


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(app, module_server.url) as running:
        yield running


def lines(key: str, *operations: tuple[str, list[int]], **more: Any) -> bytes:
    rows = [
        {"entity": "Clicks", "key": key, "operation": name, "args": args, **more, **({"sequence": n} if more else {})}
        for n, (name, args) in enumerate(operations)
    ]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def reached(served: Served, key: str, count: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = served.http.get(f"/api/v1/entities/Clicks/{key}")
        found: dict[str, Any] | None = answer.json()["state"] if answer.status_code == 200 else None
        return found if found and found["count"] == count else None

    return eventually(look)


def gone(served: Served, key: str) -> None:
    eventually(lambda: served.http.get(f"/api/v1/entities/Clicks/{key}").status_code == 404 or None)


def test_what_is_kept_in_other_shards_than_the_first_is_shown(served: Served) -> None:
    key, state = "", {"places": [0]}
    while state["places"] == [0]:
        key = fresh()
        assert served.http.post(f"/api/v1/entities/Clicks/{key}/hit", json={}).status_code == 202
        state = reached(served, key, 1)
    doing = served.http.get(f"/api/v1/entities/Clicks/{key}/doing").json()
    assert (doing["known"], doing["exists"], doing["state"]) == (True, True, state)
    assert doing["modified"] is not None


def test_one_entity_is_shown(served: Served) -> None:
    key = fresh()
    for _ in range(3):
        assert served.http.post(f"/api/v1/entities/Clicks/{key}/hit", json={"args": [2]}).status_code == 202
    for _ in range(20):
        assert post_lines(served, lines(key, ("hit", []), ("hit", [2]))).json()["accepted"] == 2
    state = reached(served, key, 66)
    assert len(state["places"]) > 2
    [listed] = served.http.get("/api/v1/entities/Clicks", params={"prefix": key}).json()["entities"]
    assert (listed["key"], listed["state"]) == (key, state)
    [plain] = [
        each
        for each in served.http.get("/runtime/webhooks/durabletask/entities/clicks?fetchState=true").json()
        if each["entityId"]["key"] == key
    ]
    assert plain["state"] == state
    doing = served.http.get(f"/api/v1/entities/Clicks/{key}/doing").json()
    assert (doing["known"], doing["shards"], doing["state"]) == (True, 6, state)
    assert served.http.get("/api/v1/hub").json()["shards"] == {"clicks": 6}
    hottest = served.http.get("/api/v1/metrics").json()["hottest"]
    assert not [each for each in hottest if "\x1f" in each["target"]]
    assert served.http.post(f"/api/v1/entities/Clicks/{key}/delete").status_code == 202
    gone(served, key)


def test_what_shards_cannot_do_is_a_bad_request(served: Served) -> None:
    key = fresh()
    called = served.http.post(f"/api/v1/entities/Clicks/{key}/peek", params={"wait": "true"})
    assert (called.status_code, "it has shards" in called.text) == (400, True)
    asked = served.http.get("/api/v1/entities/Clicks", params={"where": "count>=1"})
    assert (asked.status_code, "it has shards" in asked.text) == (400, True)


def test_a_delete_among_lines_goes_to_all_and_counts_once(served: Served) -> None:
    key = fresh()
    for _ in range(10):
        post_lines(served, lines(key, ("hit", [1])))
    reached(served, key, 10)
    told = post_lines(served, lines(key, ("hit", [5]), ("delete", []), ("hit", [3]))).json()
    assert (told["accepted"], told["refused_count"]) == (3, 0)
    reached(served, key, 3)


@pytest.mark.parametrize("keyed", [True, False])
def test_lines_that_are_sent_again_are_known_with_a_delete_among_them(served: Served, keyed: bool) -> None:
    key = fresh()
    for _ in range(10):
        post_lines(served, lines(key, ("hit", [1])))
    reached(served, key, 10)
    given: list[tuple[str, list[int]]] = [("hit", [5]), ("delete", []), ("hit", [3])]
    body = lines(key, *given) if keyed else lines(key, *given, source=f"source {key}")
    headers = {"idempotency-key": key} if keyed else {}
    first = post_lines(served, body, **headers).json()
    assert (first["accepted"], first["duplicates"]) == (3, 0)
    reached(served, key, 3)
    post_lines(served, lines(key, ("hit", [10])))
    again = post_lines(served, body, **headers).json()
    assert (again["accepted"], again["duplicates"]) == (0, 3)
    reached(served, key, 13)


def test_the_doors_of_durable_functions(served: Served) -> None:
    key = fresh()
    url = f"/runtime/webhooks/durabletask/entities/Clicks/{key}"
    assert served.http.post(url, params={"op": "hit"}, json=4).status_code == 202
    reached(served, key, 4)
    assert served.http.get(url).json()["count"] == 4
    assert served.http.delete(url).status_code == 202
    gone(served, key)


def test_a_dead_letter_names_the_entity_and_its_shard(served: Served) -> None:
    key = fresh()
    for _ in range(8):  # some of them are for others than the first
        post_lines(served, lines(key, ("hit", [-1])))

    def look() -> list[str] | None:
        letters = served.http.get("/api/v1/dead-letters").json()["dead_letters"]
        found = [each["target"] for each in letters if key in each["target"]]
        return found if len(found) == 8 else None

    found = eventually(look)
    assert all(each.startswith(f"@clicks@{key}") and "\x1f" not in each for each in found)
    assert any(each.endswith(")") and " (shard " in each for each in found)


def test_the_client_without_await(served: Served) -> None:
    key = fresh()
    with app.connect_sync(served.store_url) as client:
        client.signal_entity(Clicks.hit, key, 2)
        for number in range(10):
            with client.producer() as producer:
                producer.signal(Clicks.hit, key)
                producer.signal(Clicks.hit, key)
            with client.producer(source=f"{key} {number}") as once:
                once.signal_once(1, Clicks.hit, key)
        reached(served, key, 32)
        clicks = client.read_entity(Clicks, key)
        assert clicks is not None and len(clicks.places) > 2
        assert [(each.key, state.count) for each, state in client.list_entities(Clicks, prefix=key)] == [(key, 32)]
        client.signal_entity(EntityId("clicks", key), "delete")
        gone(served, key)
