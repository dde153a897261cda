"""What the context, its calls and its waits may ask of the execution that they belong to: nothing else of it.

So that each of them can be read, and tested, without the execution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from stead.orchestrations._history.events import Event
from stead.transport import Settings

from .code import Code
from .drawn import Drawn
from .durable_task import DurableTask
from .external_events import Mailbox
from .loop import DeterministicLoop
from .resolver import TypeResolver
from .sections import CriticalSections

E = TypeVar("E", bound=Event)


class Commands(Protocol):
    """See the module. `_execution.execution.Execution` is one."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    parent: Sequence[Any] | None
    tags: dict[str, str] | None
    code: Code
    settings: Settings
    types: TypeResolver
    now_ms: int
    replaying: bool
    dead: bool  # the code is being dropped, or has been: what it asks for is refused
    last_id: int  # of what was scheduled last
    loop: DeterministicLoop
    mailbox: Mailbox
    critical: CriticalSections
    drawn: Drawn
    custom_status: Any
    custom_status_set: bool
    continued: tuple[Any, str | None, bool] | None  # the next input, its version, whether events are kept for it

    def check(self) -> None:
        """Refuse a command outside the code's own turns. Raises `ContextEnded`, or `Halted` if the code is dropped."""
        ...

    def schedule(self, event: E, waiting: Any = None) -> E:
        """Schedule something, at this time and with the number that is next: the event for it, which in a replay is that of
        the log. `waiting` gets the answer.

        Raises `InvalidInput` for what cannot be stored, and `PayloadTooLarge`, at the code's own line.
        """
        ...

    def abandon(self, task_id: int) -> None:
        """Nobody waits for an answer any more."""
        ...

    def leave_open(self, task_id: int) -> None:
        """Nobody waits for an answer any more, but something else will be said about it."""
        ...

    def wait_for_event(self, name: str, decode: Callable[[Any], Any] | None) -> DurableTask[Any]:
        """Wait for an external event."""
        ...

    def patched(self, name: str) -> bool:
        """Whether the code goes the way that a patch added; once said, the answer stays."""
        ...

    def child_id(self) -> str:
        """An ID for the instance that is scheduled next."""
        ...
