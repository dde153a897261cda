"""What the code of a running activity may ask about itself, and say of itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol


class HeartbeatHearer(Protocol):
    """Who is told of heartbeats."""

    def heard(self, context: ActivityContext, details: Any) -> None: ...


class ActivityContext:
    """What a running activity may ask about itself: `activity_context()` gives it.

    `attempt` counts from 1 by the retry policy; an activity can run more than once for one attempt, if a worker dies.
    `(instance_id, execution_id, task_id)` is the same then: a key for whoever must not do a thing twice.
    """

    __slots__ = (
        "_cancelled",
        "attempt",
        "beat_s",
        "execution_id",
        "heartbeat_details",
        "instance_id",
        "name",
        "said",
        "shown_s",
        "tags",
        "task_id",
        "watches"
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str,
        instance_id: str,
        execution_id: str,
        task_id: int,
        attempt: int = 1,
        tags: Mapping[str, str] | None = None,
        heartbeat_details: Any = None,
    ) -> None:
        self.heartbeat_details = heartbeat_details
        """What the last heartbeat of the attempt before this one said; None if it said nothing, or there was none."""
        self.said: Any = None  # by its heartbeats
        self.beat_s = self.shown_s = 0.0  # when the last one came, and when what one says is shown next
        self.watches: HeartbeatHearer | None = None  # who is told of them
        self.name = name
        self.instance_id = instance_id
        self.execution_id = execution_id
        self.task_id = task_id
        self.attempt = attempt
        self.tags = tags
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the result any more. A plain activity that takes long looks at it now and then, from any
        thread, and returns early; an asynchronous one is cancelled as asyncio does."""
        return self._cancelled

    def heartbeat(self, details: Any = None) -> None:
        """Say that the activity goes on, and how far it is: from any thread, as often as you like.

        Within `heartbeat_timeout` one has to come. `details` (any data that can be stored) are shown in the instance's status,
        and are the next attempt's `heartbeat_details`. Raises `InvalidInput` for what cannot be stored.
        """
        if self.watches is not None:
            self.watches.heard(self, details)

    def cancel(self) -> None:
        """Tell the activity to end: nobody wants its result."""
        self._cancelled = True


running_context: ContextVar[ActivityContext] = ContextVar("stead_activity")


def activity_context() -> ActivityContext:
    """The context of the activity that is running. Raises `RuntimeError` outside of one."""
    context = running_context.get(None)
    if context is None:
        raise RuntimeError("activity_context() is for the code of a running activity, and none is running here")
    return context
