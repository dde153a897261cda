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
    """A state is not what the entity's annotations allow: stored before the code changed, or left by an operation."""

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
