"""What stead's own entities can do in their contexts, and others cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stead.entities._message.envelope import MESSAGE_VERSION
from stead.transport import Settings

from .context import EntityContext


def send_message(
    context: EntityContext,
    target: str,
    operation: str,
    args: Sequence[object],
    *,
    kwargs: Mapping[str, object] | None = None,
    version: int = MESSAGE_VERSION,
    starts: bool = False,
) -> None:
    """For stead's own entities: send a message as it is, if the operation succeeds; one that `starts` an instance reserves its
    ID. Raises `InvalidInput` for what cannot be stored, and `PayloadTooLarge`."""
    turn = context._running()  # pyright: ignore[reportPrivateUsage]
    turn.send_message(target, operation, args, kwargs, version, starts=starts)


def send_signal(
    context: EntityContext, target: str, operation: str, args: Sequence[object], kwargs: Mapping[str, object] | None
) -> None:
    """For stead's own entities: send a signal that was resolved before to an entity, if the operation succeeds. Raises
    `InvalidInput` for what cannot be stored, and `PayloadTooLarge`."""
    context._running().send_signal(target, operation, args, kwargs)  # pyright: ignore[reportPrivateUsage]


def keep_for(context: EntityContext, milliseconds: int) -> None:
    """The entity expires, but not before so long from now."""
    turn = context._running()  # pyright: ignore[reportPrivateUsage]
    turn.keep_for(milliseconds)


def settings_of(context: EntityContext) -> Settings:
    """The settings of the worker that runs the operation."""
    return context._running().settings  # pyright: ignore[reportPrivateUsage]
