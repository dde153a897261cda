"""Many instances over HTTP: when they were created, what is in their statuses, and the same done to a bundle of them."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.gateway._v1.many_instances import histogram_data
from stead.orchestrations import RuntimeStatus
from support.gateway_tools import Served
from support.v1_gateway import eventually, fresh

TIMES = st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from(list(RuntimeStatus))), max_size=30)


@given(TIMES, st.integers(1, 50))
def test_each_instance_is_in_the_bucket_of_its_time(times: list[tuple[int, RuntimeStatus]], count: int) -> None:
    data = histogram_data(times, count, complete=True)
    buckets, width = data["buckets"], data["width_ms"]
    assert len(buckets) <= count
    starts = [round(bucket["start"].timestamp() * 1000) for bucket in buckets]
    assert all(later - earlier == width for earlier, later in itertools.pairwise(starts))
    for start, bucket in zip(starts, buckets, strict=True):
        inside = [status.value for at, status in times if start <= at < start + width]
        assert bucket["counts"] == {name: inside.count(name) for name in set(inside)}
    assert sum(sum(bucket["counts"].values()) for bucket in buckets) == len(times) == data["total"]
    if buckets:
        assert buckets[0]["counts"]
        assert buckets[-1]["counts"]


def begin(served: Served, mark: str, number: int, name: str = "approval", **more: object) -> str:
    instance_id = f"{mark}-{number}"
    body = {"name": name, "instance_id": instance_id, **more}
    assert served.http.post("/api/v1/instances", json=body).status_code == 202
    return instance_id


def found(served: Served, path: str = "instances", **query: object) -> Any:
    answer = served.http.get(f"/api/v1/{path}", params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.slow
def test_when_those_that_match_were_created(served: Served) -> None:
    mark = fresh()
    for number in range(5):
        begin(served, mark, number, tags={"odd": str(number % 2)})
    shown = eventually(
        lambda: (
            one if (one := found(served, "instance-histogram", prefix=mark, status="Running"))["total"] == 5 else None
        ),
        30,
    )
    assert shown["complete"]
    assert found(served, "instance-histogram", prefix=mark, tag="odd=1")["total"] == 2
    assert found(served, "instance-histogram", prefix=mark, text=f"{mark}-3")["total"] == 1
    assert found(served, "instance-histogram", prefix="nobody")["buckets"] == []
    assert found(served, "instance-histogram", prefix=mark, most=1)["complete"] is False
    first = datetime.fromisoformat(shown["buckets"][0]["start"])
    assert found(served, "instance-histogram", prefix=mark, created_to=first.isoformat())["total"] >= 1


@pytest.mark.slow
def test_text_is_found_wherever_it_is_shown(served: Served) -> None:
    mark = fresh()
    begin(served, mark, 0, "failing", input=f"Wo {mark} rt")
    begin(served, mark, 1, "approval", tags={"team": f"T{mark}t"})
    begin(served, mark, 2, "hello", input=[f"Oslo{mark}x"])
    for number in (0, 2):
        served.http.get(f"/api/v1/instances/{mark}-{number}?wait_ms=30000")
    eventually(lambda: found(served, text=f"{mark}-1")["instances"] or None)

    def ids(text: str, **more: str) -> list[str]:
        return [one["instance_id"][-1] for one in found(served, text=text, **more)["instances"]]

    assert ids(f"WO {mark}") == ["0"]  # the message of its failure
    assert ids(f"t{mark}T") == ["1"]
    assert ids(f"hello oslo{mark}") == ["2"]  # its output
    assert ids("waits for", prefix=mark) == ["1"]  # its custom status
    assert ids(mark) == ["0", "1", "2"]
    assert ids(f'"oslo{mark}x"') == []  # only with the input
    assert ids(f'"oslo{mark}x"', input="true") == ["2"]


@pytest.mark.slow
def test_what_is_rare_among_many_is_found_in_few_pages(served: Served) -> None:
    mark = fresh()
    for number in range(120):
        begin(served, mark, number, "approval", **({"version": None} if number != 77 else {"tags": {"rare": "yes"}}))
    eventually(lambda: found(served, "instance-counts", prefix=mark, status="Running")["total"] == 120 or None)
    page = found(served, prefix=mark, text="yes", limit=5)
    assert [one["instance_id"] for one in page["instances"]] == [f"{mark}-77"]
    assert page["continuation"] is None
    page = found(served, prefix=mark, text=mark, limit=7)
    assert len(page["instances"]) == 7
    rest = found(served, prefix=mark, text=mark, limit=1_000, continuation=page["continuation"])
    assert len(rest["instances"]) == 113
    assert not {one["instance_id"] for one in rest["instances"]} & {one["instance_id"] for one in page["instances"]}


@pytest.mark.slow
def test_the_same_is_done_to_those_that_are_named(served: Served) -> None:
    mark = fresh()
    ids = [begin(served, mark, number) for number in range(4)]
    eventually(lambda: found(served, "instance-counts", prefix=mark, status="Running")["total"] == 4 or None)

    def act(action: str, *which: str) -> Any:
        answer = served.http.post("/api/v1/instance-bundles", json={"action": action, "ids": list(which)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert act("suspend", *ids) == {"matched": 4, "done": 4, "passed_over": 0, "failed": {}}
    eventually(lambda: found(served, "instance-counts", prefix=mark, status="Suspended")["total"] == 4 or None)
    assert act("terminate", *ids[:2], "nobody")["passed_over"] == 1
    eventually(lambda: found(served, "instance-counts", prefix=mark, status="Terminated")["total"] == 2 or None)
    assert act("purge", *ids) == {"matched": 4, "done": 2, "passed_over": 2, "failed": {}}
    assert found(served, "instance-counts", prefix=mark)["total"] == 2
    wrong = served.http.post("/api/v1/instance-bundles", json={"action": "explode", "ids": []})
    assert wrong.status_code == 400
    many = served.http.post("/api/v1/instance-bundles", json={"action": "purge", "ids": ["x"] * 1_001})
    assert many.status_code == 400


@pytest.mark.slow
def test_bundles_are_for_who_may_manage(guarded: Served) -> None:
    body = {"action": "purge", "ids": ["x"]}
    for key, status in (("signal-key", 403), ("manage-key", 200)):
        answer = guarded.http.post("/api/v1/instance-bundles", json=body, headers={"x-functions-key": key})
        assert answer.status_code == status
