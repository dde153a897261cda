"""The durable log: what a hub's store does for the layers above, over Redis or Valkey and in memory."""

from __future__ import annotations

from ._clock import Clock, ManualClock, ServerClock
from ._codec import pack, pack_exact, partition_of, unpack
from ._errors import (
    AcknowledgedLost,
    BacklogFull,
    ConnectionLost,
    HubMismatch,
    InvalidInput,
    PayloadTooLarge,
    ServerChanged,
    ServerUnsuitable,
    SourceSuperseded,
    SteadError,
    StoreUnavailable,
    TornCommit,
)
from ._memory import MemoryStore
from ._memory_faults import Fault, Faults
from ._open import open_store
from ._protocol import Renewer, Store
from ._records import (
    Acquired,
    Batch,
    Commit,
    CommitVerdict,
    DeadLetter,
    EnqueueResult,
    Entry,
    HubLayout,
    LeaseView,
    PartitionInfo,
    Reply,
    Running,
    ServerFacts,
    StreamId,
    Timer,
    Unpark,
    Verdict,
    WorkerView,
    stream_order,
)
from ._sender import Sender, retry_delay
from ._settings import Settings
from ._urls import StoreUrl, parse_url

__all__ = [
    "AcknowledgedLost",
    "Acquired",
    "BacklogFull",
    "Batch",
    "Clock",
    "Commit",
    "CommitVerdict",
    "ConnectionLost",
    "DeadLetter",
    "EnqueueResult",
    "Entry",
    "Fault",
    "Faults",
    "HubLayout",
    "HubMismatch",
    "InvalidInput",
    "LeaseView",
    "ManualClock",
    "MemoryStore",
    "PartitionInfo",
    "PayloadTooLarge",
    "Renewer",
    "Reply",
    "Running",
    "Sender",
    "ServerChanged",
    "ServerClock",
    "ServerFacts",
    "ServerUnsuitable",
    "Settings",
    "SourceSuperseded",
    "SteadError",
    "Store",
    "StoreUnavailable",
    "StoreUrl",
    "StreamId",
    "Timer",
    "TornCommit",
    "Unpark",
    "Verdict",
    "WorkerView",
    "open_store",
    "pack",
    "pack_exact",
    "parse_url",
    "partition_of",
    "retry_delay",
    "stream_order",
    "unpack",
]
