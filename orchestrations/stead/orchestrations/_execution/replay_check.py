"""Would the present code do what a history says? Runs the code through it, and sends and writes nothing.

What counts as a difference: another thing scheduled under a number than the log says, something of the log that the code
does not ask for, and another end. What the code asks for beyond the log's last event is none: the instance may have
stopped in the middle of a turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stead.entities import Registry
from stead.entities.extending import resolve_call
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._history.errors import UnknownOrchestration
from stead.orchestrations._history.event_table import ENDS, name_of
from stead.orchestrations._history.events import Event, ExecutionCompleted, ExecutionStarted
from stead.orchestrations._history.export import History
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.record import STATUSES, RuntimeStatus
from stead.transport import InvalidInput, Settings

from .execution import Execution
from .outcome import Canceled, Completed, ContinuedAsNew, Failed, Outcome
from .resolver import ActivityForm, EntityOperation, OrchestrationForm
from .stored_form import same_stored


@dataclass(frozen=True, slots=True)
class ReplayVerdict:
    """What a replay found. `error` is None if the code does what the history says."""

    name: str
    version: str | None
    events: int
    error: str | None

    def as_data(self) -> dict[str, Any]:
        """As JSON data."""
        return {"name": self.name, "version": self.version, "events": self.events, "error": self.error}


def check_replay(
    history: History, orchestrations: OrchestrationRegistry, entities: Registry, settings: Settings
) -> ReplayVerdict:
    """Replay a history against the code that would run such an instance.

    Raises `InvalidInput` for a history without a beginning, `UnknownOrchestration` if nothing here may run it.
    """
    started = first_event(history)
    name, version = started.name, started.version
    code = orchestrations.orchestration(name, version)
    if code is None:
        raise UnknownOrchestration(name, orchestrations.orchestration_names(), version)
    # What comes after the end was kept for a rewinding: the code has not seen it.
    at = max((at for at, event in enumerate(history.events) if type(event) in ENDS), default=len(history.events))
    events, end = history.events[:at], history.events[at] if at < len(history.events) else None
    execution = Execution(history.instance_id, code, events, settings, _KnownToApp(orchestrations, entities))
    try:
        while (wants := execution.turn()) is None:
            pass
        error = _difference(execution, wants.outcome, end)
    finally:
        execution.close()
    return ReplayVerdict(name, version, len(history.events), error)


class _KnownToApp:
    """What an execution asks of the app."""

    def __init__(self, orchestrations: OrchestrationRegistry, entities: Registry) -> None:
        self._orchestrations = orchestrations
        self._entities = entities

    def activity(self, name: str) -> ActivityForm | None:
        return self._orchestrations.activity(name)

    def orchestration(self, name: str) -> OrchestrationForm | None:
        return self._orchestrations.find(name)

    def resolve(
        self, operation: Any, key: object, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> EntityOperation:
        return resolve_call(self._entities, operation, key, args, kwargs)


def first_event(history: History) -> ExecutionStarted:
    """The event with which a history begins: it says name and version. Raises `InvalidInput` if there is none."""
    first = history.events[0] if history.events else None
    if not isinstance(first, ExecutionStarted):
        raise InvalidInput(
            f"history of {history.instance_id}", "it does not begin with ExecutionStarted: there is nothing to replay"
        )
    return first


def _difference(execution: Execution, outcome: Outcome | None, end: Event | None) -> str | None:
    if isinstance(outcome, Failed) and outcome.diverged:
        return outcome.failure.message
    if isinstance(end, ExecutionCompleted):
        return _other_end(execution, outcome, end)
    if outcome is not None and end is None:
        return f"the code ends here ({_shown(outcome)}), and the history says that it waits"
    return None


def _other_end(execution: Execution, outcome: Outcome | None, end: ExecutionCompleted) -> str | None:
    recorded = STATUSES[end.status]
    if recorded is RuntimeStatus.TERMINATED:
        return None
    if recorded is RuntimeStatus.CANCELED and not execution.has_asked:
        return None  # perhaps its code had not begun
    said = f"the history says that it ended as {recorded.value}"
    if outcome is None:
        waits = ", ".join(sorted({name_of(event) for event in execution.pending.values()})) or "an event"
        return f"{said}, and the code goes on: it waits for {waits}"
    if _status(outcome) is not recorded:
        return f"{said}, and the code ends otherwise: {_shown(outcome)}"
    if isinstance(outcome, Completed) and not same_stored(outcome.result, end.result):
        return f"{said} with {end.result!r}, and the code gives {outcome.result!r}"
    if isinstance(outcome, Failed) and end.failure is not None:
        before = FailureDetails.from_map(end.failure)
        if before.error_type != outcome.failure.error_type:
            return f"{said} with {before.error_type}, and the code fails with {outcome.failure}"
    return None


def _status(outcome: Outcome) -> RuntimeStatus:
    if isinstance(outcome, Completed):
        return RuntimeStatus.COMPLETED
    if isinstance(outcome, Canceled):
        return RuntimeStatus.CANCELED
    return RuntimeStatus.FAILED if isinstance(outcome, Failed) else RuntimeStatus.CONTINUED_AS_NEW


def _shown(outcome: Outcome) -> str:
    match outcome:
        case Completed(result):
            return f"it completes with {result!r}"
        case Failed(failure):
            return f"it fails with {failure}"
        case Canceled():
            return "it is canceled"
        case ContinuedAsNew():
            return "it continues as new"
