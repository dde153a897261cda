"""`--otlp` and the standard variables: what they set up, what a collector gets, and what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from stead.app._console import telemetry
from stead.app._console.faults import CommandFault
from stead.orchestrations import RuntimeStatus
from support.guards import HANGS_S
from support.traced_app import HOLD_VARIABLE, Order, app, mislay
from support.user_folder import Stead

KINDS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Collector:
    """A collector that keeps what it is told."""

    def __init__(self) -> None:
        self.got: dict[str, list[Any]] = {path: [] for path in KINDS}
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                got[self.path].append(KINDS[self.path].FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self) -> set[str]:
        return {span.name for each in self.got["/v1/traces"] for r in each.resource_spans
                for scope in r.scope_spans for span in scope.spans}  # fmt: skip

    def metrics(self) -> dict[str, float]:
        """The last sum of each counter."""
        found: dict[str, float] = {}
        for each in self.got["/v1/metrics"]:
            for resource in each.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        points = metric.sum.data_points or metric.gauge.data_points
                        found[metric.name] = sum(point.as_int or point.as_double for point in points)
        return found

    def lines(self) -> list[Any]:
        return [record for each in self.got["/v1/logs"] for r in each.resource_logs
                for scope in r.scope_logs for record in scope.log_records]  # fmt: skip

    def services(self) -> set[str]:
        return {attribute.value.string_value for each in self.got["/v1/traces"] for r in each.resource_spans
                for attribute in r.resource.attributes if attribute.key == "service.name"}  # fmt: skip


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.end()


@pytest.mark.parametrize("by_option", [True, False])
async def test_a_worker_tells_a_collector(
    collector: Collector, server_url: str, tmp_path: Path, by_option: bool
) -> None:
    tests = Path(__file__).parents[2]
    option, variables = ["--otlp", collector.url + "/"], {}
    if not by_option:
        option, variables = [], {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "mine"}
    worker = subprocess.Popen(
        [sys.executable, "-m", "stead.app", "worker", "traced_app:app", *option],
        cwd=tests / "support",
        env={**os.environ, **variables, "PYTHONPATH": str(tests), "STEAD_URL": server_url},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        async with app.connect(server_url) as client:
            assert await client.call_entity(Order.pay, "one", 3) == 3
            await client.signal_entity(Order.refuse, "one")
            assert await client.call_entity(Order.pay, "one", 4) == 7
    finally:
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=HANGS_S)
    assert worker.returncode == 0, said
    assert "telling OpenTelemetry: traces, metrics, logs" in said
    assert {"entity:order:pay", "entity:order:refuse"} <= collector.spans()
    assert collector.services() == {"traced" if by_option else "mine"}
    measured = collector.metrics()
    assert measured["stead.operation.count"] == 3
    assert measured["stead.operation.failures"] == 1
    assert measured["stead.commit.count"] >= 1 and measured["stead.operation.sum"] > 0
    (line,) = [line for line in collector.lines() if "operation refuse failed" in line.body.string_value]
    fields = {attribute.key: attribute.value.string_value for attribute in line.attributes}
    assert fields["hub"] == "traced" and fields["event"] == "outcomes.refuse" and "worker" in fields
    assert line.severity_text == "WARNING"


# Each metric of OpenTelemetry, and the one of Prometheus that says the same of the same worker. What goes on while nothing is asked
# of the worker (its commits, and looks at its loop) may be more by the time at which it ends.
_SAME = {
    "stead.operation.count": "operation_seconds_count",
    "stead.operation.sum": "operation_seconds_sum",
    "stead.operation.failures": "operation_failures_total",
    "stead.activity.count": "activity_seconds_count",
    "stead.activity.sum": "activity_seconds_sum",
    "stead.activity.failures": "activity_failures_total",
    "stead.orchestration.count": "orchestration_seconds_count",
    "stead.orchestration.sum": "orchestration_seconds_sum",
    "stead.turn.count": "turn_seconds_count",
    "stead.turn.sum": "turn_seconds_sum",
    "stead.replay.count": "replayed_events_count",
    "stead.replay.sum": "replayed_events_sum",
    "stead.timer.lateness.count": "timer_lateness_seconds_count",
    "stead.timer.lateness.sum": "timer_lateness_seconds_sum",
    "stead.commit.messages.sum": "commit_messages_sum",
}
_MORE = {
    "stead.commit.count": "commit_seconds_count",
    "stead.commit.sum": "commit_seconds_sum",
    "stead.commit.messages.count": "commit_messages_count",
    "stead.loop.lag.count": "loop_lag_seconds_count",
    "stead.loop.lag.sum": "loop_lag_seconds_sum",
}
_NOW = {"memory", "activations", "messages.waiting", "activities.running", "loop.lag"}
_HAPPENED = {
    "stead.operation.count": 5,  # placed, noted, paid twice, refused
    "stead.operation.failures": 1,
    "stead.activity.count": 3,  # fetched, wrapped, lost
    "stead.activity.failures": 1,
    "stead.orchestration.count": 3,  # shipped, sent, mislaid
    "stead.orchestration.failures": 1,
    "stead.timer.lateness.count": 1,
}


async def test_each_metric_says_what_has_happened_and_what_prometheus_reads(
    collector: Collector, server_url: str, tmp_path: Path
) -> None:
    tests, hold = Path(__file__).parents[2], tmp_path / "hold"
    hold.touch()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {"STEAD_REPLAY_EVERY_TURN": "true", "STEAD_HEARTBEAT_MS": "100", "OTEL_METRIC_EXPORT_INTERVAL": "100"}
    options = ["--otlp", collector.url, "--metrics-port", str(port)]
    worker = subprocess.Popen(
        [sys.executable, "-m", "stead.app", "worker", "traced_app:app", *options],
        cwd=tests / "support",
        env={**os.environ, **variables, "PYTHONPATH": str(tests), "STEAD_URL": server_url, HOLD_VARIABLE: str(hold)},
        stderr=subprocess.PIPE,
        text=True,
    )

    async def until(name: str, least: float) -> None:
        async with asyncio.timeout(HANGS_S):
            while collector.metrics().get(name, -1) < least:
                await asyncio.sleep(0.02)

    try:
        async with app.connect(server_url) as client:
            await client.signal_entity(Order.place, "one", 3)
            await until("stead.worker.activities.running", 1)
            hold.unlink()
            await client.signal_entity(Order.refuse, "one")
            assert await client.call_entity(Order.pay, "one", 1) == 1
            lost = await client.start_new(mislay, 3)
            assert (await client.wait_for_completion(lost)).runtime_status is RuntimeStatus.FAILED
            await client.raise_event("ship-one", "delivered")
            assert (await client.wait_for_completion("ship-one")).output == 4
        await until("stead.worker.activations", 3)  # two orders, and an instance
        async with httpx.AsyncClient() as http:
            read = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    finally:
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=HANGS_S)
    assert worker.returncode == 0, said
    told = collector.metrics()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(read):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    assert told.keys() == {*_SAME, *_MORE, *_HAPPENED, *(f"stead.worker.{name}" for name in _NOW)}
    assert {name: told[name] for name in _HAPPENED} == _HAPPENED
    for name, metric in _SAME.items():
        assert told[name] == pytest.approx(sums[f"stead_worker_{metric}"]), name
        assert told[name] > 0, name
    for name, metric in _MORE.items():
        assert told[name] >= sums[f"stead_worker_{metric}"] > 0, name
    assert told["stead.worker.memory"] > 10_000_000


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        (None, {}, {}),
        ("http://c:4318", {}, {"TRACES": "otlp", "METRICS": "otlp", "LOGS": "otlp"}),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, {"TRACES": "otlp", "METRICS": "otlp", "LOGS": "otlp"}),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, {"TRACES": "otlp"}),
        ("http://c:4318", {"OTEL_LOGS_EXPORTER": "none"}, {"TRACES": "otlp", "METRICS": "otlp"}),
        (None, {"OTEL_TRACES_EXPORTER": "console"}, {"TRACES": "console"}),
        ("http://c:4318", {"OTEL_SDK_DISABLED": "TRUE"}, {}),
    ],
)
def test_what_is_told_where(
    monkeypatch: pytest.MonkeyPatch, url: str | None, variables: dict[str, str], expected: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert telemetry.wanted(url) == expected


def test_an_exporter_that_stead_does_not_set_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    with pytest.raises(CommandFault, match="OTEL_METRICS_EXPORTER is 'prometheus'"):
        telemetry.wanted(None)


@pytest.mark.parametrize("url", ["collector:4318", "grpc://c:4317", "http://", "http://c:port", "http://c:0"])
def test_what_is_no_collector_is_refused(url: str) -> None:
    with pytest.raises(CommandFault, match="is not the URL of a collector"):
        telemetry.check_otlp(url)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As an error by whoever asks for it by hand; a variable may be there for others."""
    monkeypatch.setattr(telemetry, "_has_sdk", lambda: False)
    with pytest.raises(CommandFault, match=r"pip install 'stead\[otel\]'"):
        telemetry.check_otlp("http://c:4318")
    monkeypatch.setenv(telemetry.ENDPOINT, "http://c:4318")
    with telemetry.telemetry("x", None):
        assert "nothing is told" in caplog.text


@pytest.mark.parametrize("command", ["worker", "serve", "dev"])
def test_each_command_that_goes_on_takes_it(stead: Stead, command: str) -> None:
    came = stead(command, "--otlp", "nowhere")
    assert came.status == 2
    assert "is not the URL of a collector" in came.err
