"""What every step of a partition's owner looks at first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stead.transport._contract.errors import TornCommit

from .state import Beat, PartitionState

NOBODY: Mapping[str, Beat] = MappingProxyType({})


def owns(state: PartitionState, token: bytes) -> bool:
    """Whether the lease is this token's."""
    return token != b"" and state.lease.token == token


def check_whole(partition: int, state: PartitionState) -> None:
    """Raise `TornCommit` for a partition that was left in the middle of a commit."""
    if state.applying != state.commit_id:
        raise TornCommit(partition, state.applying.hex())


def outlived(workers: Mapping[str, Beat], worker: str, given_up_ms: int) -> bool:
    """Whether a worker has said that it lives after the moment at which it was given up on: then it did not end on what it
    was running."""
    beat = workers.get(worker)
    return beat is not None and beat.beat_ms > given_up_ms
