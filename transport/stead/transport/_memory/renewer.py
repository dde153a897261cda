"""Prolongs the leases of a `MemoryStore`, from any thread."""

from __future__ import annotations

from collections.abc import Mapping

from stead.transport._contract.records import Running

from . import steps
from .base import MemoryBase


class MemoryRenewer:
    """The `Renewer` in memory."""

    def __init__(self, store: MemoryBase) -> None:
        self._store = store

    def renew(self, leases: Mapping[int, bytes], lease_ms: int) -> set[int]:
        """Prolong leases; gives the partitions that are no longer held with these tokens."""
        now_ms = self._store.clock.now_ms()
        return self._store.call_blocking("renew", lambda hub: steps.renew(hub, leases, lease_ms, now_ms))

    def mark_running(self, partition: int, token: bytes, running: Running) -> bool:
        """Record what a stuck worker was running, before the process ends."""
        return self._store.call_blocking(
            "renewer.mark_running", lambda hub: steps.mark_running(hub.partitions[partition], token, running)
        )

    def close(self) -> None:
        """Nothing to close."""
