"""What can go wrong with entities, beyond what the store itself raises.

An error says what happened, whose fault it is and what to do next; its fields are kept and it survives pickling.
"""

from __future__ import annotations

from collections.abc import Iterable

from stead.transport import InvalidInput, SteadError


class OperationFailed(SteadError):
    """An operation raised an error. Its state changes and its signals were undone; the entity goes on.

    `error_type` is the qualified name of what it raised, `traceback` the text of its traceback in the worker, `cause`
    the error that caused it, if there was one.
    """

    def __init__(
        self,
        entity_id: object,
        operation_name: str,
        error_type: str,
        message: str,
        traceback: str = "",
        cause: str | None = None,
    ) -> None:
        super().__init__(entity_id, operation_name, error_type, message, traceback, cause)
        self.entity_id = entity_id
        self.operation_name = operation_name
        self.error_type = error_type
        self.message = message
        self.traceback = traceback
        self.cause = cause

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"operation {self.operation_name!r} of {self.entity_id} raised {self.error_type}{said}"


class UnknownEntity(SteadError):
    """No entity of this name, or no such class, is registered."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(name, self.known)

    def __str__(self) -> str:
        known = f"; known: {', '.join(self.known)}" if self.known else ""
        return f"no entity named {self.name!r} is registered; put @app.entity on its class and start a worker{known}"


class UnknownOperation(SteadError):
    """The entity has no operation of this name. A function entity raises it for names that it does not know."""

    def __init__(self, operation_name: str, entity_name: str = "", known: Iterable[str] = ()) -> None:
        self.operation_name = operation_name
        self.entity_name = entity_name
        self.known = tuple(known)
        super().__init__(operation_name, entity_name, self.known)

    def __str__(self) -> str:
        entity = f"entity {self.entity_name!r}" if self.entity_name else "the entity"
        known = f"; it has: {', '.join(self.known)}" if self.known else ""
        return f"{entity} has no operation {self.operation_name!r}{known}"


class CallTimeout(SteadError, TimeoutError):
    """No answer came in time. The operation may still be carried out: its message is durable.

    Give a longer time (`asyncio.timeout`, `STEAD_CALL_TIMEOUT_MS`), or see whether a worker runs (`stead info`).
    """

    def __init__(self, what: str, timeout_seconds: float, advice: str = "") -> None:
        super().__init__(what, timeout_seconds, advice)
        self.what = what
        self.timeout_seconds = timeout_seconds
        self.advice = advice or (
            "it may still be carried out, so check before you repeat it, and see `stead info` whether a worker runs"
        )

    def __str__(self) -> str:
        return f"{self.what}: no answer within {self.timeout_seconds:g} s; {self.advice}"


class InvalidState(SteadError):
    """A state is not what the entity's annotations allow: stored before the code changed, or left by an operation. Or what is
    stored of something cannot be read at all: something else has written there."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class InvalidDefinition(SteadError, TypeError):
    """An entity's class or function cannot be one as it is written. `what` names it, `reason` says what to change."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


class ChangesLost(SteadError):
    """Changes that a reader has not seen are not kept any more, or the server went back to a time before them.

    `missing`: how many commits' changes are gone for it, as far as that is known. Go on with `changes(…, after=error.resume)`, once you have
    read the entities themselves anew.
    """

    def __init__(self, entity_name: str, missing: int, went_back: bool, resume: str) -> None:
        super().__init__(entity_name, missing, went_back, resume)
        self.entity_name = entity_name
        self.missing = missing
        self.went_back = went_back
        self.resume = resume

    def __str__(self) -> str:
        if self.went_back:
            return (
                f"changes of {self.entity_name}: the server has gone back to a time before what was read last (a restart without its newest "
                "data, or a fail-over); read the entities anew, and go on with after=error.resume"
            )
        return (
            f"changes of {self.entity_name}: those of {self.missing:,} commits were not read in time and are not kept any more; read the "
            "entities anew, go on with after=error.resume, and keep changes for longer"
        )


class IndexNotReady(SteadError):
    """A field cannot be queried yet: its index is being built, or no worker has declared it.

    Workers build the index of a new field in the background; `stead info` shows how far it is. `ready` of `partitions` have it.
    """

    def __init__(
        self, entity_name: str, field: str, ready: int, partitions: int, reason: str = "", *, known: bool = True
    ) -> None:
        reason = reason or (
            f"its index is being built, and is ready in {ready} of {partitions} partitions; ask again later"
            if known
            else "no worker of this hub has an index of it, of this type: start a worker with this class"
        )
        super().__init__(entity_name, field, ready, partitions, reason)
        self.entity_name = entity_name
        self.field = field
        self.ready = ready
        self.partitions = partitions
        self.reason = reason

    @property
    def progress(self) -> float:
        """How much of it is ready, from 0 to 1."""
        return self.ready / self.partitions

    def __str__(self) -> str:
        return f"{self.entity_name}.{self.field} cannot be queried yet: {self.reason}"


class PartlySent(SteadError):
    """A query's signals were sent to some of the entities that match, then it stopped: `sent` of `total` have theirs for certain.

    The cause is the error that it carries as its cause. Use `signal_once` where it has to be repeated until it is through.
    """

    def __init__(self, sent: int, total: int, reason: str) -> None:
        super().__init__(sent, total, reason)
        self.sent = sent
        self.total = total
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.sent} of {self.total} were signalled for certain, and then it stopped: {self.reason}"


class ContextEnded(SteadError, RuntimeError):
    """A context was used outside the operation that it belongs to."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class ArgumentRefused(InvalidInput):
    """An argument of an operation was refused before the operation did anything: its caller is told so as itself.

    Raised where arguments arrive; where they are sent from, whoever sends gets `InvalidInput`.
    """
