"""For tools: histories as they are stored, as files, and replayed. Not for applications: it may change with any version."""

from __future__ import annotations

from ._events import Event, EventType
from ._export import History, export_history, history_text, import_history
from ._record import FINISHED, STATUSES
from ._replay_check import Verdict, check_replay, first_event

__all__ = [
    "FINISHED",
    "STATUSES",
    "Event",
    "EventType",
    "History",
    "Verdict",
    "check_replay",
    "export_history",
    "first_event",
    "history_text",
    "import_history",
]
