"""What can go wrong with orchestrations, beyond what the store and entities raise.

An error says what happened, whose fault it is and what to do next; its fields are kept and it survives pickling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from stead.entities import SteadError

from .failures import FailedElsewhere, FailureDetails


class ActivityFailed(FailedElsewhere):
    """An activity failed, and its retry policy (if it has one) gave up.

    `error_type` is the qualified name of what it raised, `traceback` the text of its traceback in the worker, `cause` the
    details of the error that caused it, if there was one.
    """

    def __init__(
        self, name: str, error_type: str, message: str, traceback: str = "", cause: FailureDetails | None = None
    ) -> None:
        super().__init__(name, error_type, message, traceback, cause)
        self.name = name
        self.error_type = error_type
        self.message = message
        self.traceback = traceback
        self.cause = cause

    @classmethod
    def of(cls, name: str, failure: FailureDetails) -> ActivityFailed:
        """The error for what the log says of an activity."""
        error = cls(name, failure.error_type, failure.message, failure.traceback, failure.cause)
        error.non_retriable = failure.non_retriable
        return error

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"activity {self.name!r} raised {self.error_type}{said}"


class InstanceFailed(FailedElsewhere):
    """What is said of an instance that has failed: to its parent, and to who asks for its result."""

    def __init__(
        self,
        name: str,
        instance_id: str,
        error_type: str,
        message: str,
        traceback: str = "",
        cause: FailureDetails | None = None,
    ) -> None:
        super().__init__(name, instance_id, error_type, message, traceback, cause)
        self.name = name
        self.instance_id = instance_id
        self.error_type = error_type
        self.message = message
        self.traceback = traceback
        self.cause = cause

    @classmethod
    def of(cls, name: str, instance_id: str, failure: FailureDetails) -> Self:
        """The error for what is stored of the failure."""
        error = cls(name, instance_id, failure.error_type, failure.message, failure.traceback, failure.cause)
        error.non_retriable = failure.non_retriable
        return error


class SubOrchestrationFailed(InstanceFailed):
    """A sub-orchestration failed or was terminated, and its retry policy (if it has one) gave up.

    `error_type` is the qualified name of what it raised, `traceback` the text of its traceback in the worker, `cause` the
    details of the error that caused it, if there was one.
    """

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"sub-orchestration {self.name!r} ({self.instance_id}) raised {self.error_type}{said}"


class QueryFailed(InstanceFailed):
    """A query raised an error: `name` is the query's, the other fields are those of `OrchestrationFailed`."""

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"query {self.name!r} of instance {self.instance_id!r} raised {self.error_type}{said}"


class UpdateFailed(InstanceFailed):
    """An update raised an error, or could not be carried out to its end. The instance goes on. `name` is the update's, the other
    fields are those of `OrchestrationFailed`."""

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"update {self.name!r} of instance {self.instance_id!r} raised {self.error_type}{said}"


class UpdateRefused(UpdateFailed):
    """An update was refused by its validator: nothing has happened."""

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"update {self.name!r} of instance {self.instance_id!r} was refused with {self.error_type}{said}"


class NonRetriable(SteadError):
    """Raise it, or an error derived from it, where trying again is of no use: no retry policy does.

    `raise NonRetriable("the card is stolen") from error` keeps what caused it.
    """

    non_retriable = True


class OrchestrationFailed(InstanceFailed):
    """An instance has not come to a result: its orchestration raised an error, or it was ended from outside.

    `error_type` is the qualified name of what was raised (of an instance that was ended `stead.orchestrations.Terminated`, with
    the reason as its `message`), `traceback` the text of its traceback in the worker, `cause` the details of the error that
    caused it, if there was one. The tracebacks are shown with this error's own.
    """

    @classmethod
    def of(cls, name: str, instance_id: str, failure: FailureDetails) -> Self:
        """The error for what a status says of an instance, with the tracebacks of the worker as notes."""
        error = super().of(name, instance_id, failure)
        link, what = failure, "in the worker"
        while True:
            if link.traceback:
                error.add_note(f"{what}:\n{link.traceback.rstrip()}")
            if link.cause is None:
                return error
            link, what = link.cause, "caused there by"

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"orchestration {self.name!r} (instance {self.instance_id!r}) raised {self.error_type}{said}"


class NonDeterminismError(SteadError, RuntimeError):
    """A replay of an orchestrator's code did not do what its history says that it did.

    The code has changed under running instances (give the new code a version of its own, or use `context.patched`), or it
    reads what changes: a clock, random numbers, the environment, a set's order.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class NonDeterminismWarning(UserWarning):
    """The code of an orchestration, as it is defined, reads what a replay finds changed. See `STEAD_DETERMINISM`."""


class NotDeterministic(SteadError, TypeError):
    """An orchestration was refused at its definition, because its code reads what a replay finds changed.

    `name` is the orchestration's, `findings` say each where, what, and what to use instead.
    """

    def __init__(self, name: str, findings: Iterable[str]) -> None:
        self.name = name
        self.findings = tuple(findings)
        super().__init__(name, self.findings)

    def __str__(self) -> str:
        return "\n  ".join((f"orchestration {self.name!r} cannot be replayed:", *self.findings))


class UnknownOrchestration(SteadError):
    """No orchestration of this name (and version, if one is given) is registered."""

    def __init__(self, name: str, known: Iterable[str] = (), version: str | None = None) -> None:
        self.name = name
        self.known = tuple(known)
        self.version = version
        super().__init__(name, self.known, version)

    def __str__(self) -> str:
        known = f"; known: {', '.join(self.known)}" if self.known else ""
        version = "" if self.version is None else f" (version {self.version!r})"
        return (
            f"no orchestration named {self.name!r}{version} is registered; put @app.orchestration on its function and "
            f"start a worker{known}"
        )


class ActivityNotFound(SteadError):
    """No activity of this name is registered. Trying again is of no use: no retry policy does."""

    non_retriable = True

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(name, self.known)

    def __str__(self) -> str:
        known = f"; known: {', '.join(self.known)}" if self.known else ""
        return f"no activity named {self.name!r} is registered; put @app.activity on its function{known}"


class _InstanceError(SteadError):
    """Something about one instance. `status` is its runtime status, where it is known."""

    def __init__(self, instance_id: str, status: str | None = None) -> None:
        super().__init__(instance_id, status)
        self.instance_id = instance_id
        self.status = status

    @property
    def _shown(self) -> str:
        return f"instance {self.instance_id!r}" + (f" ({self.status})" if self.status is not None else "")


class UnknownInstance(_InstanceError):
    """There is no instance of this ID: it was never started, or it has been purged."""

    def __str__(self) -> str:
        return f"{self._shown} does not exist: it was never started, or it has been purged"


class InstanceExists(_InstanceError):
    """An instance of this ID is there already, and it may not be used again now. Nothing was started."""

    def __str__(self) -> str:
        return (
            f"{self._shown} exists already, and nothing was started; take another ID, or say by `reuse` whether it may be "
            "used again once it is finished, or at once"
        )


class InstanceFinished(_InstanceError):
    """The instance is finished, so that it cannot do this any more."""

    def __str__(self) -> str:
        return f"{self._shown} is finished; `restart` starts it anew"


class InstanceRunning(_InstanceError):
    """The instance is not finished, as it has to be for this."""

    def __str__(self) -> str:
        return f"{self._shown} is not finished; wait for its end, or terminate it first"


class NothingShared(_InstanceError):
    """The instance cannot be asked or told anything: its code has not begun, or shares nothing."""

    def __str__(self) -> str:
        return f"{self._shown} shares nothing: it has not begun, or its code does not call `context.share` before its first await"


class InstanceBlocked(_InstanceError):
    """The worker that holds the instance has no code for it, or code that does other things than its history says."""

    def __str__(self) -> str:
        return f"{self._shown} waits for code that fits: no worker that could answer for it has any (`stead info` shows which)"


class UnknownQuestion(SteadError):
    """The orchestration has no query, or no update, of this name. `reason` says which there are."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class QueryChangedState(SteadError, RuntimeError):
    """A query, or the validator of an update, has woken the code of its orchestration, or has changed what that shares: a
    replay would not, so it would be lost. `TestHub` looks for all of it, workers for what would let the code go on.
    """

    def __init__(self, name: str, what: str = "query") -> None:
        super().__init__(name, what)
        self.name = name
        self.what = what

    def __str__(self) -> str:
        return f"the {self.what} {self.name!r} has changed what the orchestration shares: only its code and its updates may"


class LockLost(SteadError):
    """A critical section is over, although its code was still in it: the lock went with its instance's execution."""

    def __init__(self, entity_id: object, reason: str = "") -> None:
        super().__init__(entity_id, reason)
        self.entity_id = entity_id
        self.reason = reason

    def __str__(self) -> str:
        return f"the lock on {self.entity_id} is not held any more{': ' if self.reason else ''}{self.reason}"


class CriticalSectionError(SteadError, RuntimeError):
    """What a critical section does not allow: locks within locks, calls to entities that are not locked, signals to those
    that are, sub-orchestrations. `reason` says which, and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class HistoryTooLong(SteadError):
    """An instance's history has reached its limit, and the instance failed: a loop has to `continue_as_new`."""

    non_retriable = True

    def __init__(self, instance_id: str, length: int, limit: int) -> None:
        super().__init__(instance_id, length, limit)
        self.instance_id = instance_id
        self.length = length
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"the history of instance {self.instance_id!r} has {self.length:,} events, and {self.limit:,} may be: let an "
            "endless loop continue_as_new, split the work over sub-orchestrations, or raise STEAD_HISTORY_LENGTH_MAX"
        )


class TooManyCalls(SteadError):
    """An orchestrator asked for more at one go than it may, and its instance failed: nothing of it was begun."""

    non_retriable = True

    def __init__(self, instance_id: str, limit: int) -> None:
        super().__init__(instance_id, limit)
        self.instance_id = instance_id
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"instance {self.instance_id!r} asked for more than {self.limit:,} activities, timers and other things without waiting "
            "for any, and everything else in the worker waits meanwhile: split the work over sub-orchestrations of some "
            "thousand calls each, await some before you ask for more, or raise STEAD_TURN_CALLS_MAX"
        )
