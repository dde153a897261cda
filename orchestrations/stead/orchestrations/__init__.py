"""Orchestrations: an entity kind that replays its own event log. It runs on the runtime of `stead.entities`."""

from __future__ import annotations

from stead.entities import (
    CallTimeout,
    ContextEnded,
    InvalidDefinition,
    InvalidInput,
    OperationFailed,
    PayloadTooLarge,
    SteadError,
)

from ._activity_run import ActivityContext, activity_context
from ._call_http import HttpResponse
from ._client import OrchestrationClient
from ._context import OrchestrationContext
from ._definition import (
    OMITTED,
    Activity,
    ActivityDecorator,
    AsyncActivity,
    FunctionWithDefault,
    InputOptional,
    InstanceId,
    Orchestration,
    OrchestrationDecorator,
    PlainActivity,
    make_activity,
    make_orchestration,
)
from ._determinism import check_determinism
from ._durable_task import DurableTask
from ._errors import (
    ActivityFailed,
    ActivityNotFound,
    CriticalSectionError,
    HistoryTooLong,
    InstanceExists,
    InstanceFinished,
    InstanceRunning,
    LockLost,
    NonDeterminismError,
    NonDeterminismWarning,
    NonRetriable,
    NotDeterministic,
    SubOrchestrationFailed,
    UnknownInstance,
    UnknownOrchestration,
)
from ._events import HistoryEvent
from ._export import History, export_history, history_text, import_history
from ._extension import Orchestrations
from ._failures import FailureDetails
from ._record import RuntimeStatus
from ._registry import OrchestrationRegistry
from ._retry import RetryPolicy
from ._status import OrchestrationStatus
from ._unsupported import StuckOrchestration, UnsupportedInOrchestrator
from ._versions import compare_versions
from ._waits import Wait

__all__ = [
    "OMITTED",
    "Activity",
    "ActivityContext",
    "ActivityDecorator",
    "ActivityFailed",
    "ActivityNotFound",
    "AsyncActivity",
    "CallTimeout",
    "ContextEnded",
    "CriticalSectionError",
    "DurableTask",
    "FailureDetails",
    "FunctionWithDefault",
    "History",
    "HistoryEvent",
    "HistoryTooLong",
    "HttpResponse",
    "InputOptional",
    "InstanceExists",
    "InstanceFinished",
    "InstanceId",
    "InstanceRunning",
    "InvalidDefinition",
    "InvalidInput",
    "LockLost",
    "NonDeterminismError",
    "NonDeterminismWarning",
    "NonRetriable",
    "NotDeterministic",
    "OperationFailed",
    "Orchestration",
    "OrchestrationClient",
    "OrchestrationContext",
    "OrchestrationDecorator",
    "OrchestrationRegistry",
    "OrchestrationStatus",
    "Orchestrations",
    "PayloadTooLarge",
    "PlainActivity",
    "RetryPolicy",
    "RuntimeStatus",
    "SteadError",
    "StuckOrchestration",
    "SubOrchestrationFailed",
    "UnknownInstance",
    "UnknownOrchestration",
    "UnsupportedInOrchestrator",
    "Wait",
    "activity_context",
    "check_determinism",
    "compare_versions",
    "export_history",
    "history_text",
    "import_history",
    "make_activity",
    "make_orchestration",
]
