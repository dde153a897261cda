"""Durable entities: one operation at a time per address, in as many worker processes as you like."""

from __future__ import annotations

from stead.entities._client.changes import Change
from stead.entities._client.client import EntityClient
from stead.entities._client.dead_letters import DeadLetters, DeadMessage
from stead.entities._client.group_progress import ChangesGroup
from stead.entities._client.listing import EntityStatus, Page
from stead.entities._client.producer import Producer, SourceProducer
from stead.entities._client.query import Query, QueryPage
from stead.entities._client.query_signals import SignalProgress
from stead.entities._client.scheduled import ScheduledSignals
from stead.entities._definition.batched import batched
from stead.entities._definition.context import EntityContext
from stead.entities._definition.entity import Entity
from stead.entities._definition.entity_type import ClassEntityType, EntityType, FunctionEntityType
from stead.entities._definition.indexed import Indexed, indexed
from stead.entities._definition.registry import Registry
from stead.entities._definition.reminding import ReminderToSet
from stead.entities._definition.sharding import MergedEntity
from stead.entities._index.conditions import Condition, OptionalQueryField, QueryField, field
from stead.entities._message.errors import (
    CallTimeout,
    ChangesLost,
    ContextEnded,
    IndexNotReady,
    InvalidDefinition,
    InvalidState,
    OperationFailed,
    PartlySent,
    UnknownEntity,
    UnknownOperation,
)
from stead.entities._message.ids import EntityId
from stead.entities._worker.worker import Worker
from stead.transport import (
    AcknowledgedLost,
    BacklogFull,
    HubMismatch,
    InvalidInput,
    KeyDamaged,
    PayloadLocked,
    PayloadTooLarge,
    ServerUnsuitable,
    SourceSuperseded,
    SteadError,
    StoreUnavailable,
    TornCommit,
    WrongEventLoop,
)
from stead.transport.describing import qualified_name

__all__ = [
    "AcknowledgedLost",
    "BacklogFull",
    "CallTimeout",
    "Change",
    "ChangesGroup",
    "ChangesLost",
    "ClassEntityType",
    "Condition",
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
    "IndexNotReady",
    "Indexed",
    "InvalidDefinition",
    "InvalidInput",
    "InvalidState",
    "KeyDamaged",
    "MergedEntity",
    "OperationFailed",
    "OptionalQueryField",
    "Page",
    "PartlySent",
    "PayloadLocked",
    "PayloadTooLarge",
    "Producer",
    "Query",
    "QueryField",
    "QueryPage",
    "Registry",
    "ReminderToSet",
    "ScheduledSignals",
    "ServerUnsuitable",
    "SignalProgress",
    "SourceProducer",
    "SourceSuperseded",
    "SteadError",
    "StoreUnavailable",
    "TornCommit",
    "UnknownEntity",
    "UnknownOperation",
    "Worker",
    "WrongEventLoop",
    "batched",
    "field",
    "indexed",
    "qualified_name",
]
