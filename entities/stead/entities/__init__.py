"""Durable entities: one operation at a time per address, in as many worker processes as you like."""

from __future__ import annotations

from stead.transport import (
    AcknowledgedLost,
    BacklogFull,
    HubMismatch,
    InvalidInput,
    KeyDamaged,
    PayloadTooLarge,
    ServerUnsuitable,
    SourceSuperseded,
    SteadError,
    StoreUnavailable,
    TornCommit,
    WrongEventLoop,
)
from stead.transport.describing import qualified_name

from ._client import EntityClient, ScheduledSignals
from ._context import EntityContext
from ._deadletters import DeadLetters, DeadMessage
from ._definition import ClassEntityType, EntityType, FunctionEntityType
from ._entity import Entity
from ._errors import (
    CallTimeout,
    ContextEnded,
    InvalidDefinition,
    InvalidState,
    OperationFailed,
    UnknownEntity,
    UnknownOperation,
)
from ._ids import EntityId
from ._listing import EntityStatus, Page
from ._producer import Producer, SourceProducer
from ._registry import Registry
from ._worker import Worker

__all__ = [
    "AcknowledgedLost",
    "BacklogFull",
    "CallTimeout",
    "ClassEntityType",
    "ContextEnded",
    "DeadLetters",
    "DeadMessage",
    "Entity",
    "EntityClient",
    "EntityContext",
    "EntityId",
    "EntityStatus",
    "EntityType",
    "FunctionEntityType",
    "HubMismatch",
    "InvalidDefinition",
    "InvalidInput",
    "InvalidState",
    "KeyDamaged",
    "OperationFailed",
    "Page",
    "PayloadTooLarge",
    "Producer",
    "Registry",
    "ScheduledSignals",
    "ServerUnsuitable",
    "SourceProducer",
    "SourceSuperseded",
    "SteadError",
    "StoreUnavailable",
    "TornCommit",
    "UnknownEntity",
    "UnknownOperation",
    "Worker",
    "WrongEventLoop",
    "qualified_name",
]
