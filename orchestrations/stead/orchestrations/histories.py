"""For tools: histories as they are stored, as files, and replayed, and statuses as data. Not for applications: it may change with any version."""

from __future__ import annotations

from stead.orchestrations._client.queries import finished_statuses
from stead.orchestrations._execution.replay_check import ReplayVerdict, check_replay, first_event
from stead.orchestrations._history.event_table import ASKED
from stead.orchestrations._history.events import Event, SubOrchestrationInstanceCreated, TaskScheduled
from stead.orchestrations._history.export import History, export_history, history_text, import_history
from stead.orchestrations._history.record import FINISHED, STATUSES
from stead.orchestrations._history.status import failure_fields, status_fields

__all__ = [
    "ASKED",
    "FINISHED",
    "STATUSES",
    "Event",
    "History",
    "ReplayVerdict",
    "SubOrchestrationInstanceCreated",
    "TaskScheduled",
    "check_replay",
    "export_history",
    "failure_fields",
    "finished_statuses",
    "first_event",
    "history_text",
    "import_history",
    "status_fields",
]
