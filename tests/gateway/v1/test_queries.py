"""`GET /api/v1/entities/{name}?where=…`: entities found by their indexed fields, over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from stead.app import App, Settings
from stead.entities import Entity, Indexed, indexed
from support.gateway_tools import Served, serve
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer


def _app() -> App:
    app = App("queried", settings=Settings(partitions=2, slot_groups=2))

    @app.entity
    class Player(Entity):
        score: Indexed[int] = indexed(0)
        country: Indexed[str] = indexed("")

        def win(self, points: int, country: str) -> None:
            self.score += points
            self.country = country

    return app


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(_app(), module_server.url) as running:
        for number in range(6):
            path = f"/api/v1/entities/Player/p{number}/win?wait=true"
            body = {"args": [number * 10, "NO" if number % 2 else "SE"]}
            answer = running.http.post(path, json=body)
            assert answer.status_code == 200
        yield running


def find(served: Served, **query: Any) -> Any:
    return served.http.get("/api/v1/entities/Player", params=query)


def keys(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [entity["key"] for entity in answer.json()["entities"]]


def test_what_matches_is_given_in_its_order_with_the_shape_of_the_list(served: Served) -> None:
    answer = find(served, where="score>=10 country=NO", order="-score")
    assert keys(answer) == ["p5", "p3", "p1"]
    assert answer.json()["continuation"] is None
    first = answer.json()["entities"][0]
    assert first["state"] == {"score": 50, "country": "NO"}
    listed = find(served, prefix="p5").json()["entities"][0]
    assert first == listed
    assert "state" not in find(served, order="score", state="false").json()["entities"][0]


def test_pages_go_on_where_the_one_before_ended(served: Served) -> None:
    found: list[str] = []
    query: dict[str, Any] = {"order": "score", "limit": 4}
    while True:
        answer = find(served, **query)
        found += keys(answer)
        if answer.json()["continuation"] is None:
            break
        query["continuation"] = answer.json()["continuation"]
    assert found == [f"p{number}" for number in range(6)]
    wrong = find(served, where="score>=1", continuation=query["continuation"])
    assert (wrong.status_code, "of another query" in wrong.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"where": "score>"}, 400, "write FIELD"),
        ({"where": "score>=x"}, 400, "a whole number"),
        ({"where": "games=1"}, 400, "it has: country, score"),
        ({"order": "--score"}, 400, "name of an indexed field"),
        ({"where": "score=1", "prefix": "p"}, 400, "do not go with"),
    ],
)
def test_what_cannot_be_asked_is_said(served: Served, query: dict[str, str], status: int, said: str) -> None:
    answer = find(served, **query)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)


def test_nobody_knows_the_kind(served: Served) -> None:
    assert served.http.get("/api/v1/entities/Nobody", params={"where": "a=1"}).status_code == 404


def test_the_hub_says_which_indexes_are_ready(served: Served) -> None:
    deadline = time.monotonic() + HANGS_S
    while True:
        indexes = served.http.get("/api/v1/hub").json()["indexes"]
        if all(index["ready"] == 2 for index in indexes):
            break
        assert time.monotonic() < deadline
    assert [(index["entity"], index["field"], index["type"]) for index in indexes] == [
        ("player", "country", "str"),
        ("player", "score", "int"),
    ]
