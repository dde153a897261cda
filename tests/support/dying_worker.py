"""A worker that ends as its process does, within a process that goes on."""

from __future__ import annotations

from stead.entities import Worker
from stead.transport import end_task


async def die(worker: Worker) -> None:
    """End everything of the worker. Nobody hears of it: the store has its leases and its name until they expire."""
    worker._ended = True
    for task in worker._tasks:  # all at once: none goes on while another one ends
        task.cancel()
    for task in worker._tasks:
        await end_task(task)
    board, keeper = worker._board, worker._keeper
    assert board is not None and keeper is not None
    await keeper.stop()
    for partition in list(board.partitions.values()):
        board.drop(partition, "its process has ended")
