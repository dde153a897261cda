"""Names and attributes of spans: those of Durable Task's traces, and of OpenTelemetry's conventions for messaging."""

from __future__ import annotations

from typing import Final

SYSTEM: Final = "messaging.system"
OPERATION_TYPE: Final = "messaging.operation.type"
OPERATION_NAME: Final = "messaging.operation.name"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
BATCH_COUNT: Final = "messaging.batch.message_count"

TYPE: Final = "durabletask.type"
NAME: Final = "durabletask.task.name"
VERSION: Final = "durabletask.task.version"
INSTANCE: Final = "durabletask.task.instance_id"
EXECUTION: Final = "durabletask.task.execution_id"
TASK: Final = "durabletask.task.task_id"
STATUS: Final = "durabletask.task.status"
OPERATION: Final = "durabletask.task.operation"
TARGET: Final = "durabletask.event.target_instance_id"
FIRE_AT: Final = "durabletask.fire_at"
ATTEMPT: Final = "stead.attempt"
PURPOSE: Final = "stead.timer.purpose"

LINKS_MAX: Final = 128
"""Links of one span: the SDK's own limit."""
