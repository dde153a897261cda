"""A task whose activity is carried out where it was asked for: what it says need not be packed and unpacked for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from stead.orchestrations._history.data import has_flat_arguments
from stead.orchestrations._history.events import TaskScheduled
from stead.orchestrations._history.sealed import TASK_VERSION
from stead.transport import Task, pack_envelope

if TYPE_CHECKING:
    from stead.entities.extending import TraceContext

TaskWords: TypeAlias = tuple[int, str, Sequence[Any], None, str, str, int, int, str, None]
"""What the payload of such a task says, in its order: as `encode_task`, with nothing that only some have."""


class OwnTask(Task):
    """See the module. Its payload is made when somebody wants it: one that has its answer before its commit is built needs none.

    Nothing in it can be changed by whoever is given it, and all of it has been packed before, as its event.
    """

    __slots__ = ("_packed", "said")

    def __init__(self, task_id: bytes, said: TaskWords) -> None:
        self.task_id = task_id
        self.queue = said[8]
        self.shared = False
        self.limit = None
        self.said = said
        self._packed: bytes | None = None

    @property
    def payload(self) -> bytes:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        if self._packed is None:
            self._packed = pack_envelope(self.said)
        return self._packed


def own_task(
    task_id: bytes,
    name: str,
    event: TaskScheduled,
    address: tuple[str, str, int],
    trace: TraceContext | None,
) -> OwnTask | None:
    """The task of an event. None if somebody may change what it says, or it says what only some do."""
    limits = event.timeout_ms, event.heartbeat_ms, event.details
    plain = event.tags is None and trace is None and limits == (None, None, None)
    if not (plain and has_flat_arguments(event)):
        return None
    instance_id, execution_id, number = address
    queue = event.queue
    return OwnTask(
        task_id,
        (TASK_VERSION, name, event.args, None, instance_id, execution_id, number, event.attempt, queue, None),
    )
