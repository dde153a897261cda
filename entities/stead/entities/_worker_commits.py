"""The part of a worker that commits: whatever turns have finished since the last commit goes into the next one.

One round trip carries the commits of all partitions that have something to commit; each is atomic by itself. Under load
batches grow by themselves, and when idle a single message commits at once. A commit whose answer was lost is sent again
with the same bytes: its ID tells the store whether it was applied already.
"""

from __future__ import annotations

import logging

from stead.transport import Commit, CommitVerdict, ServerChanged

from ._board import Board
from ._effects import Unstorable
from ._partition import Partition

logger = logging.getLogger("stead.worker")


class Committer:
    """Sends commits while there are any."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def run(self) -> None:
        board = self._board
        while True:
            await board.committing.wait()
            while batch := self._build():
                try:
                    await self._commit(batch)
                except ServerChanged:
                    board.check_generation()

    def _build(self) -> list[tuple[Partition, Commit]]:
        batch: list[tuple[Partition, Commit]] = []
        partitions, self._board.to_commit = self._board.to_commit, {}
        for partition in partitions:
            if partition.wants_commit:
                try:
                    batch.append((partition, partition.next_commit()))
                except Unstorable as error:
                    self._begin_anew(partition, error)
        return batch

    def _begin_anew(self, partition: Partition, error: Unstorable) -> None:
        """A state could not be packed: run the partition's uncommitted messages again, packing that state each time,

        so that the operation at fault is found, fails and rolls back.
        """
        logger.warning("%s could not be stored (%s): its last operations run again", error.target, error.reason)
        self._board.environment.pack_each_turn(error.target)
        self._board.drop(partition, "it starts anew")

    async def _commit(self, batch: list[tuple[Partition, Commit]]) -> None:
        board = self._board
        commits = [commit for _, commit in batch]
        verdicts = await board.insist(lambda: board.store.commit(commits, board.generation), "committing")
        for (partition, commit), verdict in zip(batch, verdicts, strict=True):
            if partition.gone:
                continue
            if verdict in (CommitVerdict.APPLIED, CommitVerdict.ALREADY):
                self._applied(partition, commit)
            elif verdict is CommitVerdict.FENCED:
                board.drop(partition, "a commit was refused, since its lease is no longer this worker's")
            else:
                logger.critical(
                    "partition %d is quarantined: an earlier commit was applied in part; see `stead info`",
                    partition.number,
                )
                board.drop(partition, "it is quarantined")

    def _applied(self, partition: Partition, commit: Commit) -> None:
        board = self._board
        due_before = partition.next_due_ms
        partition.committed()
        if partition.wants_commit:  # turns that ended meanwhile
            board.to_commit[partition] = None
        if partition.next_due_ms != due_before:
            board.timing.ring()
        if partition.has_turns or partition.suspects.careful:
            board.turn(partition)
        if partition.wants_parking:  # parks that this commit took from had to wait for it
            board.parking.ring()
        board.reading.ring()  # which may have waited for it
        if commit.dropped:
            board.unwanted(partition, commit.dropped)
        if commit.tasks:
            own = [task for task in commit.tasks if not task.shared]
            if own:
                board.granted(partition, own)
        board.notify(partition)
