"""Partitions that a worker leaves alone, because what the store holds of them is not what stead wrote.

Such a partition is let go of, named loudly, and tried again now and then: it comes back when its keys are mended. All the
others go on. What is wrong with the hub's own keys is named here too.
"""

from __future__ import annotations

from collections.abc import Container

from stead.transport import KeyDamaged, SteadError, TornCommit, get_logger

logger = get_logger("stead.worker")

RETRY_S = 1.0  # least time between two tries of a partition
PROBATION_S = 3.0  # a partition that was taken again works again once nothing was wrong for so long
_REASON_LENGTH_MAX = 500  # characters of a reason that are told to others


class Quarantine:
    """What is wrong, partition by partition (None: the hub's own keys). It does no I/O."""

    def __init__(self) -> None:
        self._reasons: dict[int | None, str] = {}
        self._retry_at: dict[int, float] = {}
        self._held_since: dict[int, float] = {}
        self._hub_noted = False

    def note(self, error: KeyDamaged | TornCommit, monotonic: float) -> int | None:
        """Something is wrong: what is new of it is logged. Gives the partition that cannot go on, None for none."""
        partition = error.partition if isinstance(error, TornCommit) else error.stands_still
        if partition is not None:
            self._retry_at[partition] = monotonic + RETRY_S
        self._tell(partition, error)
        return partition

    def see(self, partition: int, reason: str, monotonic: float) -> None:
        """A lease says of itself that it is in quarantine."""
        self._retry_at[partition] = monotonic + RETRY_S
        self._tell(partition, reason)

    def _tell(self, partition: int | None, reason: SteadError | str) -> None:
        told = str(reason)
        if partition is not None:
            self._held_since.pop(partition, None)
        else:
            self._hub_noted = True
        if self._reasons.get(partition) == told:
            return
        self._reasons[partition] = told
        if partition is None:
            logger.critical("a key of this hub is damaged: %s", told)
        else:
            logger.critical("partition %d is quarantined, all others go on: %s", partition, told)

    def hub_was_read(self) -> None:
        """Once a heartbeat, when the hub's own keys were read: they are well if nothing was noted of them since the last time."""
        if not self._hub_noted and self._reasons.pop(None, None) is not None:
            logger.warning("the hub's own keys can be read again")
        self._hub_noted = False

    def held(self, partition: int, monotonic: float) -> None:
        """It was taken, which looks at all its keys; whether what is in them can be read shows only later."""
        if partition in self._reasons:
            self._held_since[partition] = monotonic

    def look(self, held: Container[int], wanted: Container[int], monotonic: float) -> None:
        """Once a heartbeat: which partitions work again, and which are others' business now."""
        for partition in [partition for partition in self._reasons if partition is not None]:
            since = self._held_since.get(partition)
            if partition in held and since is not None and monotonic - since >= PROBATION_S:
                logger.warning("partition %d works again", partition)
                self._forget(partition)
            elif partition not in held and partition not in wanted:
                self._forget(partition)

    def _forget(self, partition: int) -> None:
        del self._reasons[partition]
        self._retry_at.pop(partition, None)
        self._held_since.pop(partition, None)

    def waits(self, partition: int, monotonic: float) -> bool:
        """Whether it is too early to try this partition again."""
        return self._retry_at.get(partition, monotonic) > monotonic

    def told(self) -> dict[str, str]:
        """What other workers, and people, are told: why, by partition."""
        reasons = self._reasons.items()
        return {str(partition): why[:_REASON_LENGTH_MAX] for partition, why in reasons if partition is not None}
