"""What an orchestrator waits for: a `DurableTask` for each kind of command, which knows what to do with its answer.

A call that may be tried again is one task with several scheduled events, one after the other: an attempt, the timer of the
wait, the next attempt. All of it happens when the answers come in, without any code of the orchestrator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stead.entities import OperationFailed
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._history.errors import ActivityFailed, SubOrchestrationFailed
from stead.orchestrations._history.events import (
    TIME_OUT_OF,
    Event,
    FailureEvent,
    ResultEvent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from stead.orchestrations._history.failures import FailureDetails, shown_ms

from .durable_task import DurableTask

if TYPE_CHECKING:
    from .commands import Commands


class DurableCall(DurableTask[Any]):
    """A task that waits for the answer to a scheduled event."""

    __slots__ = ("core", "decode", "event")

    event: Event  # the scheduled event whose answer is awaited; set when it is scheduled

    def __init__(self, core: Commands, decode: Callable[[Any], Any] | None = None) -> None:
        super().__init__(core.loop)
        self.core = core
        self.decode = decode

    def begin_attempts(self) -> None:
        """It is not tried again."""

    def answer(self, event: Event) -> None:
        """The answer has come."""
        if isinstance(event, ResultEvent):
            self.succeed(event.result)
        elif isinstance(event, FailureEvent):
            self.set_exception(self.failed(event.failure))
        else:  # a timer has fired, or locks are held
            self.set_result(None)

    def succeed(self, value: Any) -> None:
        """It went well. A result that is not of the declared type is the error of whoever awaits it."""
        if self.decode is not None:
            try:
                value = self.decode(value)
            except Exception as error:  # noqa: BLE001 - validators may raise anything
                self.set_exception(error)
                return
        self.set_result(value)

    def failed(self, failure: dict[str, Any]) -> Exception:
        """The error for a failure."""
        raise NotImplementedError

    def _given_up(self) -> None:
        self.core.abandon(self.event.task_id)


class EntityCall(DurableCall):
    """A call of an entity's operation."""

    __slots__ = ("explain", "over")

    def __init__(
        self,
        core: Commands,
        decode: Callable[[Any], Any] | None,
        explain: Callable[[dict[str, Any]], Exception],
        over: Callable[[], None],
    ) -> None:
        super().__init__(core, decode)
        self.explain = explain
        self.over = over  # tells the critical section that the entity may be called again

    def answer(self, event: Event) -> None:
        self.over()
        super().answer(event)

    def failed(self, failure: dict[str, Any]) -> Exception:
        return self.explain(failure)

    def _given_up(self) -> None:
        self.over()
        super()._given_up()


class RetriedCall(DurableCall):
    """A call that is tried again by its policy."""

    __slots__ = ("attempt", "first_ms", "name", "retry")

    def __init__(
        self, core: Commands, name: str, decode: Callable[[Any], Any] | None, retry: RetryPolicy | None
    ) -> None:
        super().__init__(core, decode)
        self.name = name
        self.retry = retry
        self.attempt = 1
        self.first_ms = core.now_ms

    def schedule(self) -> None:
        """Schedule the attempt."""
        raise NotImplementedError

    def begin_attempts(self) -> None:
        self.attempt = 1
        self.first_ms = self.core.now_ms

    def answer(self, event: Event) -> None:
        if isinstance(event, ResultEvent):  # (`succeed`: most answers come here)
            try:
                value = event.result if self.decode is None else self.decode(event.result)
            except Exception as error:  # noqa: BLE001 - validators may raise anything
                self.set_exception(error)
                return
            self.set_result(value)
        elif isinstance(event, TimerFired):
            self.attempt += 1
            self.schedule()
        elif isinstance(event, FailureEvent) and self.retry is not None:
            self._try_again(event, self.retry)
        else:
            super().answer(event)

    def _try_again(self, event: FailureEvent, retry: RetryPolicy) -> None:
        core = self.core
        try:
            failure = FailureDetails.from_map(event.failure)
            delay_ms = retry.next_delay_ms(self.attempt, self.first_ms, core.now_ms, failure)
        except Exception as error:  # noqa: BLE001 - the policy's `handle` is the user's
            self.set_exception(error)
            return
        if delay_ms is None:
            super().answer(event)
        else:
            purpose, fire_at_ms = f"retry of {self.name}", core.now_ms + delay_ms
            core.schedule(TimerCreated(core.now_ms, core.last_id + 1, fire_at_ms, purpose), self)


class ActivityCall(RetriedCall):
    """A call of an activity."""

    __slots__ = (
        "args", "await_cleanup", "deadline", "details", "ending", "kwargs", "limit", "limits", "local", "priority", "queue",
        "tags", "total_ms"
    )  # fmt: skip

    args: list[Any]
    kwargs: dict[str, Any] | None
    queue: str
    tags: dict[str, str] | None

    def __init__(
        self, core: Commands, name: str, decode: Callable[[Any], Any] | None, retry: RetryPolicy | None
    ) -> None:
        super().__init__(core, name, decode, retry)
        self.limits: tuple[int | None, int | None] = (None, None)  # of an attempt: all of it, without a heartbeat
        self.total_ms: int | None = None  # how long all of it may take
        self.limit: str | None = None  # behind which it waits …
        self.priority: int | None = None  # … and how much sooner than others
        self.details: Any = None  # what the last heartbeat of the attempt before said
        self.deadline: Deadline | None = None
        self.await_cleanup: bool | None = None  # who cancels it waits for its end
        self.local = False  # it may begin before the commit that schedules it
        self.ending: tuple[Any] | None = None  # it was cancelled, with this message, and has not ended

    def cancel(self, msg: Any | None = None) -> bool:
        """See `DurableTask.cancel`. With `await_cleanup` it is told to end, and is cancelled when it has, however that went:
        as a task of asyncio that has something to clean up."""
        event = self.event
        if self.done() or self.core.dead or not (isinstance(event, TaskScheduled) and event.await_cleanup):
            return super().cancel(msg)
        self.check_home()
        if self.ending is None:
            if not self.core.end(event.task_id):
                return super().cancel(msg)
            self.ending = (msg,)
        return True

    def end(self) -> None:
        """It was cancelled, and has ended, or may not take any longer."""
        assert self.ending is not None, "it was cancelled"
        super().cancel(*self.ending)

    def schedule(self) -> None:
        core = self.core
        now_ms, number = core.now_ms, core.last_id + 1
        name, args, kwargs = self.name, self.args, self.kwargs
        event = core.schedule(
            TaskScheduled(
                now_ms,
                number,
                name,
                args,
                kwargs,
                self.queue,
                self.tags,
                self.attempt,
                *self.limits,
                self.details,
                self.limit,
                self.priority,
                self.await_cleanup,
            ),
            self,
        )
        if self.local:
            core.begin_at_once(number)
        if self.total_ms is not None and self.deadline is None:
            self.deadline = Deadline(self)
        if self.retry is not None:
            self.args, self.kwargs = event.args, event.kwargs  # as they are stored: the next attempt gets the very same

    def failed(self, failure: dict[str, Any]) -> Exception:
        return ActivityFailed.of(self.name, FailureDetails.from_map(failure))

    def answer(self, event: Event) -> None:
        if self.ending is not None:
            self.end()
            return
        if isinstance(event, FailureEvent):
            self.details = event.failure.get("details")
        super().answer(event)
        if self.deadline is not None and self.done():
            self.deadline.unset()

    def _given_up(self) -> None:
        super()._given_up()
        if self.deadline is not None:
            self.deadline.unset()


class Deadline:
    """The time by which an activity has to have a result, however often it is tried."""

    __slots__ = ("_call", "event")

    event: Event

    def __init__(self, call: ActivityCall) -> None:
        core = call.core
        self._call = call
        fire_at_ms = call.first_ms + (call.total_ms or 0)
        core.schedule(TimerCreated(core.now_ms, core.last_id + 1, fire_at_ms, f"{TIME_OUT_OF}{call.name}"), self)

    def begin_attempts(self) -> None:
        """Its timer has been set anew."""

    def answer(self, _: Event) -> None:
        """It has passed."""
        call = self._call
        call.core.abandon(call.event.task_id)
        if call.ending is not None and not call.done():
            call.end()
        if not call.done():
            message = f"activity {call.name!r}: all of it may take {shown_ms(call.total_ms)}"
            call.set_exception(call.failed(FailureDetails("TimeoutError", message, non_retriable=True).as_map()))

    def unset(self) -> None:
        """There is a result."""
        self._call.core.abandon(self.event.task_id)


class SubOrchestrationCall(RetriedCall):
    """A call of a sub-orchestration. Each attempt is an instance of its own, unless the caller named one."""

    __slots__ = ("child_id", "input", "named_id", "parent_close", "tags", "version")

    version: str | None
    named_id: str | None
    child_id: str  # of the attempt
    parent_close: str | None
    input: Any
    tags: dict[str, str] | None

    def schedule(self) -> None:
        core = self.core
        instance_id = self.named_id or core.child_id()
        now_ms, number = core.now_ms, core.last_id + 1
        event = SubOrchestrationInstanceCreated(
            now_ms,
            number,
            self.name,
            self.version,
            instance_id,
            self.input,
            self.tags,
            self.attempt,
            self.parent_close,
        )
        event = core.schedule(event, self)
        self.child_id = event.instance_id
        self.input = event.input  # as it is stored: the next attempt gets the very same

    @property
    def instance_id(self) -> str | None:
        return self.child_id

    def failed(self, failure: dict[str, Any]) -> Exception:
        return SubOrchestrationFailed.of(self.name, self.child_id, FailureDetails.from_map(failure))


class ComposedTask(DurableTask[Any]):
    """The result of a coroutine of ours that makes several calls."""

    __slots__ = ("_first", "_inner")

    def __init__(self, core: Commands, first: DurableCall, coroutine: Any) -> None:
        super().__init__(core.loop)
        self._first = first  # was scheduled before the coroutine has begun
        self._inner = core.loop.create_task(coroutine)
        self._inner.add_done_callback(self._finish)

    def _finish(self, inner: Any) -> None:
        error = None if inner.cancelled() else inner.exception()
        if self.done():
            return
        if inner.cancelled():
            super().cancel()
        elif error is not None:
            self.set_exception(error)
        else:
            self.set_result(inner.result())

    def _given_up(self) -> None:
        self._first.cancel()
        self._inner.cancel()


def operation_failed(entity_id: object, operation_name: str, failure: dict[str, Any]) -> Exception:
    """The error for the failure of an entity's operation."""
    details = FailureDetails.from_map(failure)
    cause = None if details.cause is None else str(details.cause)
    return OperationFailed(entity_id, operation_name, details.error_type, details.message, details.traceback, cause)
