"""Which trace a message belongs to: the context of W3C Trace Context, as text, as it is stored and as it is handed on.

Nothing here knows OpenTelemetry: a worker without an SDK hands on what came, and the trace goes on behind it. What cannot be
read is no context, and never an error: it is not what a message is about.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_STATE_LENGTH_MAX = 512  # what W3C asks everybody to hand on
_PARENT_LENGTH = 55
_NO_SPAN = "0" * 16


class TraceContext(NamedTuple):
    """A trace and a span of it, which is the parent of what comes. `parent` is a `traceparent`, `state` a `tracestate`."""

    parent: str
    state: str = ""

    @property
    def trace_id(self) -> int:
        return int(self.parent[3:35], 16)

    @property
    def span_id(self) -> int:
        """0: the trace begins here."""
        return int(self.parent[36:52], 16)

    @property
    def flags(self) -> int:
        return int(self.parent[53:55], 16)

    def stored(self) -> str | list[str]:
        """As it is in a message, a task or a history."""
        return [self.parent, self.state] if self.state else self.parent

    def of_instance(self, instance_id: str, execution_id: str) -> TraceContext:
        """The span of one execution of an instance: whoever carries it out, and however often, it is the same one."""
        name = f"{instance_id}\0{execution_id}".encode()
        span_id = hashlib.blake2b(name, digest_size=8).hexdigest()
        return TraceContext(f"00-{self.parent[3:35]}-{span_id}-{self.parent[53:55]}", self.state)


def trace_context(trace_id: int, span_id: int, flags: int, state: str = "") -> TraceContext:
    """The context of its numbers."""
    return TraceContext(f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}", state)


def root_context(instance_id: str, execution_id: str, flags: int) -> TraceContext:
    """The context of an instance whose start belongs to no trace: one that begins with it."""
    name = f"{instance_id}\0{execution_id}".encode()
    return TraceContext(
        f"00-{hashlib.blake2b(name, digest_size=16, person=b'trace').hexdigest()}-{_NO_SPAN}-{flags:02x}"
    )


def read_trace(stored: object) -> TraceContext | None:
    """The context that was `stored`; None if it is none that can be read."""
    parts: list[Any] = [stored]
    if isinstance(stored, list):
        parts = [*stored]
    if not 1 <= len(parts) <= 2 or not all(type(part) is str for part in parts):
        return None
    return given_trace(*parts)


def given_trace(parent: str, state: str = "") -> TraceContext | None:
    """The context of a `traceparent` and a `tracestate` as somebody gave them; None if the first is none."""
    if len(parent) > _PARENT_LENGTH + _STATE_LENGTH_MAX or (found := _PARENT.fullmatch(parent)) is None:
        return None
    kept = state if len(state) <= _STATE_LENGTH_MAX and state.isascii() and state.isprintable() else ""
    return TraceContext(f"00-{found[1]}-{found[2]}-{found[3]}", kept)
