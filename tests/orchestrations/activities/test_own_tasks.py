"""Tasks that are not packed for whoever runs them here: what they say is what the store would say, and nobody can change it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities.extending import read_trace
from stead.orchestrations._activities import own_task as module
from stead.orchestrations._activities.job import Job, encode_task
from stead.orchestrations._activities.own_task import own_task
from stead.orchestrations._history.events import TaskScheduled
from stead.transport import Task, pack_envelope
from support.local_bench import WAITS, LocalBench

ADDRESS = ("one", "execution", 3)
KEY = b"one|execution|3"
EVENT = TaskScheduled(1, 3, "Greet", ["Oslo"], None, "post", None, 2)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
)


def seen(job: Job) -> list[Any]:
    """What there is in a job of its task."""
    context = job.context
    address = context.instance_id, context.execution_id, context.task_id
    of_context = [context.name, *address, context.attempt, context.tags, context.heartbeat_details]
    limits = [job.timeout_ms, job.heartbeat_ms, job.trace]
    return [job.key, job.payload, job.name, list(job.args), job.kwargs, job.queue, *of_context, *limits]


@given(st.lists(scalars))
def test_it_says_what_the_store_would(args: list[Any]) -> None:
    event = replace(EVENT, args=args)
    task = own_task(KEY, "greet", event, ADDRESS, None)
    assert task is not None
    payload = encode_task("greet", args, None, ADDRESS, 2, "post")
    stored = Job(KEY, payload)
    assert seen(Job(KEY, task)) == seen(stored)
    assert [*map(type, Job(KEY, task).args)] == [*map(type, stored.args)]
    assert (task.task_id, task.queue, task.shared, task.payload, task.limit) == (KEY, "post", False, payload, None)


CHANGES: list[dict[str, Any]] = [
    {"args": [["Oslo"]]},
    {"args": ["Oslo", {}]},
    {"args": [(1, 2)]},
    {"kwargs": {"city": "Oslo"}},
    {"tags": {"a": "b"}},
    {"details": {"page": 1}},
    {"timeout_ms": 5},
    {"heartbeat_ms": 5},
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_could_change_or_only_some_say_is_packed_at_once(change: dict[str, Any]) -> None:
    assert own_task(KEY, "greet", replace(EVENT, **change), ADDRESS, None) is None


def test_so_is_what_belongs_to_a_trace() -> None:
    trace = read_trace("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
    assert trace is not None
    assert own_task(KEY, "greet", EVENT, ADDRESS, trace) is None


class Packing:
    """Counts what is packed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(module, "pack_envelope", self)

    def __call__(self, value: Any) -> bytes:
        self.count += 1
        return pack_envelope(value)


def test_a_payload_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    packing = Packing(monkeypatch)
    task = own_task(KEY, "greet", EVENT, ADDRESS, None)
    assert task is not None
    counts = [packing.count, len({id(task.payload), id(task.payload)}), packing.count]
    assert counts == [0, 1, 1]


async def flow(context: Any) -> list[Any]:
    return [await context.call_activity(called[0], number) for number in range(3)]


called: list[Any] = []


@pytest.mark.parametrize("value", ["done", WAITS])
def test_what_has_its_answer_before_the_commit_is_never_packed(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    packing = Packing(monkeypatch)
    bench = LocalBench(flow)

    def greet(_: int) -> Any:
        return value

    called[:] = [bench.activity("greet", greet)]
    bench.hold(0)
    bench.start("flow")
    bench.read()
    bench.turn(0)
    flight = bench.build(0)
    tasks: list[Task] = [task for commit in flight.commits for task in commit.tasks]
    assert len(tasks) == (value is WAITS)
    assert not packing.count
    for task in tasks:
        assert Job(task.task_id, task.payload).name == "greet"
