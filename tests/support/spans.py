"""Spans that a test looks at: of this process, and of worker processes that write theirs into a file."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from stead.entities._tracing import switch


@dataclass(frozen=True)
class Told:
    """A span, as far as tests look at it."""

    name: str
    kind: str
    trace_id: int
    span_id: int
    parent_id: int | None
    ok: bool
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Any]
    links: tuple[int, ...]
    events: tuple[str, ...] = ()


def told(span: ReadableSpan) -> Told:
    context = span.get_span_context()
    assert context is not None and span.start_time is not None and span.end_time is not None
    return Told(
        span.name,
        span.kind.name,
        context.trace_id,
        context.span_id,
        span.parent.span_id if span.parent is not None else None,
        span.status.status_code is not trace.StatusCode.ERROR,
        span.start_time,
        span.end_time,
        dict(span.attributes or {}),
        tuple(link.context.span_id for link in span.links),
        tuple(event.name for event in span.events),
    )


class Spans:
    """What was exported in this process."""

    def __init__(self, exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
        self._exporter = exporter
        self.provider = provider

    @property
    def all(self) -> list[Told]:
        return [told(span) for span in self._exporter.get_finished_spans()]

    def named(self, name: str) -> list[Told]:
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> Told:
        found = self.named(name)
        assert len(found) == 1, f"{name}: {len(found)} of {sorted(span.name for span in self.all)}"
        return found[0]

    def clear(self) -> None:
        self._exporter.clear()


@contextmanager
def spans_told(sampler: Sampler | None = None) -> Generator[Spans]:
    """The program has set up an SDK for the time of the block."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with _provider(provider):
        yield Spans(exporter, provider)
    provider.shutdown()


@contextmanager
def _provider(provider: TracerProvider) -> Generator[None]:
    # It can be set once in a process, and tests are many in one.
    inner: Any = trace
    before = inner._TRACER_PROVIDER
    inner._TRACER_PROVIDER = provider
    switch.look()
    try:
        yield
    finally:
        inner._TRACER_PROVIDER = before
        switch.look()


def tree(spans: Iterable[Told], parent: int | None = None) -> list[Any]:
    """Names and kinds of spans, each with those whose parent it is, in the order in which they began."""
    every = sorted(spans, key=lambda span: (span.name, span.began_ns))
    here = [span for span in every if span.parent_id == parent]
    return [(f"{span.name} {span.kind}", tree(every, span.span_id)) for span in here]


class FileExporter(SpanExporter):
    """Writes each span to a file at once, as a line: what a killed process had told is there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a") as file:
            for span in map(told, spans):
                file.write(json.dumps({**vars(span), "attributes": dict(span.attributes)}) + "\n")
        return SpanExportResult.SUCCESS


def spans_in(path: Path) -> list[Told]:
    """What was written there."""
    lines: list[dict[str, Any]] = []
    if path.exists():
        lines += map(json.loads, path.read_text().splitlines())
    for line in lines:
        line["links"] = tuple(line["links"])
    return [Told(**line) for line in lines]


def tell_file(path: Path) -> None:
    """Set up an SDK for this process, which writes into a file."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileExporter(path)))
    trace.set_tracer_provider(provider)
