"""Names what code has asked for and never looked at: most likely an `await` was forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stead.transport import get_logger

from .recorded import describe_event

log = get_logger("stead.orchestration")


def report_unawaited(instance_id: str, name: str, waiting: Iterable[Any]) -> None:
    """An orchestration has completed, and all that is left in its execution was waiting for an answer."""
    unseen = [one.event for one in waiting if not getattr(one, "awaited", True)]
    if unseen:
        log.warning(
            "%s: orchestration %s has completed, and nobody awaited %s%s: what comes of it is dropped; await it, or use "
            "context.start_new for what is to run by itself",
            instance_id,
            name,
            describe_event(unseen[0]),
            f" and {len(unseen) - 1:,} more" if len(unseen) > 1 else "",
        )
