"""One activity from its task to its result: the bytes of the task, the user's call, and what came of it as plain data.

The call may end in any way: with a value that cannot be stored, with an error that cannot be shown, with `sys.exit()`.
All of that is the activity's failure; only a `KeyboardInterrupt` is nobody's result and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from stead.entities.extending import UNTOLD, TraceContext, read_trace, tracing
from stead.orchestrations._history.failures import ENDED_UNSEEN, FailureDetails
from stead.orchestrations._history.sealed import TASK_CASKET, TASK_VERSION
from stead.transport import (
    NO_CODEC,
    InvalidInput,
    LimitNumbers,
    PayloadLimit,
    PayloadLocked,
    Settings,
    Taken,
    get_logger,
    pack_envelope,
    pack_exact,
    read_casket,
    unpack,
)
from stead.transport.describing import message_of, qualified_name

from .context import ActivityContext, running_context
from .own_task import OwnTask
from .spans import begin_span, end_span

if TYPE_CHECKING:
    import asyncio

    from opentelemetry.trace import Span

    from stead.entities.extending import Partition

logger = get_logger("stead.activities")

_SEQUENCES = (list, tuple)
_SIMPLE = frozenset({type(None), bool, int, float})  # values that are the same after a trip through the store
_TEXT_HEAD = 5  # bytes before a text in the store, at most


Interceptor = Callable[[str, "partial[Any]"], Callable[[], Any]]
"""For tests: is told an activity's canonical name and the call that would be made, its arguments of their own types; gives
the one that is made in its place. Runs where the activity runs, and within its context."""


class Runnable(Protocol):
    """What the runner needs of an activity."""

    @property
    def canonical(self) -> str: ...

    @property
    def is_async(self) -> bool: ...

    @property
    def numbers(self) -> LimitNumbers | None:
        """What its limits over the hub allow; None if it has none."""
        ...

    def limit_of(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> str | None:
        """The limit behind which a call is. Raises `InvalidInput`."""
        ...

    def prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> partial[Any]:
        """The user's function with arguments of its own types, ready to be called. Raises `InvalidInput`."""
        ...

    def encode_result(self, value: Any) -> Any:
        """The result as plain data. Raises `InvalidInput` for one that its annotation does not allow."""
        ...


class Outcome(NamedTuple):
    """What came of an activity: its result as plain data, or the map of its failure."""

    ok: bool
    value: object


class Stage(Enum):
    """How far a job has come."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"  # its result is on its way, and kept until the store has it
    DROPPED = "dropped"  # nobody wants its result; it may still run


class Job:
    """A task that this worker is to run, or runs, or has run until its result is recorded."""

    __slots__ = (
        "_payload", "activity", "args", "begun", "context", "finished", "heartbeat_ms", "key", "kwargs", "name", "order", "outcome",
        "partition", "queue", "settled", "since", "span", "stage", "suspicious", "taken", "task", "timeout_ms", "trace"
    )  # fmt: skip

    def __init__(self, key: bytes, payload: bytes | OwnTask) -> None:
        """The job of a task: of its payload, or of one that is still what it was made of. Raises `InvalidInput` for one that a newer
        stead wrote, or that is none, and `PayloadLocked`."""
        self.key = key
        self._payload = payload
        if isinstance(payload, OwnTask):
            _, name, args, kwargs, instance_id, execution_id, task_id, attempt, queue, tags = payload.said
            self._set(name, args, kwargs, (instance_id, execution_id, task_id), attempt, queue, tags)
        else:
            self._read(payload)

    def _read(self, payload: bytes) -> None:
        parts: list[Any] = unpack(payload)
        if type(parts) is list and len(parts) >= 10 and parts[0] == TASK_CASKET:  # pyright: ignore[reportUnnecessaryComparison]
            raise PayloadLocked(read_casket(parts[2]).why or NO_CODEC, str(parts[1]))
        if type(parts) is not list or len(parts) < 10 or parts[0] != TASK_VERSION:  # pyright: ignore[reportUnnecessaryComparison]
            raise InvalidInput(
                "task", f"it is not a task that this version of stead can read (it reads {TASK_VERSION})"
            )
        _, name, args, kwargs, instance_id, execution_id, task_id, attempt, queue, tags = parts[:10]
        timeout_ms, heartbeat_ms, details = (*parts[10:13], None, None, None)[:3]
        if not (
            type(name) is type(instance_id) is type(execution_id) is type(queue) is str
            and type(task_id) is type(attempt) is int
            and type(args) in _SEQUENCES
            and (kwargs is None or type(kwargs) is dict)
            and (tags is None or type(tags) is dict)
            and (timeout_ms is None or type(timeout_ms) is int)
            and (heartbeat_ms is None or type(heartbeat_ms) is int)
        ):
            raise InvalidInput("task", "its parts are not what they have to be")
        address = instance_id, execution_id, task_id
        limits = timeout_ms, heartbeat_ms, details
        trace = read_trace(parts[13]) if len(parts) > 13 else None
        self._set(name, args, cast("Any", kwargs), address, attempt, queue, cast("Any", tags), limits, trace)

    def _set(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        address: tuple[str, str, int],
        attempt: int,
        queue: str,
        tags: Mapping[str, str] | None,
        limits: tuple[int | None, int | None, Any] = (None, None, None),
        trace: TraceContext | None = None,
    ) -> None:
        self.trace = trace  # the span of who waits for it
        self.span: Span | None = None  # what is told of it, if anybody wants to know
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.queue = queue
        instance_id, execution_id, task_id = address
        timeout_ms, heartbeat_ms, details = limits
        self.context = ActivityContext(
            name=name,
            instance_id=instance_id,
            execution_id=execution_id,
            task_id=task_id,
            attempt=attempt,
            tags=tags,
            heartbeat_details=details,
        )
        self.timeout_ms = timeout_ms  # how long it may run, …
        self.heartbeat_ms = heartbeat_ms  # … and how long without a heartbeat
        self.activity: Runnable | None = None  # none if this worker does not know it
        self.partition: Partition | None = None  # of an own task
        self.taken: Taken | None = None  # of a shared one
        self.stage = Stage.WAITING
        self.suspicious = False  # an owner that had it died: its result may be what ends whoever takes the turn
        self.order = 0
        self.since = 0.0  # when it began to run, by the event loop's time
        self.begun = False  # the user's code was reached
        self.task: asyncio.Task[None] | None = None  # what carries it now, and is not used by others
        self.outcome: Outcome | None = None
        self.finished: asyncio.Event | None = None  # set when it does not run any more, where somebody waits for that
        self.settled: asyncio.Event | None = None  # the same when its result is in the store, or nobody's any more

    @property
    def payload(self) -> bytes:
        """Its task as it is stored."""
        payload = self._payload
        return payload.payload if isinstance(payload, OwnTask) else payload

    @classmethod
    def unreadable(cls, key: bytes) -> Job | None:
        """The job of a task of which only the ID can be read, to be failed: somebody waits for its result. None if not even
        that says who."""
        instance_id, execution_id, number = ["", "", *key.decode("utf-8", "replace").rsplit("|", 2)][-3:]
        if not (instance_id and execution_id and number.isdigit() and len(number) < 16):
            return None
        return cls(key, encode_task("(unreadable)", (), None, (instance_id, execution_id, int(number))))

    def fail(self, outcome: Outcome) -> None:
        """It is not run, and fails."""
        self.stage, self.outcome = Stage.ENDED, outcome

    @property
    def in_thread(self) -> bool:
        """Whether it runs in a thread, where nothing can end it."""
        return self.activity is not None and not self.activity.is_async

    @property
    def answer(self) -> list[object]:
        """The arguments of the message that brings its outcome to the instance."""
        assert self.outcome is not None, "an activity that has ended has an outcome"
        return [self.context.execution_id, self.context.task_id, self.outcome.ok, self.outcome.value]

    def end_span(self) -> None:
        """It runs no more: whoever wants to know is told."""
        span, self.span = self.span, None
        if span is not None:
            outcome, failure = self.outcome, None
            if outcome is not None and not outcome.ok:
                failure = cast("Mapping[str, Any]", outcome.value)
            end_span(span, failure, dropped=outcome is None)

    def drop(self) -> None:
        """Nobody wants its result: end it if it runs and can be ended. An asynchronous one that was not reached yet sees
        for itself that it should not begin: a task cancelled before its first step would never run at all."""
        if self.stage is Stage.WAITING and self.finished is not None:
            self.finished.set()
        self.stage = Stage.DROPPED
        self.context.cancel()
        if self.task is not None and self.begun:
            self.task.cancel()


def encode_task(
    name: str,
    args: Sequence[object],
    kwargs: Mapping[str, object] | None,
    address: tuple[str, str, int],
    attempt: int = 1,
    queue: str = "",
    tags: Mapping[str, str] | None = None,
    limits: tuple[int | None, int | None, Any] = (None, None, None),
    trace: TraceContext | None = None,
) -> bytes:
    """The payload of a task. `address`: instance, execution and task ID of who waits for it. `limits`: how many milliseconds it
    may run, how many without a heartbeat, and what the last heartbeat of the attempt before said. `trace`: the span of
    that one. Workers of before pass these over.

    Raises `InvalidInput` if an argument cannot be stored.
    """
    if trace is not None:
        stored = trace.stored()
        return pack_envelope((TASK_VERSION, name, args, kwargs, *address, attempt, queue, tags, *limits, stored))
    if limits == (None, None, None):
        return pack_envelope((TASK_VERSION, name, args, kwargs, *address, attempt, queue, tags))
    return pack_envelope((TASK_VERSION, name, args, kwargs, *address, attempt, queue, tags, *limits))


def perform_plain(job: Job, intercept: Interceptor | None, settings: Settings) -> Outcome:
    """Run a plain activity, in its thread."""
    try:
        value = call_function(job, intercept)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the activity's failure
        return outcome_of_error(job, error, settings)
    return outcome_of(job, value, settings)


def call_function(job: Job, intercept: Interceptor | None) -> object:
    """Call the user's function: its result, or what is to be awaited for it."""
    activity = job.activity
    assert activity is not None, "only what this worker knows is run here"
    running_context.set(job.context)
    if tracing.on:
        of = job.context
        address = of.instance_id, of.execution_id, of.task_id
        job.span = begin_span(of.name, address, of.attempt, job.trace)
    prepared = activity.prepare(job.args, job.kwargs)
    return prepared() if intercept is None else intercept(activity.canonical, prepared)()


def outcome_of(job: Job, value: object, settings: Settings) -> Outcome:
    """What a result means. One that cannot be stored could not be the next time either, whatever a retry policy says; and
    the work would be done once more for nothing."""
    try:
        return _success(job, value, settings)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - serializers are the user's
        return _failure(job, FailureDetails.of(error).final(), settings)


def _success(job: Job, value: object, settings: Settings) -> Outcome:
    """A result as it would come back from the store: a replay sees the very same, and nothing is shared with the code."""
    assert job.activity is not None, "it was run"
    plain = job.activity.encode_result(value)
    if settings.payload_codec is None and (
        type(plain) in _SIMPLE
        or (type(plain) is str and plain.isascii() and len(plain) + _TEXT_HEAD <= settings.payload_bytes_max)
    ):
        return Outcome(True, plain)
    limit = PayloadLimit.of(settings)
    packed = pack_exact(plain)
    if len(packed) > limit.at:
        limit.check("result", packed)
    return Outcome(True, unpack(packed))


def outcome_of_error(job: Job, error: BaseException, settings: Settings) -> Outcome:
    """The failure that an error of the user's code means."""
    return _failure(job, FailureDetails.of(error), settings)


def _failure(job: Job, details: FailureDetails, settings: Settings) -> Outcome:
    """The failure that an error means: a replay can tell no more of it than this says."""
    context = job.context
    if job.stage is Stage.RUNNING and not context.cancelled:
        logger.info("%s of %s failed, attempt %d: %s", job.name, context.instance_id, context.attempt, details)
    elif job.stage is Stage.RUNNING and details.error_type != ENDED_UNSEEN.error_type:
        logger.warning("%s of %s was cancelled, and failed: %s", job.name, context.instance_id, details)
    outcome = Outcome(False, details.as_map())
    try:
        if PayloadLimit.of(settings).stored_length(pack_exact(outcome.value)) <= settings.payload_bytes_max:
            return outcome
    except InvalidInput:  # a codec does not take it
        return failed(details.error_type, UNTOLD, details.non_retriable)
    return failed(details.error_type, details.message[:200], details.non_retriable)


def unseen() -> Outcome:
    """Of an activity that was told to end before it began, or in a worker that is gone."""
    return Outcome(False, ENDED_UNSEEN.as_map())


def failed(error_type: str, message: str, non_retriable: bool = True) -> Outcome:
    """A failure that stead itself has found."""
    return Outcome(False, FailureDetails(error_type, message, non_retriable=non_retriable).as_map())


def failed_in_stead(job: Job, error: BaseException) -> Outcome:
    """The failure of an activity that was run, and of which nothing came but a bug of stead."""
    logger.critical(
        "%s of %s failed in stead itself, which is a bug of stead (please report it)",
        job.name,
        job.context.instance_id,
        exc_info=error,
    )
    return failed(qualified_name(type(error)), message_of(error)[:200], non_retriable=False)
