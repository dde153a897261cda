"""How much a sender has taken and not yet brought to its end, and who waits for that to become less."""

from __future__ import annotations

import asyncio

from stead.transport._contract.settings import Settings

from .lane import Block

# The buffer holds at most this many full batches, in bytes.
BUFFER_BATCHES_MAX = 4


class Room:
    """The buffer of all lanes of a sender, as two numbers with limits."""

    __slots__ = ("_bytes_max", "_length_max", "_waiters", "length", "size_bytes")

    def __init__(self, settings: Settings) -> None:
        self._length_max = settings.producer_buffer_length_max
        self._bytes_max = settings.batch_bytes_max * BUFFER_BATCHES_MAX
        self._waiters: list[asyncio.Future[None]] = []
        self.length = 0  # both are counted up where a message is put: that is done a million times
        self.size_bytes = 0

    @property
    def crowded(self) -> bool:
        return self.length >= self._length_max or self.size_bytes >= self._bytes_max

    def ended(self, block: Block) -> None:
        """A block has come to its end, whatever it is."""
        self.length -= len(block.payloads)
        self.size_bytes -= block.size_bytes

    def clear(self) -> None:
        """Nothing is in here any more."""
        self.length = self.size_bytes = 0

    async def wait(self) -> None:
        """Until somebody lets the waiters look again."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        await future

    def look_again(self, *, whatever: bool = False) -> None:
        """Wake who waits, if there is room now, or `whatever` there is."""
        if self._waiters and (whatever or not self.crowded):
            waiters, self._waiters = self._waiters, []
            for future in waiters:
                if not future.done():
                    future.set_result(None)
