"""What requests to `/api/v1` carry, checked by pydantic, and what its answers look like, for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stead.orchestrations import InstanceAction, RuntimeStatus

Milliseconds = Annotated[int, Field(ge=0, le=100 * 366 * 86_400_000)]
Tags = dict[str, str]


class RequestModel(BaseModel):
    """What a request carries: nothing else may be in it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class AnswerModel(BaseModel):
    """What an answer looks like."""

    # Nothing is checked by it: only the document needs to know it in full.
    model_config = ConfigDict(use_attribute_docstrings=True, defer_build=True)


# -- entities ----------------------------------------------------------------------------------------------------------


class Arguments(RequestModel):
    """The arguments of an operation."""

    args: list[Any] = []
    """By position."""
    kwargs: dict[str, Any] = {}
    """By name."""


class SignalAccepted(AnswerModel):
    """The signal is durable, and will be carried out."""

    entity_id: str
    operation: str


class CallResult(AnswerModel):
    """What the operation gave."""

    result: Any


class EntityState(AnswerModel):
    """A committed state."""

    entity: str
    key: str
    state: Any
    etag: str
    """Changes with the state: for `since`, and as `ETag`."""
    reminders: dict[str, datetime] | None = None
    """When each reminder of the entity is due next; left out if it has none."""
    locked: bool | None = None
    """True if the state is encoded and the server cannot decode it: then it is null here. Left out otherwise."""


class ListedEntity(AnswerModel):
    """An entity in a list."""

    entity: str
    key: str
    modified_time: datetime
    """When an operation changed it last."""
    state: Any = None
    """With `state=false`, neither this nor the tag is there."""
    etag: str | None = None
    reminders: dict[str, datetime] | None = None
    """When each reminder of the entity is due next; left out if it has none."""
    locked: bool | None = None
    """True if the state is encoded and the server cannot decode it: then it is null here. Left out otherwise."""


class EntityPage(AnswerModel):
    """Entities by key, ascending."""

    entities: list[ListedEntity]
    continuation: str | None
    """For the next page; null at the end."""


class ChangeDone(RequestModel):
    """A change that a group has dealt with."""

    group: str
    id: str
    """The `id` of its event."""


class DoneAnswer(AnswerModel):
    """Whether a change was marked."""

    done: bool
    """False if its partition has gone to another reader meanwhile."""


class ChangesGroupState(AnswerModel):
    """A group that reads changes."""

    entity: str
    group: str
    readers: int
    """How many read it now."""
    partitions: int
    """How many partitions these have claimed."""
    behind: int
    """Commits whose changes are kept and not marked as done yet."""
    lost: int
    """Commits whose changes were not done in time and are gone."""
    done_time: datetime | None
    """The time of the last change done in the partition that is furthest behind; null if none is."""


class ChangesGroups(AnswerModel):
    """The groups that read the changes of a name."""

    groups: list[ChangesGroupState]


class EntityKind(AnswerModel):
    """A name of entities that the hub knows."""

    name: str
    operations: list[str] | None
    """Null where any operation's name is taken."""
    count: int | None = None
    """How many there are, if it was asked for: those that are gone but locked, or have reminders, included; each shard of one."""


class EntityKinds(AnswerModel):
    """All names of entities that the hub knows."""

    entities: list[EntityKind]


# -- signals in bulk ---------------------------------------------------------------------------------------------------


class SignalLine(RequestModel):
    """One line of a bulk request."""

    entity: str
    key: str
    operation: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    after_ms: Milliseconds | None = None
    """Not before so long after it was accepted."""
    at: datetime | None = None
    """Not before this instant (with an offset)."""
    source: str | None = None
    """An at-least-once source; with `sequence`, each of its signals is accepted once."""
    sequence: Annotated[int, Field(ge=0)] | None = None
    """Grows along the source; gaps are allowed. An old one counts as a duplicate."""


class RefusedLine(AnswerModel):
    """A line that was not accepted; the others were."""

    line: int
    """Its number, from 1."""
    reason: str


class Ingested(AnswerModel):
    """What became of the lines of a bulk request."""

    accepted: int
    """Durable, once."""
    duplicates: int
    """Accepted before, by their source or the request's Idempotency-Key: nothing was done."""
    refused: list[RefusedLine]
    """The first of those that cannot be carried out."""
    refused_count: int
    """How many there are of them all."""


# -- instances ---------------------------------------------------------------------------------------------------------


class StartRequest(RequestModel):
    """What is to be started."""

    name: str
    input: Any = None
    instance_id: str | None = None
    """Yours (then a start may be repeated), else a random one."""
    version: str | None = None
    at: datetime | None = None
    """Not before this instant (with an offset)."""
    tags: Tags | None = None
    reuse: Literal["finished", "never", "always"] = "finished"
    """What is done if the ID is taken: use it again once that instance is finished, refuse, or terminate the old one (with the right to
    `manage`)."""


class Started(AnswerModel):
    """An instance that was started."""

    instance_id: str


class FailureModel(AnswerModel):
    """Why an instance failed."""

    error_type: str
    message: str
    cause: FailureModel | None = None


class WaitModel(AnswerModel):
    """One thing that an instance waits for."""

    kind: Literal["activity", "sub-orchestration", "timer", "entity", "lock", "event"]
    name: str
    since_time: datetime
    until_time: datetime | None
    details: Any = None
    """Of an activity that says how far it is: what it has said last. Left out otherwise."""


class InstanceStatus(AnswerModel):
    """What is committed of an instance. Instants are in UTC, to the millisecond."""

    instance_id: str
    name: str
    version: str | None
    runtime_status: RuntimeStatus
    input: Any
    output: Any
    custom_status: Any
    created_time: datetime
    last_updated_time: datetime
    scheduled_time: datetime | None
    parent_instance_id: str | None
    tags: Tags
    blocked: str | None
    """Why its messages wait and it does not go on, and what to do about it. (Null in lists.)"""
    failure: FailureModel | None
    etag: str
    """Changes with the status: for `since`, and as `ETag`."""
    history: list[dict[str, Any]] | None = None
    """If it was asked for."""
    waiting_for: list[WaitModel] | None = None
    """With the history: what an unfinished instance waits for, as far as its history says it."""
    locked: bool | None = None
    """True if its data is encoded and the server cannot decode it: input, output, custom status and failure are null then, and it has
    no history here. Left out otherwise."""


class InstancePage(AnswerModel):
    """Instances by ID, ascending."""

    instances: list[InstanceStatus]
    continuation: str | None
    """For the next page; null at the end."""


class InstanceCount(AnswerModel):
    """How many there are of one kind."""

    name: str
    version: str | None
    runtime_status: RuntimeStatus
    count: int


class InstanceCounts(AnswerModel):
    """How many instances match."""

    total: int
    counts: list[InstanceCount]


class Reason(RequestModel):
    """Why something is done to an instance."""

    reason: str = ""
    recursive: bool = True
    """To its sub-orchestrations as well (for `terminate`)."""


class RestartRequest(RequestModel):
    """How an instance is started anew."""

    new_instance_id: bool = True
    """Under a new ID; false: under its own, once it is finished."""


class PurgeRequest(RequestModel):
    """Which finished instances are deleted: those that match all that is given, which must be something."""

    statuses: list[RuntimeStatus] | None = None
    name: str | None = None
    prefix: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    tags: Tags | None = None
    recursive: bool = False


class ManageRequest(RequestModel):
    """What is done to which instances: those that match all that is given, which must be something."""

    action: InstanceAction
    reason: str = ""
    event: str = ""
    """The name of the event, for `raise_event`."""
    data: Any = None
    recursive: bool = True
    dry_run: bool = False
    statuses: list[RuntimeStatus] | None = None
    name: str | None = None
    prefix: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    tags: Tags | None = None


class Managed(AnswerModel):
    """What became of the instances that matched."""

    matched: int
    done: int
    passed_over: int
    failed: dict[str, str]


class Deleted(AnswerModel):
    """How many were deleted."""

    deleted: int


# -- the hub -----------------------------------------------------------------------------------------------------------


class HubInformation(AnswerModel):
    """What a hub is and holds."""

    hub: dict[str, Any]
    server: dict[str, Any]
    time: datetime
    """The server's time."""
    time_ms: int
    """The server's time, in milliseconds since the epoch."""
    workers: list[dict[str, Any]]
    names: dict[str, dict[str, Any]]
    """What workers have published."""
    total: dict[str, Any]
    blocked: dict[str, str]
    """Targets whose messages wait, and why."""
    unserved: list[str]
    """Kinds that messages wait for and no worker knows."""
    quarantined: list[int]
    """Partitions that stand still, because what the store holds of them is damaged, or a commit broke off."""
    quarantine: dict[str, str] = {}
    """Why each of them does."""
    indexes: list[dict[str, Any]] = []
    shards: dict[str, int] = {}
    """Of the fields that entities can be queried by: entity, field, type, and in how many of all partitions each is ready."""
    changes_groups: list[dict[str, Any]] = []
    """Of the groups that read changes: entity, group, readers, and how far behind each is."""
    left_out: dict[str, int] = {}
    """How many rows of which lists cannot be read; the log names them."""
    partitions: list[dict[str, Any]]


class Access(AnswerModel):
    """What the key of a request may do."""

    hub: str
    """The hub's name."""
    rights: list[Literal["read", "signal", "manage"]]
    keys: bool
    """Whether keys are needed here at all."""
    sql: bool
    """Whether SQL can be asked here."""


class Problem(AnswerModel):
    """RFC 9457: what went wrong. There may be more members, by the kind of problem."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
    """Where in the input something is wrong: `loc`, `msg`."""
