"""The trace of one request through real processes, of which one is killed in the middle: span by span, each once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from opentelemetry import trace

from stead.app import Client
from stead.orchestrations import RuntimeStatus
from support.spans import Told, spans_in, spans_told, tree
from support.traced_app import BEHIND_THE_REQUEST, HOLD_VARIABLE, SPANS_VARIABLE, Order, app
from support.worker_processes import WorkerProcess, eventually

SETTINGS = {"lease_ms": 1_000, "renew_ms": 200, "worker_keep_ms": 1_000}


class Workers:
    """Processes that tell their spans into files, one each."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        self.all: dict[str, WorkerProcess] = {}

    def start(self, name: str, hold: Path | None = None) -> WorkerProcess:
        tests = str(Path(__file__).parents[1])
        told = {SPANS_VARIABLE: str(self._file(name)), HOLD_VARIABLE: str(hold or ""), "PYTHONPATH": tests}
        before = {key: os.environ.get(key) for key in told}
        os.environ.update(told)
        try:
            self.all[name] = WorkerProcess(self._folder, name, self._url, SETTINGS, "traced_app:app")
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})
        return self.all[name]

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.spans"

    def told(self, name: str) -> list[Told]:
        return spans_in(self._file(name))

    def end(self) -> None:
        for worker in self.all.values():
            worker.end()


async def test_a_request_is_one_trace_though_a_worker_is_killed_in_the_middle(tmp_path: Path, server_url: str) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    workers = Workers(tmp_path, server_url)
    try:
        with spans_told() as spans:
            first = workers.start("first", hold)
            async with app.connect(server_url) as client:
                with trace.get_tracer("test").start_as_current_span("request"):
                    await client.signal_entity(Order.place, "one", 7)
                    await runs_fetch(client, first)
                    await told_what_is_committed(workers)
                    first.signal(signal.SIGKILL)
                    await first.ended()
                    hold.unlink()
                    workers.start("second")
                    await client.raise_event("ship-one", "delivered")
                status = await client.wait_for_completion("ship-one", timeout=None)
                assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, 7)
                assert await client.read_entity(Order, "all") is not None

                async def all_told() -> bool:
                    return any(span.name == "orchestration:ship" for span in workers.told("second"))

                await eventually(all_told, "the span of the orchestration")
            own = spans.all
        before, after = workers.told("first"), workers.told("second")
    finally:
        workers.end()
    told = [*own, *before, *after]
    assert tree(told) == [("request INTERNAL", BEHIND_THE_REQUEST)]
    assert len({span.trace_id for span in told}) == 1 and len({span.span_id for span in told}) == len(told)
    assert "entity:order:place" in {span.name for span in before}
    # What the first one ran and did not end is the second one's, and so is what began in the first one's life.
    assert not any(span.name.startswith(("activity:", "orchestration:")) for span in before)
    (shipped,) = [span for span in after if span.name == "orchestration:ship"]
    assert shipped.began_ns <= min(span.ended_ns for span in after if span.name == "activity:fetch")


async def told_what_is_committed(workers: Workers) -> None:
    """Wait until the first worker has told what it has committed: of a killed one that may be missing."""

    async def told() -> bool:
        return {"entity:order:place", "entity:order:note"} <= {span.name for span in workers.told("first")}

    await eventually(told, "the spans of both operations")


async def runs_fetch(client: Client, worker: WorkerProcess) -> None:
    """Wait until the first activity is under way."""

    async def waits() -> bool:
        status = await client.get_status("ship-one")
        return status is not None and status.runtime_status is RuntimeStatus.RUNNING

    await eventually(waits, "the activity")
    assert worker.status is None, worker.log
