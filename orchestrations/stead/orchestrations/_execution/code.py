"""What an execution has to do with: an orchestration's definition, and what waits for answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from stead.orchestrations._history.events import Event


class QuestionForm(Protocol):
    """What is needed of the definition of a query or an update."""

    @property
    def name(self) -> str: ...

    @property
    def function(self) -> Callable[..., Any]: ...

    def prepare(self, args: Sequence[object], kwargs: Mapping[str, object] | None) -> Callable[..., Any]: ...

    def encode_result(self, value: object) -> object: ...


class UpdateForm(QuestionForm, Protocol):
    """What is needed of the definition of an update."""

    def check(self, state: Any, args: Sequence[object], kwargs: Mapping[str, object] | None) -> None: ...

    def start(
        self, context: Any, state: Any, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> object: ...


class Code(Protocol):
    """What an execution needs of an orchestration's definition."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str | None: ...

    @property
    def queries(self) -> Mapping[str, QuestionForm]:
        """By their names in small letters."""
        ...

    @property
    def updates(self) -> Mapping[str, UpdateForm]:
        """By their names in small letters."""
        ...

    def start(self, context: Any, input: object) -> Coroutine[Any, Any, object]:
        """The coroutine of the code. `context`: an `OrchestrationContext`, which imports this module."""
        ...

    def encode_input(self, value: Any) -> object: ...

    def encode_output(self, value: Any) -> object: ...


class Waiting(Protocol):
    """Something that waits for the answer to a scheduled event."""

    event: Event

    def answer(self, event: Event) -> None: ...

    def begin_attempts(self) -> None:
        """If it is tried again when it fails: as often as at the beginning, from now on."""
        ...


class Unanswered:
    """What nobody waits for any more, after the end."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def answer(self, event: Event) -> None:
        """Nothing: the code has ended."""

    def begin_attempts(self) -> None:
        """Nothing either."""
