"""Who of a group's readers reads which partitions: what a reader does next, by what it sees of the group. Computes only.

1. The living readers share the partitions evenly, each by the same rule (`assign_partitions`), so that all agree without talking.
2. What is free is claimed at once. What somebody else holds and does not give back is taken over once its claim has been seen to have run
   out twice, a third of its time apart: so renewals that are queued behind a stall win (HAZARDS 19).
3. What is another's by now is given back as soon as all that was read of it is done, at the latest after a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stead.entities._index.assignment import assign_partitions
from stead.transport import GroupRow, GroupView

from .cursor import Place


@dataclass(slots=True)
class Held:
    """A partition that this reader has claimed."""

    fence: bytes
    done: Place  # as far as the group knows
    read: Place  # as far as this reader has read
    leaving_ms: int | None = None  # since when it is another's

    @property
    def idle(self) -> bool:
        """Whether nothing that was read of it waits to be done."""
        return (self.read.whole, self.read.changes) <= (self.done.whole, self.done.changes)


@dataclass(slots=True)
class GroupSharing:
    """What one reader knows of its group.

    Invariant: `held` has the partitions whose rows name this reader's fences, as far as it has seen.
    """

    reader: str
    alive_ms: int
    """For how long a reader counts as alive. Whoever is said to live for longer has said so before the clock was set back."""
    claim_ms: int
    drain_ms: int
    """How long what is another's is kept for the sake of what was read of it and is not done."""
    held: dict[int, Held] = field(default_factory=dict[int, Held])
    rows: Mapping[int, GroupRow] = field(default_factory=dict[int, GroupRow])
    _run_out: dict[int, tuple[GroupRow, int]] = field(default_factory=dict[int, tuple[GroupRow, int]])

    def wanted(self, view: GroupView) -> list[int]:
        """The partitions that are this reader's to claim, as things are."""
        assigned = self._assigned(view)
        now_ms = view.now_ms
        for partition, held in self.held.items():
            if partition in assigned:
                held.leaving_ms = None
            elif held.leaving_ms is None:
                held.leaving_ms = now_ms
        free: list[int] = []
        for partition in sorted(assigned - self.held.keys()):
            row = view.rows[partition]
            # What it has claimed itself and never heard of is its own.
            if not row.fence or row.reader == self.reader or self._has_run_out(partition, row, now_ms):
                free.append(partition)
        return free

    def _assigned(self, view: GroupView) -> set[int]:
        now_ms = view.now_ms
        readers = {name for name, until_ms in view.readers.items() if now_ms <= until_ms <= now_ms + self.alive_ms}
        readers.add(self.reader)
        owners = assign_partitions(dict.fromkeys(readers, frozenset[str]()), len(view.rows), {})
        return {partition for partition, owner in owners.items() if owner == self.reader and partition in view.rows}

    def _has_run_out(self, partition: int, row: GroupRow, now_ms: int) -> bool:
        """Whether a claim has been seen to have run out twice, far enough apart."""
        if now_ms <= row.until_ms <= now_ms + self.claim_ms:
            self._run_out.pop(partition, None)
            return False
        seen, since_ms = self._run_out.get(partition, (row, now_ms))
        if (seen.fence, seen.until_ms) != (row.fence, row.until_ms) or since_ms > now_ms:
            seen, since_ms = row, now_ms
        self._run_out[partition] = seen, since_ms
        return now_ms - since_ms >= self.claim_ms // 3

    def given_back(self, now_ms: int) -> list[tuple[int, bytes]]:
        """What is to be given back now."""
        return [
            (partition, held.fence)
            for partition, held in self.held.items()
            if held.leaving_ms is not None and (held.idle or now_ms - held.leaving_ms >= self.drain_ms)
        ]

    def learn(self, view: GroupView, fences: Mapping[int, bytes]) -> list[int]:
        """What the group has become. `fences`: under which partitions were claimed; gives those that were."""
        self.rows = rows = view.rows
        for partition in [number for number, held in self.held.items() if rows[number].fence != held.fence]:
            del self.held[partition]
        claimed = [number for number, fence in fences.items() if rows[number].fence == fence]
        for partition in claimed:
            place = Place.of_text(view.rows[partition].place)
            self.held[partition] = Held(fences[partition], place, place)
            self._run_out.pop(partition, None)
        return claimed
