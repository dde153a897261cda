"""The durable log: what a hub's store does for the layers above, over Redis or Valkey and in memory."""

from __future__ import annotations

from stead.transport._cancellation import end_task, see_through
from stead.transport._contract.careful_logger import CarefulLogger, get_logger
from stead.transport._contract.clock import Clock, ManualClock, ServerClock
from stead.transport._contract.codec import (
    pack,
    pack_envelope,
    pack_exact,
    pack_native,
    partition_of,
    unpack,
    unpack_envelope,
)
from stead.transport._contract.commit import Commit, CommitVerdict, LogWrite, Reply, SentStart, Task, Timer, Unpark
from stead.transport._contract.depth import DEPTH_MAX, PLAIN, deep_one
from stead.transport._contract.errors import (
    AcknowledgedLost,
    BacklogFull,
    ConnectionLost,
    HubMismatch,
    InvalidInput,
    KeyDamaged,
    PayloadTooLarge,
    ServerChanged,
    ServerUnsuitable,
    SourceSuperseded,
    SteadError,
    StoreClosed,
    StoreUnavailable,
    TornCommit,
)
from stead.transport._contract.home import HomeLoop, WrongEventLoop
from stead.transport._contract.left_out import UNREADABLE, LeftOut
from stead.transport._contract.records import (
    Acquired,
    Batch,
    DamagedLog,
    DeadLetter,
    EnqueueResult,
    Entry,
    HubLayout,
    InstanceView,
    LeaseView,
    Loaded,
    PartitionInfo,
    Reuse,
    Running,
    ServerFacts,
    Start,
    StreamId,
    Taken,
    Verdict,
    WorkerView,
    stream_order,
)
from stead.transport._contract.settings import Settings
from stead.transport._contract.store import Renewer, Store
from stead.transport._memory.faults import Fault, Faults
from stead.transport._memory.store import MemoryStore
from stead.transport._open import open_store
from stead.transport._retry import Tries, retry_delay
from stead.transport._sender.sender import Sender
from stead.transport._urls import StoreUrl, parse_url

__all__ = [
    "DEPTH_MAX",
    "PLAIN",
    "UNREADABLE",
    "AcknowledgedLost",
    "Acquired",
    "BacklogFull",
    "Batch",
    "CarefulLogger",
    "Clock",
    "Commit",
    "CommitVerdict",
    "ConnectionLost",
    "DamagedLog",
    "DeadLetter",
    "EnqueueResult",
    "Entry",
    "Fault",
    "Faults",
    "HomeLoop",
    "HubLayout",
    "HubMismatch",
    "InstanceView",
    "InvalidInput",
    "KeyDamaged",
    "LeaseView",
    "LeftOut",
    "Loaded",
    "LogWrite",
    "ManualClock",
    "MemoryStore",
    "PartitionInfo",
    "PayloadTooLarge",
    "Renewer",
    "Reply",
    "Reuse",
    "Running",
    "Sender",
    "SentStart",
    "ServerChanged",
    "ServerClock",
    "ServerFacts",
    "ServerUnsuitable",
    "Settings",
    "SourceSuperseded",
    "Start",
    "SteadError",
    "Store",
    "StoreClosed",
    "StoreUnavailable",
    "StoreUrl",
    "StreamId",
    "Taken",
    "Task",
    "Timer",
    "TornCommit",
    "Tries",
    "Unpark",
    "Verdict",
    "WorkerView",
    "WrongEventLoop",
    "deep_one",
    "end_task",
    "get_logger",
    "open_store",
    "pack",
    "pack_envelope",
    "pack_exact",
    "pack_native",
    "parse_url",
    "partition_of",
    "retry_delay",
    "see_through",
    "stream_order",
    "unpack",
    "unpack_envelope",
]
