"""What every step of a partition's owner looks at first."""

from __future__ import annotations

from ._errors import TornCommit
from ._memory_state import PartitionState


def owns(state: PartitionState, token: bytes) -> bool:
    """Whether the lease is this token's."""
    return token != b"" and state.lease.token == token


def check_whole(partition: int, state: PartitionState) -> None:
    """Raise `TornCommit` for a partition that was left in the middle of a commit."""
    if state.applying != state.commit_id:
        raise TornCommit(partition, state.applying.hex())
