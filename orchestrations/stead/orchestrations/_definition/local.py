"""What `local=True` asks of an activity: that nothing else of it says that it has to be durable, or elsewhere, before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stead.entities import InvalidDefinition
from stead.transport import InvalidInput

if TYPE_CHECKING:
    from .activity_limits import ActivityLimits

_WHERE = "a local activity runs where its orchestration is, which may serve no queue but that of its instances"
_WAITS = "a local activity begins at once, and waits behind nothing"
_LONG = "it says that the activity takes long; a local one is over before anybody could wait for a heartbeat"
_THREAD = (
    "a local activity is an `async def`: a `def` runs in a thread, and its orchestration would have to wait for that thread "
    "before it can be committed"
)


def contradiction(
    *, is_async: bool, queue: str, heartbeat_ms: int | None, limits: ActivityLimits | None
) -> tuple[str, str] | None:
    """What of an activity's options does not go with `local=True`, and why; None if all does."""
    if not is_async:
        return "local=True", _THREAD
    if queue:
        return f"queue={queue!r}", _WHERE
    if limits is not None:
        named = "concurrency" if limits.concurrency is not None else "rate"
        return f"{named}={getattr(limits, named)!r}", _WAITS
    if heartbeat_ms is not None:
        return "heartbeat_timeout", _LONG
    return None


def refuse_definition(name: str, found: tuple[str, str] | None) -> None:
    """Raises `InvalidDefinition` if something in a decorator contradicts."""
    if found is not None:
        part, why = found
        raise InvalidDefinition(f"activity {name!r}", f"`{part}` does not go with `local=True`: {why}")


def refuse_options(name: str, found: tuple[str, str] | None) -> None:
    """Raises `InvalidInput` if something in `with_options` contradicts."""
    if found is not None:
        part, why = found
        raise InvalidInput(part, f"it does not go with `local=True` of activity {name!r}: {why}")
