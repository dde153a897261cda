"""Which functions `@app.orchestration` takes, and what it makes of each: known to type checkers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar, overload

from stead.orchestrations._definition.orchestration import InputOptional, Orchestration

from .context import OrchestrationContext

I = TypeVar("I")  # noqa: E741 - it is the input
I_contra = TypeVar("I_contra", contravariant=True)
O = TypeVar("O")  # noqa: E741 - it is the output
O_co = TypeVar("O_co", covariant=True)


class FunctionWithDefault(Protocol[I_contra, O_co]):
    """A function whose input has a default."""

    def __call__(self, context: OrchestrationContext, input: I_contra = ..., /) -> Coroutine[Any, Any, O_co]: ...


class OrchestrationDecorator(Protocol):
    """What `@app.orchestration(…)` with options gives."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]  # first match counts
        self, function: FunctionWithDefault[I, O], /
    ) -> InputOptional[I, O]: ...

    @overload
    def __call__(
        self, function: Callable[[OrchestrationContext], Coroutine[Any, Any, O]], /
    ) -> InputOptional[None, O]: ...

    @overload
    def __call__(
        self, function: Callable[[OrchestrationContext, I], Coroutine[Any, Any, O]], /
    ) -> Orchestration[I, O]: ...
