"""Workers over HTTP: drained, and told to work again."""

from __future__ import annotations

from typing import Any

import pytest

from support.gateway_tools import Served
from support.v1_gateway import eventually

pytestmark = pytest.mark.slow


def the_worker(served: Served) -> dict[str, Any]:
    (found,) = served.http.get("/api/v1/hub").json()["workers"]
    return dict(found)


def test_a_worker_is_drained_and_works_again(served: Served) -> None:
    name = eventually(lambda: the_worker(served)["worker"])
    answer = served.http.post(f"/api/v1/workers/{name}/drain")
    assert (answer.status_code, answer.json()) == (202, {"worker": name, "drained": True})
    eventually(lambda: (the_worker(served)["drained"] and the_worker(served)["partitions"] == 0) or None)
    assert all(place["owner"] is None for place in served.http.get("/api/v1/hub").json()["partitions"])
    answer = served.http.post(f"/api/v1/workers/{name}/resume")
    assert (answer.status_code, answer.json()) == (202, {"worker": name, "drained": False})
    eventually(lambda: (not the_worker(served)["drained"] and the_worker(served)["partitions"] == 4) or None)


def test_one_that_is_not_there_is_said(served: Served) -> None:
    answer = served.http.post("/api/v1/workers/nobody/drain")
    assert answer.status_code == 404
    assert "no worker of that name lives" in answer.json()["detail"]


def test_it_is_for_who_may_manage(guarded: Served) -> None:
    for key in ("read-key", "signal-key"):
        answer = guarded.http.post("/api/v1/workers/x/drain", headers={"x-functions-key": key})
        assert answer.status_code == 403
