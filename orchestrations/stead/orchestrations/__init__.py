"""Orchestrations: an entity kind that replays its own event log. It runs on the runtime of `stead.entities`."""

from __future__ import annotations

from stead.entities import (
    CallTimeout,
    ContextEnded,
    InvalidDefinition,
    InvalidInput,
    OperationFailed,
    PayloadLocked,
    PayloadTooLarge,
    SteadError,
)
from stead.orchestrations._activities.context import ActivityContext, activity_context
from stead.orchestrations._client.many import Account, InstanceAction, OrchestrationClient
from stead.orchestrations._client.producer import InstanceProducer, InstanceSourceProducer
from stead.orchestrations._client.schedules import ScheduleList, Schedules
from stead.orchestrations._definition.activity import (
    Activity,
    ActivityDecorator,
    AsyncActivity,
    PlainActivity,
    make_activity,
)
from stead.orchestrations._definition.activity_limits import LimitKey
from stead.orchestrations._definition.determinism import check_determinism
from stead.orchestrations._definition.input import OMITTED, InstanceId, TakesNoInput
from stead.orchestrations._definition.orchestration import InputOptional, Orchestration, make_orchestration
from stead.orchestrations._definition.questions import OrchestrationQuery, OrchestrationUpdate
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._definition.versions import compare_versions
from stead.orchestrations._execution.call_http import HttpResponse
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.decorators import FunctionWithDefault, OrchestrationDecorator
from stead.orchestrations._execution.durable_task import DurableTask
from stead.orchestrations._execution.log_filter import ReplayFilter, instance_at_work
from stead.orchestrations._execution.unsupported import StuckOrchestration, UnsupportedInOrchestrator
from stead.orchestrations._extension import Orchestrations
from stead.orchestrations._history.errors import (
    ActivityFailed,
    ActivityNotFound,
    CriticalSectionError,
    HistoryTooLong,
    InstanceBlocked,
    InstanceExists,
    InstanceFinished,
    InstanceRunning,
    LockLost,
    NonDeterminismError,
    NonDeterminismWarning,
    NonRetriable,
    NotDeterministic,
    NothingShared,
    OrchestrationFailed,
    QueryChangedState,
    QueryFailed,
    SubOrchestrationFailed,
    TooManyCalls,
    UnknownInstance,
    UnknownOrchestration,
    UnknownQuestion,
    UpdateFailed,
    UpdateRefused,
)
from stead.orchestrations._history.export import History, export_history, history_text, import_history
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.record import RuntimeStatus
from stead.orchestrations._history.status import HistoryEvent, OrchestrationStatus
from stead.orchestrations._history.waits import Wait
from stead.orchestrations._schedules.errors import ScheduleExists, UnknownSchedule
from stead.orchestrations._schedules.making import ScheduleMaker, ScheduleOfStarts, ScheduleToMake
from stead.orchestrations._schedules.spec import Overlap
from stead.orchestrations._schedules.status import ScheduleRun, ScheduleSpec, ScheduleStatus

__all__ = [
    "OMITTED",
    "Account",
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
    "InstanceAction",
    "InstanceBlocked",
    "InstanceExists",
    "InstanceFinished",
    "InstanceId",
    "InstanceProducer",
    "InstanceRunning",
    "InstanceSourceProducer",
    "InvalidDefinition",
    "InvalidInput",
    "LimitKey",
    "LockLost",
    "NonDeterminismError",
    "NonDeterminismWarning",
    "NonRetriable",
    "NotDeterministic",
    "NothingShared",
    "OperationFailed",
    "Orchestration",
    "OrchestrationClient",
    "OrchestrationContext",
    "OrchestrationDecorator",
    "OrchestrationFailed",
    "OrchestrationQuery",
    "OrchestrationRegistry",
    "OrchestrationStatus",
    "OrchestrationUpdate",
    "Orchestrations",
    "Overlap",
    "PayloadLocked",
    "PayloadTooLarge",
    "PlainActivity",
    "QueryChangedState",
    "QueryFailed",
    "ReplayFilter",
    "RetryPolicy",
    "RuntimeStatus",
    "ScheduleExists",
    "ScheduleList",
    "ScheduleMaker",
    "ScheduleOfStarts",
    "ScheduleRun",
    "ScheduleSpec",
    "ScheduleStatus",
    "ScheduleToMake",
    "Schedules",
    "SteadError",
    "StuckOrchestration",
    "SubOrchestrationFailed",
    "TakesNoInput",
    "TooManyCalls",
    "UnknownInstance",
    "UnknownOrchestration",
    "UnknownQuestion",
    "UnknownSchedule",
    "UnsupportedInOrchestrator",
    "UpdateFailed",
    "UpdateRefused",
    "Wait",
    "activity_context",
    "check_determinism",
    "compare_versions",
    "export_history",
    "history_text",
    "import_history",
    "instance_at_work",
    "make_activity",
    "make_orchestration",
]
