"""Who lives, and says so: workers, and groups of readers; as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from stead.transport._contract.groups import GroupRow


@dataclass(slots=True)
class Beat:
    """What a worker said of itself, and until when it counts as alive."""

    beat_ms: int
    expires_ms: int
    info: bytes


@dataclass(slots=True)
class ReaderGroup:
    """Where a group is, and who is in it. A hub holds them by feed and name."""

    expires_ms: int
    rows: dict[int, GroupRow]
    readers: dict[str, int] = field(default_factory=dict[str, int])  # until when each counts as alive
