"""What `telemetry` sets up: providers of OpenTelemetry's SDK with their exporters. Imported only where the extra is installed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter as ConsoleLogs
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from stead.transport.describing import qualified_name, text_of, traceback_of

from .faults import CommandFault
from .logs import CONTEXT, event_of, whose

_PROTOCOLS = ("http/protobuf", "")


def set_up(service: str, url: str | None, signals: Mapping[str, str]) -> list[Callable[[], object]]:
    """Set up a provider for each signal that nobody has set up yet; gives what ends them."""
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", *(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL" for signal in signals)):
        if (protocol := os.environ.get(name, "").strip().lower()) not in _PROTOCOLS:
            raise CommandFault(
                f"{name} is {protocol!r}, and stead sets up http/protobuf (a collector's port 4318); for another one set up "
                "OpenTelemetry in your own module",
                usage=True,
            )
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": service})
    endings: list[Callable[[], object]] = []
    for signal, exporter in signals.items():
        end = _SET_UP[signal](resource, _exporter(signal, exporter, url))
        if end is not None:
            endings.append(end)
    return endings


def _exporter(signal: str, named: str, url: str | None) -> Any:
    """Without a URL, OTLP's exporters read the environment by themselves."""
    if named == "console":
        return {"TRACES": ConsoleSpanExporter, "METRICS": ConsoleMetricExporter, "LOGS": ConsoleLogs}[signal]()
    endpoint = None if url is None else f"{url.rstrip('/')}/v1/{signal.lower()}"
    kinds: dict[str, Any] = {"TRACES": OTLPSpanExporter, "METRICS": OTLPMetricExporter, "LOGS": OTLPLogExporter}
    return kinds[signal](endpoint=endpoint)


def _set_up_traces(resource: Resource, exporter: Any) -> Callable[[], object] | None:
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None  # the app's module has
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def _set_up_metrics(resource: Resource, exporter: Any) -> Callable[[], object] | None:
    if isinstance(metrics.get_meter_provider(), MeterProvider):
        return None
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource)
    metrics.set_meter_provider(provider)
    return provider.shutdown


def _set_up_logs(resource: Resource, exporter: Any) -> Callable[[], object] | None:
    if isinstance(_logs.get_logger_provider(), LoggerProvider):
        return None
    provider = LoggerProvider(resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    _logs.set_logger_provider(provider)
    handler = TellingHandler()
    logging.getLogger().addHandler(handler)

    def end() -> None:
        logging.getLogger().removeHandler(handler)
        provider.shutdown()

    return end


_SET_UP: Mapping[str, Callable[[Resource, Any], Callable[[], object] | None]] = {
    "TRACES": _set_up_traces,
    "METRICS": _set_up_metrics,
    "LOGS": _set_up_logs,
}


class TellingHandler(logging.Handler):
    """Gives each line to OpenTelemetry, with the fields that JSON lines have, and the trace that it belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self._logger = _logs.get_logger("stead")

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry"):  # what it says of its own trouble would make more of it
            return
        try:
            self._logger.emit(_as_told(record))
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def _as_told(record: logging.LogRecord) -> _logs.LogRecord:
    attributes: dict[str, object] = {
        "event": event_of(record),
        "logger": record.name,
        "hub": CONTEXT.hub,
        "worker": CONTEXT.worker,
        **whose(),
    }
    if record.exc_info and (error := record.exc_info[1]) is not None:
        attributes["exception.type"] = qualified_name(type(error))
        attributes["exception.message"] = text_of(error)
        attributes["exception.stacktrace"] = record.exc_text or traceback_of(error)
    return _logs.LogRecord(
        timestamp=int(record.created * 1_000_000_000),
        severity_text=record.levelname,
        severity_number=_severity(record.levelno),
        body=record.getMessage(),
        attributes=cast("Any", {name: value for name, value in attributes.items() if value}),
    )


def _severity(level: int) -> _logs.SeverityNumber:
    numbers = _logs.SeverityNumber
    steps = ((logging.CRITICAL, numbers.FATAL), (logging.ERROR, numbers.ERROR), (logging.WARNING, numbers.WARN))
    for from_level, number in steps:
        if level >= from_level:
            return number
    return numbers.INFO if level >= logging.INFO else numbers.DEBUG
