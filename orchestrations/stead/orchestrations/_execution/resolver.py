"""What an execution asks of the app: what is meant by an activity, an orchestration, an operation of an entity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from stead.orchestrations._definition.retry import RetryPolicy
from stead.transport import LimitNumbers


class ActivityForm(Protocol):
    """What a call needs of an activity's definition."""

    @property
    def name(self) -> str: ...

    @property
    def retry(self) -> RetryPolicy | None: ...

    @property
    def queue(self) -> str: ...

    @property
    def tags(self) -> Mapping[str, str] | None: ...

    @property
    def timeout_ms(self) -> int | None: ...

    @property
    def heartbeat_ms(self) -> int | None: ...

    @property
    def total_ms(self) -> int | None: ...

    @property
    def await_cleanup(self) -> bool: ...

    @property
    def local(self) -> bool: ...

    @property
    def numbers(self) -> LimitNumbers | None: ...

    @property
    def priority(self) -> int: ...

    def limit_of(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> str | None: ...

    def encode_arguments(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any] | None]: ...

    def decode_result(self, value: Any) -> Any: ...


class OrchestrationForm(Protocol):
    """What a call or a start needs of an orchestration's definition."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str | None: ...

    @property
    def retry(self) -> RetryPolicy | None: ...

    @property
    def tags(self) -> Mapping[str, str] | None: ...

    @property
    def instance_id(self) -> str | None: ...

    @property
    def parent_close(self) -> str | None: ...

    def encode_input(self, value: Any) -> Any: ...

    def decode_output(self, value: Any) -> Any: ...


class OperationForm(Protocol):
    """What a call needs of an operation's definition."""

    def decode_result(self, value: object) -> object: ...


class EntityOperation(Protocol):
    """A message to an entity: its arguments are plain data, and checked if the operation is known here."""

    @property
    def target(self) -> str: ...

    @property
    def operation_name(self) -> str: ...

    @property
    def args(self) -> Sequence[object]: ...

    @property
    def kwargs(self) -> Mapping[str, object] | None: ...

    @property
    def operation(self) -> OperationForm | None: ...


class TypeResolver(Protocol):
    """What the app knows by name."""

    def activity(self, name: str) -> ActivityForm | None: ...

    def orchestration(self, name: str) -> OrchestrationForm | None: ...

    def resolve(
        self, operation: Any, key: object, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> EntityOperation: ...


class Types:
    """A `TypeResolver` made of functions: each looks a name up, or resolves as `EntityContext.signal_entity` does."""

    __slots__ = ("_activity", "_orchestration", "_resolve")

    def __init__(
        self,
        activity: Callable[[str], ActivityForm | None],
        orchestration: Callable[[str], OrchestrationForm | None],
        resolve: Callable[[Any, object, Sequence[object], Mapping[str, object]], EntityOperation],
    ) -> None:
        self._activity = activity
        self._orchestration = orchestration
        self._resolve = resolve

    def activity(self, name: str) -> ActivityForm | None:
        return self._activity(name)

    def orchestration(self, name: str) -> OrchestrationForm | None:
        return self._orchestration(name)

    def resolve(
        self, operation: Any, key: object, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> EntityOperation:
        return self._resolve(operation, key, args, kwargs)
