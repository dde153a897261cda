"""What `doctor` looks for: each thing that goes wrong is found by its own check, and nothing is found where all is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.entities.extending import HubMeasures, MeasuredBlock, Measures
from stead.gateway._v1.diagnosis import HubLook, diagnose

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def worker(name: str = "w", **info: Any) -> dict[str, Any]:
    return {"worker": name, "beat_ms": NOW_MS, "program": "one", "now": {"clock_ms": NOW_MS}, **info}


def partition(number: int = 0, **info: Any) -> dict[str, Any]:
    place: dict[str, Any] = {"partition": number, "owner": "w", "quarantined": False, "blocked": {}, "dead_letters": 0}
    return {**place, "oldest_time": None, **info}


def info(**changes: Any) -> dict[str, Any]:
    total = {"backlog": 0, "tasks": 0, "dead_letters": 0, "dead_letters_trimmed": 0, "instances": 0}
    server = {"maxmemory_policy": "noeviction", "durable": "always", "promise": "p", "used_memory_bytes": 10}
    found: dict[str, Any] = {
        "time": NOW,
        "total": total | changes.pop("total", {}),
        "server": server | changes.pop("server", {}),
        "workers": [worker()],
        "partitions": [partition()],
        "unserved": [],
        "unserved_queues": [],
        "blocked": {},
        "quarantine": {},
        "parks": {},
    }
    return found | changes


def measured(family: Any, seconds: float) -> HubMeasures:
    measures = Measures()
    measures.meter(family).add(seconds)
    return HubMeasures(NOW_MS, MeasuredBlock(0, 0), [(0, MeasuredBlock(0, 0, measures.meters))])


NOTHING = HubMeasures(NOW_MS, MeasuredBlock(0, 0), [])


def look(found: dict[str, Any] | None = None, measures: HubMeasures = NOTHING, **rest: Any) -> HubLook:
    given: dict[str, Any] = {"locked": {}, "app": "weather:app", **rest}
    return HubLook(info=info() if found is None else found, measures=measures, **given)


CASES: list[tuple[str, str, HubLook]] = [
    ("no_worker", "problem", look(info(workers=[], total={"backlog": 3}))),
    ("unowned_partitions", "problem", look(info(partitions=[partition(owner=None)]))),
    ("unserved_queues", "problem", look(info(unserved_queues=["gpu"], total={"tasks": 1}))),
    ("unserved_kinds", "problem", look(info(unserved=["station"]))),
    ("blocked", "problem", look(info(blocked={"@a@b": "older code"}))),
    ("poison_suspects", "problem", look(info(partitions=[partition(suspect="@a@b")]))),
    ("quarantine", "problem", look(info(quarantine={"3": "torn"}))),
    ("dead_letters_dropped", "problem", look(info(total={"dead_letters_trimmed": 1}), last_letter_s=30.0)),
    ("dead_letters_dropped", "note", look(info(total={"dead_letters_trimmed": 1}))),
    ("dead_letters", "problem", look(info(total={"dead_letters": 1}), last_letter_s=30.0)),
    ("dead_letters", "note", look(info(total={"dead_letters": 1}), last_letter_s=86_400.0)),
    ("clock_skew", "problem", look(info(workers=[worker(now={"clock_ms": NOW_MS - 5_000}, host="far")]))),
    ("eviction", "problem", look(info(server={"maxmemory_policy": "allkeys-lru"}))),
    ("persistence", "problem", look(info(server={"durable": "no"}))),
    ("persistence", "note", look(info(server={"durable": "everysec"}))),
    ("memory", "problem", look(info(server={"used_memory_bytes": 90, "memory_max_bytes": 100}))),
    ("pending_instances", "problem", look(pending=["i"])),
    ("still_instances", "note", look(still=["i"])),
    ("locked", "problem", look(locked={"@a@b": "i"})),
    ("old_messages", "problem", look(info(partitions=[partition(oldest_time=NOW - timedelta(minutes=2))]))),
    ("late_timers", "problem", look(measures=measured("timer_lateness", 60.0))),
    ("held_loops", "problem", look(measures=measured("loop_lag", 3.0))),
    ("different_code", "note", look(info(workers=[worker("a"), worker("b", program="two")]))),
]


@pytest.mark.parametrize(("check", "level", "seen"), CASES, ids=[f"{check} {level}" for check, level, _ in CASES])
def test_what_is_wrong_is_found_and_said_with_what_to_do(check: str, level: str, seen: HubLook) -> None:
    (found,) = diagnose(seen)
    assert (found.check, found.level) == (check, level)
    assert found.what
    assert found.advice


@pytest.mark.parametrize(
    "seen",
    [
        look(),
        look(info(unserved_queues=["gpu"])),
        look(info(server={"used_memory_bytes": 10, "memory_max_bytes": 100})),
        look(info(server={"used_memory_bytes": 10, "memory_max_bytes": 0})),
        look(info(partitions=[partition(owner=None, quarantined=True)])),
        look(info(partitions=[partition(oldest_time=NOW - timedelta(seconds=5))])),
        look(info(workers=[{"worker": "old", "beat_ms": NOW_MS}, worker("new", now=7, program=3)])),
        look(measures=measured("loop_lag", 0.05)),
        look(measures=measured("timer_lateness", 0.5)),
    ],
)
def test_nothing_is_found_where_all_is_well(seen: HubLook) -> None:
    assert diagnose(seen) == []


def test_problems_come_first() -> None:
    found = diagnose(look(info(workers=[], server={"durable": "everysec"}), still=["i"]))
    assert [one.level for one in found] == ["problem", "note", "note"]
