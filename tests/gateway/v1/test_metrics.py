"""What the workers have measured, over HTTP: what was made to happen is what is told."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities.extending import MINUTE_MS, HubMeasures, Measured, MeasuredBlock, Measures
from stead.gateway._v1.metrics import metrics_data, worker_now
from stead.gateway._v1.metrics_models import HubMetrics, WorkerNow
from stead.transport import WorkerView
from support.gateway_tools import Served
from support.v1_gateway import eventually, fresh, line, post_lines


def test_what_happened_is_told_with_its_names(served: Served) -> None:
    key = fresh()
    post_lines(served, b"".join(line(key, f"reason {number}", operation="fail") for number in range(3)))

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = served.http.get("/api/v1/metrics", params={"minutes": 5}).json()
        failing = [each for each in found["operations"] if each["operation"] == "fail" and each["total_failed"] >= 3]
        hot = [each for each in found["hottest"] if each["target"].endswith(f"@{key}") and each["messages"] == 3]
        return found if failing and hot else None

    found = eventually(look)
    checked = HubMetrics.model_validate(found)
    assert len(checked.minutes) == 5
    (series,) = [each for each in checked.operations if each.operation == "fail"]
    assert series.count == sum(series.counts) >= series.failed == sum(series.failures) >= 3
    assert series.rate > 0
    assert series.p50 is not None
    assert len(checked.workers) == 1
    assert checked.workers[0].memory_bytes is not None


@pytest.mark.parametrize("query", [{"minutes": 0}, {"minutes": 61}, {"minutes": "x"}, {"x": 1}])
def test_what_cannot_be_asked_is_refused(served: Served, query: dict[str, Any]) -> None:
    assert served.http.get("/api/v1/metrics", params=query).status_code == 400


def block(begin_ms: int, count: int, failed: int) -> MeasuredBlock:
    measures = Measures()
    meter = measures.meter("operation", "Station", "record")
    meter.add_run(count, count * 0.5)
    meter.failed = failed
    return MeasuredBlock(begin_ms, begin_ms + MINUTE_MS, measures.meters)


def test_minutes_stay_apart_and_rates_are_of_the_time_that_is_shown() -> None:
    minutes = [(0, block(0, 60, 1)), (MINUTE_MS, MeasuredBlock(0, 0)), (2 * MINUTE_MS, block(2 * MINUTE_MS, 120, 2))]
    total = block(0, 180, 3)
    found = metrics_data(HubMeasures(3 * MINUTE_MS, total, minutes), [], [])
    (series,) = found["operations"]
    assert (series["count"], series["counts"], series["failures"]) == (180, [60, 0, 120], [1, 0, 2])
    assert series["rate"] == 1.0
    assert series["p99s"][1] is None
    assert series["p99"] == pytest.approx(0.5, rel=0.13)
    assert found["commits"]["count"] == 0
    assert Measured("commit") not in total.meters


@pytest.mark.parametrize("info", [{}, {"now": 7}, {"now": {"memory_bytes": "much", "longest": [[1], ["a", "b", 2.5]]}}])
def test_a_worker_of_another_version_is_shown_as_far_as_it_can_be_read(info: dict[str, Any]) -> None:
    shown = WorkerNow.model_validate(worker_now(WorkerView("w", 0, info)))
    assert shown.memory_bytes is None
    assert [each.seconds for each in shown.longest] == ([2.5] if "longest" in str(info) else [])
