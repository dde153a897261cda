"""For tools: histories as they are stored, as files, and replayed. Not for applications: it may change with any version."""

from __future__ import annotations

from stead.orchestrations._execution.replay_check import Verdict, check_replay, first_event
from stead.orchestrations._history.events import Event, EventType
from stead.orchestrations._history.export import History, export_history, history_text, import_history
from stead.orchestrations._history.record import FINISHED, STATUSES

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
