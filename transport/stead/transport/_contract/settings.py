"""Every limit and interval of stead, each with its unit in its name and its reason below it.

A constructor argument wins over the environment (`STEAD_<FIELD>`), which wins over the default. `partitions` and
`slot_groups` are fixed when a hub is made: later on the hub's own record is obeyed, whatever the settings say.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Count", "Milliseconds", "Settings"]

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Milliseconds = Annotated[int, Field(ge=1, le=10 * 365 * 86_400_000)]
Bytes = Annotated[int, Field(ge=1_024, le=512 * 1_048_576)]


class Settings(BaseSettings):
    """The settings of an app, a client or a worker. Frozen: make another one with `settings.model_copy(update=…)`."""

    model_config = SettingsConfigDict(env_prefix="STEAD_", frozen=True, extra="forbid", validate_default=True)

    # -- the hub's layout ----------------------------------------------------------------------------------------------

    partitions: Annotated[int, Field(ge=1, le=1_024)] = 64
    """Partitions of a new hub: the most workers that can share its load. Many cost little (256 cost one worker a tenth
    of its throughput), and they can not be changed later, so take more than you need now."""

    slot_groups: Annotated[int, Field(ge=1, le=1_024)] = 16
    """Hash tags over which a new hub's partitions are spread: the most nodes of a cluster that can share its data. Each
    costs every worker one blocking read, so fewer than partitions."""

    # -- payloads and memory -------------------------------------------------------------------------------------------

    payload_bytes_max: Bytes = 1_048_576
    """The largest message and the largest state. One large value holds up the server for everyone: store large data
    elsewhere and send a reference."""

    payload_codec: str | None = None
    """What encodes users' data before it is stored, and decodes it again: a module and a name in it, such as "myapp.crypto:codec",
    an object with `encode(bytes) -> bytes` and `decode(bytes) -> bytes`. All workers of the hub have the same."""

    large_payloads: str | None = None
    """Where what is above `payload_bytes_max` is kept, up to 1 GiB: a folder that all processes share, file:///shared/blobs, or a
    bucket, s3://BUCKET/FOLDER (extra `stead[s3]`). Without it that is refused."""

    large_payloads_keep_ms: Annotated[int, Field(ge=60_000, le=10 * 365 * 86_400_000)] = 604_800_000
    """How long a large payload is kept at least that nothing names (7 days). Longer than any try to store what names it, and than the age of
    any backup of the hub that shall be of use."""

    mailbox_length_max: Count = 10_000
    """Messages of one entity that a worker keeps in memory. Further ones are parked in the store, so that a slow entity
    does not fill the memory or keep its neighbours' messages from being read."""

    mailbox_age_ms_max: Milliseconds = 5_000
    """How long a message waits in memory for its entity before it is parked. An old message in the inbox keeps the
    server from freeing the messages around it."""

    activations_max: Count = 200_000
    """Entities that a worker process keeps loaded. A loaded one costs no read per batch; the least recently used go
    first."""

    backlog_length_max: Count = 1_000_000
    """Messages that may wait in one partition before clients are refused (`BacklogFull`) and producers wait: the server
    holds them in memory."""

    dead_letters_max: Count = 10_000
    """Dead letters kept per partition. The oldest go first, and how many went is counted."""

    producer_buffer_length_max: Count = 20_000
    """Messages that a producer has taken but not yet written. A full buffer makes `signal` wait: back-pressure."""

    calls_in_flight_max: Count = 10_000
    """Calls of one client that wait for a reply. Further ones wait for their turn."""

    # -- batches -------------------------------------------------------------------------------------------------------

    batch_length_max: Count = 4_000
    """Messages in one commit or one enqueue. The server does nothing else meanwhile: 1,000 messages take it 4 ms."""

    batch_bytes_max: Bytes = 4_194_304
    """Bytes in one commit or one enqueue, for the same reason. A single larger message still goes, alone."""

    read_length_max: Count = 2_000
    """Entries that a worker asks for per partition and read. It asks for fewer when entries are large."""

    read_bytes_max: Bytes = 16_777_216
    """Bytes that one read of all inboxes should bring. The server has no such limit of its own: 64 partitions of 1 MiB
    messages would bring gigabytes."""

    timers_fire_max: Count = 1_000
    """Scheduled signals that become due in one step. The server does nothing else meanwhile."""

    turn_sends_max: Count = 10_000
    """Messages that one operation may send. They are written in one step with its state, so their number has a limit."""

    reminders_max: Annotated[int, Field(ge=0, le=10_000)] = 100
    """Reminders that one entity may have. They are part of its record, which every change of it writes."""

    catch_up_runs_max: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Missed occurrences of one schedule that are made up for after a standstill, if its `catch_up` reaches as far. The rest is counted."""

    indexes_max: Annotated[int, Field(ge=1, le=64)] = 16
    """Indexed fields of one entity's class. Each is written with each change of it, and takes memory for each entity."""

    changes_length_max: Count = 100_000
    """Commits of one kind and partition whose changes are kept, however young they are: a bound on memory."""

    changes_group_keep: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=3_650))] = timedelta(days=30)
    """How long the position of a group of readers of changes is kept after it was read last. Then it is forgotten, and a reader with
    that name begins a new one. In the environment seconds, or as ISO 8601 (P30D)."""

    changes_poll_ms: Milliseconds = 200
    """How often a reader of changes looks for more when there are none."""

    query_results_max: Count = 100_000
    """Results of one query that is iterated over, or signalled: their keys are kept in memory meanwhile. Pages have no such end."""

    query_timeout_ms: Milliseconds = 30_000
    """How long a query may read for one page, or one count."""

    query_page_bytes_max: Bytes = 4_194_304
    """Bytes of states after which a page of a query ends, though it could have more items."""

    list_page_length: Count = 500
    """Entities per request when listing. A page is held in memory on both sides."""

    # -- orchestrations ------------------------------------------------------------------------------------------------

    history_length_max: Count = 200_000
    """Events in one instance's history. Beyond it the instance fails: an endless loop has to `continue_as_new`, because
    a history is read and replayed whole after a move."""

    turn_calls_max: Count = 50_000
    """Calls, signals, timers and starts that an orchestrator may ask for without waiting for any. Its code runs in one piece,
    and everything else in the worker waits: these take about half a second. Beyond it the instance fails."""

    custom_status_bytes_max: Annotated[int, Field(ge=256, le=1_048_576)] = 16_384
    """The largest custom status. It is written with every turn, and read with every status."""

    instances_keep_ms: Annotated[int, Field(ge=0, le=100 * 366 * 86_400_000)] = 0
    """How long a finished instance is kept before it is purged by itself; 0 keeps it until somebody purges it."""

    default_version: str = ""
    """The version of instances that are started without one, where the orchestration's definition names none."""

    version_match: Literal["strict", "current_or_older", "none"] = "current_or_older"
    """Which code may run an instance whose very version is not registered: none other, code of a newer version, or any.
    An instance that no worker may run waits, and `stead info` shows it."""

    on_nondeterminism: Literal["fail", "block"] = "fail"
    """What becomes of an instance whose code does other things than its history says: it fails, or it waits, visibly, until a worker
    has code that fits, and goes on by itself."""

    determinism: Literal["warn", "error", "off"] = "warn"
    """What happens at the definition of an orchestration that reads a clock, random numbers, files and the like."""

    # -- activities ----------------------------------------------------------------------------------------------------

    activities_running_max: Count = 1_000
    """Activities that a worker process runs at once. The others wait, or go to other workers."""

    activity_threads_max: Annotated[int, Field(ge=1, le=10_000)] = 32
    """Plain (not `async`) activities that a worker process runs at once, each in a thread."""

    activity_heartbeat_ms: Milliseconds = 5_000
    """How often a worker says that it still runs what it took from a shared queue."""

    activity_keep_ms: Milliseconds = 30_000
    """After how long without a heartbeat an activity from a shared queue is given to another worker."""

    activity_tries_max: Count = 5
    """Workers that may die while they run an activity before it counts as failed."""

    # -- leases and workers --------------------------------------------------------------------------------------------

    lease_ms: Annotated[int, Field(ge=100, le=3_600_000)] = 10_000
    """How long a partition stays with a worker that says nothing: the wait for a take-over after a crash. Shorter than
    a pause of the machine or the network, and healthy workers lose partitions."""

    heartbeat_ms: Milliseconds = 2_000
    """How often a worker says that it lives and looks at the others: how soon a new worker gets its share."""

    worker_keep_ms: Milliseconds = 10_000
    """How long a worker counts as alive after its last heartbeat: some missed ones mean nothing."""

    drain_ms: Milliseconds = 10_000
    """How long a worker that gives up a partition waits for asynchronous operations before it cancels them. Their
    messages stay in the inbox, and the next owner runs them again."""

    turn_stuck_ms: Milliseconds = 120_000
    """After how long in one synchronous operation a worker counts as stuck and ends itself. Otherwise an endless loop
    would hold its partitions for ever."""

    operation_ms_max: Milliseconds = 600_000
    """After how long an asynchronous operation is cancelled and fails. Its entity takes no other message meanwhile."""

    slow_operation_ms: Milliseconds = 50
    """A synchronous operation that holds the event loop for longer is logged: everything else in the worker waits."""

    poison_tries_max: Count = 3
    """Workers that may die on one message before it becomes a dead letter."""

    garbage_collection: Literal["auto", "tuned", "untouched"] = "auto"
    """Whether Python's garbage collector is told to look less often, and not at what start-up has made: looking at all
    that a worker holds, again and again, costs it a third of its time with 100,000 entities. "auto": in the processes
    of `stead worker`, `dev` and `serve`, unless the app's module sets thresholds itself. "tuned": also where your own
    code runs a worker."""

    check_queries: bool = False
    """Look at what an orchestration shares before and after each query, which may not change it. `TestHub` does."""

    replay_every_turn: bool = False
    """Load the state anew (and replay orchestrations) for every turn. Slow; it finds state kept outside the entity and
    code that does not replay."""

    local_hops: bool = True
    """Whether a message between two partitions that one worker holds is handed over in memory, and what both come to is written
    in one step. A transfer between two locked entities costs the server less than half of what it does without. A synchronous
    operation may run, without any effect, for a message that was never sent. Worker by worker: those with it and those without
    work side by side."""

    # -- clients -------------------------------------------------------------------------------------------------------

    call_timeout_ms: Milliseconds = 30_000
    """How long a call waits for its reply where no `asyncio.timeout` is around it. Then `CallTimeout`."""

    sql_timeout_ms: Milliseconds = 600_000
    """How long `client.sql`, `to_arrow` and `export` may take. Then `CallTimeout`."""

    sql_memory_bytes_max: Annotated[int, Field(ge=16 * 1_048_576, le=2**50)] = 1_073_741_824
    """Memory that one query of SQL may take for what it sorts, groups and joins. It writes nothing to the disk instead."""

    store_tries_ms: Milliseconds = 20_000
    """How long a client tries to reach a server that does not answer. Then `StoreUnavailable`. Workers try for ever; but one
    that a server answers and refuses for so long (a right was taken away) gives everything back and ends."""

    connect_ms: Milliseconds = 5_000
    """How long one attempt to connect may take."""

    store_answer_ms: Milliseconds = 30_000
    """How long the server may take to answer one request before the connection counts as lost. Longer than the server's
    own pauses (a rewrite of its append-only file, a large script): a request given up is sent again."""

    read_block_ms: Milliseconds = 5_000
    """How long a read waits at the server when there is nothing. New messages end it at once; shorter only costs
    requests."""

    # -- how long the store remembers ----------------------------------------------------------------------------------

    session_keep_ms: Annotated[int, Field(ge=60_000, le=10 * 365 * 86_400_000)] = 3_600_000
    """How long the store knows a client's sequence numbers after its last message. Longer than a client could take to
    send a batch again."""

    source_keep_ms: Milliseconds = 2_592_000_000
    """How long the store knows the last sequence number of a `producer(source=…)` (30 days): how late an at-least-once
    source may deliver a message again without doubling it."""

    reply_keep_ms: Milliseconds = 600_000
    """How long a reply waits for its client."""

    names_keep_ms: Milliseconds = 2_592_000_000
    """How long the names that workers published are known after the last worker that knew them (30 days)."""

    # -- durability ----------------------------------------------------------------------------------------------------

    replicas_ack: Annotated[int, Field(ge=0, le=16)] = 0
    """Replicas that must have a write before it is acknowledged. Without it, a fail-over to a replica that lags loses
    the last writes that were acknowledged."""

    embedded_fsync: Literal["always", "everysec"] = "always"
    """When the embedded server writes to the disk: before every answer, or once a second (a crash of the machine then
    loses up to a second of what was acknowledged)."""
