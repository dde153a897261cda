"""The span of an operation, around its code. What it sends belongs to it (`Turn.trace`); it is told with the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stead.entities._partition.underway import WithVariables
from stead.entities._tracing.operations import begin_operation

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from stead.entities._message.envelope import Message
    from stead.entities._partition.effects import Effects

    from .turn import Turn


def begin_span(turn: Turn, *messages: Message) -> None:
    """The operation begins, with this message or all of these."""
    turn.span = begin_operation(turn.target, messages)
    turn.span.enter()


def goes_on(turn: Turn, awaitable: Awaitable[object]) -> Awaitable[object]:
    """It is asynchronous: what is to be awaited, in a task of which its span is the current one."""
    span = turn.span
    if span is None:
        return awaitable
    span.leave()
    return WithVariables(awaitable, span.variables())


def end_span(turn: Turn, effects: Effects, error: BaseException | None = None) -> None:
    """It has ended, badly if with an error."""
    span, turn.span = turn.span, None
    if span is None:
        return
    span.leave()
    if error is not None:
        span.failed(error)
    effects.spans.append(span)


def drop_span(turn: Turn) -> None:
    """It has been undone, and its messages run anew."""
    if turn.span is not None:
        turn.span.leave()
        turn.span = None
