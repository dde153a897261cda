"""A task whose activity is carried out where it was asked for: what it says need not be packed and unpacked for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from stead.orchestrations._history.events import TaskScheduled
from stead.orchestrations._history.sealed import TASK_VERSION
from stead.transport import Task, pack_envelope

if TYPE_CHECKING:
    from stead.entities.extending import TraceContext

_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


class Said(NamedTuple):
    """What the payload of such a task says, in its order."""

    version: int
    name: str
    args: Sequence[Any]
    kwargs: None
    instance_id: str
    execution_id: str
    task_id: int
    attempt: int
    queue: str
    tags: None


class OwnTask(Task):
    """See the module. Its payload is made when somebody wants it: one that has its answer before its commit is built needs none.

    Nothing in it can be changed by whoever is given it, and all of it has been packed before, as its event.
    """

    __slots__ = ("_packed", "said")

    def __init__(self, task_id: bytes, said: Said) -> None:
        self.task_id = task_id
        self.queue = said.queue
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
    plain = event.kwargs is event.tags is None and trace is None and limits == (None, None, None)
    if not (plain and _SCALARS.issuperset(map(type, event.args))):
        return None
    said = Said(TASK_VERSION, name, event.args, None, *address, event.attempt, event.queue, None)
    return OwnTask(task_id, said)
