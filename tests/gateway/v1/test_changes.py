"""`GET /api/v1/entities/{name}/changes`: a kind's changes as server-sent events, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from stead.app import App, Settings
from stead.entities import Entity
from stead.entities._client import changes as reading
from stead.entities._client.changes import Loss
from stead.entities._client.cursor import Place
from stead.gateway._v1 import changes as _v1_changes
from stead.transport import partition_of
from support.gateway_tools import Served, serve
from support.guards import HANGS_S
from support.v1_gateway import eventually, fresh
from support.valkey_server import ValkeyServer

CHANGES = "/api/v1/entities/Station/changes"


def _app() -> App:
    app = App("followed", settings=Settings(partitions=4, slot_groups=2, changes_poll_ms=20))

    @app.entity(changes=timedelta(days=2))
    class Station(Entity):
        value: int = 0

        def put(self, value: int) -> None:
            self.value = value

    @app.entity
    class Silent(Entity):
        value: int = 0

    return app


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    keys = {"all": ["read", "signal", "manage"], "eyes": ["read"]}
    with serve(_app(), module_server.url, keys=keys) as running:
        running.http.headers["x-functions-key"] = "all"
        yield running


def put(served: Served, key: str, value: int) -> None:
    answer = served.http.post(f"/api/v1/entities/Station/{key}/put?wait=true", json={"args": [value]})
    assert answer.status_code == 200


@contextmanager
def events(
    served: Served, path: str = CHANGES, last: str = "", **query: str
) -> Generator[Iterator[tuple[str, str, Any]]]:
    """Name, ID and data of each event, without comments."""
    headers = {"last-event-id": last} if last else {}
    headers["x-functions-key"] = "all"
    with httpx.stream("GET", f"{served.url}{path}", params=query, headers=headers, timeout=HANGS_S) as answer:
        assert answer.status_code == 200, answer.read()
        yield _events(answer)


def _events(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    found: dict[str, str] = {}
    for text in answer.iter_lines():
        if text:
            name, _, value = text.partition(": ")
            found[name] = value
        else:
            if "data" in found:
                yield found["event"], found.get("id", ""), json.loads(found["data"])
            found = {}


def test_changes_are_sent_and_a_client_that_comes_again_goes_on_behind_the_last_one(served: Served) -> None:
    key = fresh()
    with events(served) as told:
        for value in (1, 2):
            put(served, key, value)
        name, first, data = next(told)
        assert name == "change"
        assert (data["entity"], data["key"], data["state"]) == ("Station", key, {"value": 1})
        assert data["time"].endswith("Z") and data["etag"] != "deleted"
    served.http.post(f"/api/v1/entities/Station/{key}/delete?wait=true")
    with events(served, last=first, after="nonsense") as told:
        states = [next(told)[2]["state"] for _ in range(2)]
        assert states == [{"value": 2}, None]
    with events(served, after=first) as told:
        assert next(told)[2]["state"] == {"value": 2}


def test_a_group_shares_the_work_and_what_is_not_marked_comes_again(served: Served) -> None:
    key, group = fresh(), fresh()
    for value in (1, 2):
        put(served, key, value)
    with events(served, group=group, start="oldest") as told:
        found: list[tuple[str, int]] = []
        while len(found) < 2:
            _, receipt, data = next(told)
            if data["key"] == key:
                found.append((receipt, data["state"]["value"]))
        assert [value for _, value in found] == [1, 2]
        answer = served.http.post(f"{CHANGES}/done", json={"group": group, "id": found[0][0]})
        assert answer.json() == {"done": True}
        [listed] = [each for each in served.http.get(f"{CHANGES}/groups").json()["groups"] if each["group"] == group]
        assert (listed["entity"], listed["readers"], listed["partitions"]) == ("station", 1, 4)
        assert served.http.delete(f"{CHANGES}/groups/{group}").status_code == 400
        assert group in str(served.http.get("/api/v1/hub").json()["changes_groups"])
    with events(served, group=group) as told:
        of_key = next(data for _, _, data in told if data["key"] == key)
        assert of_key["state"] == {"value": 2}
    late = served.http.post(f"{CHANGES}/done", json={"group": group, "id": found[1][0]})
    assert late.json() == {"done": False}
    _gone(served, group)


def _gone(served: Served, group: str) -> None:
    # Its reader leaves when the server notices that the client has gone.
    eventually(lambda: served.http.delete(f"{CHANGES}/groups/{group}").status_code == 204 or None)
    assert served.http.delete(f"{CHANGES}/groups/{group}").status_code == 404


def test_an_entity_is_followed_change_by_change_where_its_kind_keeps_them(served: Served) -> None:
    key = fresh()
    path = f"/api/v1/entities/Station/{key}/events"
    with events(served, path) as told:
        assert next(told)[::2] == ("deleted", {"entity": "Station", "key": key, "state": None, "etag": "deleted"})
        for value in (1, 2, 3):
            put(served, key, value)
            put(served, fresh(), value)
        seen = [next(told) for _ in range(3)]
        assert [data["state"]["value"] for _, _, data in seen] == [1, 2, 3]
    with events(served, path, last=seen[0][1]) as told:
        assert [next(told)[2]["state"]["value"] for _ in range(2)] == [2, 3]
    etag = served.http.get(f"/api/v1/entities/Station/{key}").json()["etag"]
    with events(served, path, last=etag) as told:  # of before, or of the state's own route: that is not sent again
        put(served, key, 4)
        name, _, data = next(told)
        assert (name, data["state"]) == ("state", {"value": 4})


def test_what_is_wrong_is_refused_before_anything_is_sent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, query, status in [
        (CHANGES, {"after": "nonsense"}, 400),
        (CHANGES, {"group": "a b"}, 400),
        (CHANGES, {"group": "g", "after": "oldest"}, 400),
        (CHANGES, {"start": "oldest"}, 400),
        (CHANGES, {"unknown": "1"}, 400),
        ("/api/v1/entities/Silent/changes", {}, 400),
        ("/api/v1/entities/Ship/changes", {}, 404),
        ("/api/v1/entities/Ship/changes/groups", {}, 404),
    ]:
        assert served.http.get(path, params=query).status_code == status, (path, query)
    for body in ({"group": "g"}, {"group": "g", "id": "nonsense"}, {"group": "a b", "id": "x"}):
        assert served.http.post(f"{CHANGES}/done", json=body).status_code == 400
    eyes = {"x-functions-key": "eyes"}
    assert served.http.get(CHANGES, params={"group": "g"}, headers=eyes).status_code == 403
    assert served.http.post(f"{CHANGES}/done", json={"group": "g", "id": "x"}, headers=eyes).status_code == 403
    assert served.http.delete(f"{CHANGES}/groups/g", headers=eyes).status_code == 403
    assert served.http.get(f"{CHANGES}/groups", headers=eyes).status_code == 200
    assert served.http.get(CHANGES, headers={"x-functions-key": "wrong"}).status_code == 401
    monkeypatch.setattr(_v1_changes, "PARTITIONS_MAX", 3)
    refused = served.http.get(CHANGES)
    assert refused.status_code == 400 and "group" in refused.text
    with events(served, group=fresh()):
        pass


def test_what_is_lost_is_said_and_the_stream_goes_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has read on for so long that the oldest are gone."""
    key = fresh()
    with events(served) as told:
        put(served, key, 1)
        _, cursor, _ = next(told)
    # Of the key's partition: where there has never been anything, the cursor would say the same afterwards.
    once = iter([Loss(3, False, {partition_of(f"@station@{key}", 4): Place()})])
    as_it_is = reading._loss

    def loss(places: Any, parts: Any, found: Any) -> Loss | None:
        # Streams whose client has gone may be read for some time still: theirs is not that of one that comes with a cursor.
        return (next(once, None) if found else None) or as_it_is(places, parts, found)

    monkeypatch.setattr(reading, "_loss", loss)
    with events(served, last=cursor) as told:
        name, resume, data = next(told)
        assert (name, data) == ("lost", {"missing": 3, "went_back": False})
        assert resume and resume != cursor
        put(served, key, 2)
        assert next(told)[0] == "change"
