"""What a long-running command writes to standard error: one line an event, for people or (`--json`) for machines."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from stead.orchestrations import activity_context, instance_at_work

from .faults import one_line

# Which of a parent's worker processes this is: set by the parent, shown in front of every line.
CHILD_VARIABLE = "STEAD_WORKER_CHILD"

_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31", "DEBUG": "2"}


def _label() -> str:
    return os.environ.get(CHILD_VARIABLE, "")


class PlainFormatter(logging.Formatter):
    """`12:00:00 [2] text`, the level only when it is not the usual one, tracebacks below."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour
        self._label = f"[{_label()}] " if _label() else ""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else record.levelname.lower() + ": "
        text = f"{self._label}{level}{one_line(record.getMessage())}"
        if self._colour:
            clock = f"\033[2m{clock}\033[0m"
            if (code := _COLOURS.get(record.levelname)) is not None:
                text = f"\033[{code}m{text}\033[0m"
        lines = f"{clock} {text}"
        if record.exc_info:
            lines += "\n" + (record.exc_text or self.formatException(record.exc_info))
        return lines


class Context:
    """What every JSON line of this process has besides: `hub`, and of a worker its name and whose turn it is."""

    def __init__(self) -> None:
        self.hub = self.worker = ""
        self.at_work: Callable[[], tuple[str, str] | None] = lambda: None


CONTEXT = Context()


def whose() -> dict[str, object]:
    """Whose code it is that writes a line: `entity` or `instance`, and `operation` (of an activity, its name); for a replay
    `replaying`."""
    said: dict[str, object] = {}
    if (instance := instance_at_work()) is not None:
        said["instance"] = instance[0]
        if instance[1]:
            said["replaying"] = True
        return said
    with contextlib.suppress(RuntimeError):
        activity = activity_context()
        return {"instance": activity.instance_id, "operation": activity.name}
    if (found := CONTEXT.at_work()) is not None:
        said["entity" if found[0].startswith("@") else "instance"] = found[0]
        said["operation"] = found[1]
    return said


def whose_trace() -> dict[str, str]:
    """`trace_id` and `span_id` of the span which the code is in, if the program uses OpenTelemetry."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def event_of(record: logging.LogRecord) -> str:
    """Where a line is written: a name that stays though its words may change."""
    return f"{record.module}.{record.funcName.strip('_')}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `event` (where it is written: a name that stays though its words may change),
    `logger`, `message`, and as far as they are known `hub`, `worker`, `entity` or `instance`, `operation`, `trace_id`, `span_id`,
    `replaying`, `process`, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "event": event_of(record),
            "logger": record.name,
            "message": record.getMessage(),
        }
        known = {"hub": CONTEXT.hub, "worker": CONTEXT.worker, **whose(), **whose_trace()}
        event.update({name: value for name, value in known.items() if value})
        if _label():
            event["process"] = _label()
        if record.exc_info and record.exc_info[0] is not None:
            event["traceback"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


class _StandardError(logging.Handler):
    """Writes to whatever `sys.stderr` is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)


def start_logging(level: int, *, as_json: bool, debug: bool) -> logging.Logger:
    """Send what all loggers say, from `level` on, to standard error; gives the command's own logger."""
    handler = _StandardError()
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter(colour=colour))
    logging.basicConfig(level=logging.DEBUG if debug else level, handlers=[handler], force=True)
    for chatty in ("asyncio", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.INFO if debug else logging.WARNING)
    return logging.getLogger("stead.app")


def log_warnings() -> None:
    """Send Python's warnings to the log as well: file, line and message, without the line's code, which would run on from them."""

    def without_code(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        return f"{filename}:{lineno}: {category.__name__}: {message}"

    warnings.formatwarning = without_code
    logging.captureWarnings(True)
