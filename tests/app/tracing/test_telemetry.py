"""`--otlp` and the standard variables: what they set up, what a collector gets, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stead.app._console import telemetry
from stead.app._console.faults import CommandFault
from support.guards import HANGS_S
from support.traced_app import Order, app
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
