"""Reads the answers to one client's calls from its reply stream, in the background, across reconnects.

The position is kept in memory only: the stream belongs to this client alone and goes with it. A server that failed over
may write lower stream IDs than the old one did, so the stream is read from its start after a change of servers; an answer
that was delivered before is for a call that is no longer known, and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import zlib
from collections.abc import Callable

from stead.entities._message.envelope import ReplyAddress
from stead.transport import (
    UNANSWERED,
    Backoff,
    HubMismatch,
    Settings,
    SteadError,
    Store,
    StoreClosed,
    StoreUnavailable,
    StreamId,
    begin_task,
    end_task,
    get_logger,
)
from stead.transport.describing import text_of_error

_log = get_logger(__name__)

# Answers are removed from the stream when so much has been read: a request for each would double the traffic.
TRIM_LENGTH = 1_000
TRIM_BYTES = 4_194_304

# How long closing waits for the store to forget the stream. It is forgotten by itself some time later anyway.
DROP_S_MAX = 2.0

START: StreamId = b"0"


class ReplyReader:
    """One client's reply stream, and the task that reads it."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        deliver: Callable[[bytes], None],
        gone: Callable[[HubMismatch | StoreUnavailable], None],
    ) -> None:
        """`gone` is told that nobody will ever answer what was sent so far."""
        self.client = secrets.token_hex(10)
        self.group = zlib.crc32(self.client.encode()) % store.layout.slot_groups
        self._store = store
        self._settings = settings
        self._deliver = deliver
        self._gone = gone
        self._task: asyncio.Task[None] | None = None
        self._trimming: asyncio.Task[None] | None = None
        self._after = START
        self._untrimmed = 0
        self._untrimmed_bytes = 0

    def address(self, call_id: int) -> ReplyAddress:
        """Where the answer to a call is to go."""
        return ReplyAddress(self.group, self.client, call_id)

    def start(self) -> None:
        """Read from now on. To be called before a call is sent; calling it again changes nothing."""
        if self._task is None:
            self._task = begin_task(self._run(), name="stead replies")
            self._task.add_done_callback(self._ended)

    async def aclose(self) -> None:
        """Stop reading and let the store forget the stream."""
        task, self._task = self._task, None
        if task is None:
            return
        for running in (task, self._trimming):
            if running is not None:
                await end_task(running)
        with contextlib.suppress(SteadError, TimeoutError):
            async with asyncio.timeout(DROP_S_MAX):
                await self._store.drop_replies(self.group, self.client)

    async def _run(self) -> None:
        try:
            await self._read_for_ever()
        except Exception as error:  # noqa: BLE001 - a task's last word: whoever waits would wait in vain
            _log.exception("the reader of answers ended")
            self._task = None  # the next call begins anew
            self._gone(StoreUnavailable(f"answers cannot be read: {text_of_error(error)}", "unknown"))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Somebody's code cancelled it (`aclose` has let go of it by then): the same holds."""
        if task.cancelled() and task is self._task:
            self._task = None
            self._gone(StoreUnavailable("the reader of answers was cancelled by other code of this process", "unknown"))

    async def _read_for_ever(self) -> None:
        store = self._store
        generation = store.generation
        backoff = Backoff(store.clock)
        while True:
            try:
                # After a failure do not wait at the server before it is known whether it is still the same one.
                block_ms = 0 if backoff.count else self._settings.read_block_ms
                entries = await store.read_replies(self.group, self.client, self._after, block_ms)
            except StoreClosed:
                return
            except Exception as error:  # noqa: BLE001 - without the reader every call to come would time out
                self._failed(error, first=not backoff.count)
                await backoff.pause()
                continue
            backoff.succeeded()
            for _, payload in entries:
                try:
                    self._deliver(payload)
                except Exception as error:  # noqa: BLE001 - one answer costs no other
                    _log.warning("an answer could not be given to its call: %r", error)
                self._untrimmed_bytes += len(payload)
            if entries:
                self._after = entries[-1][0]
                self._untrimmed += len(entries)
            many = self._untrimmed >= TRIM_LENGTH or self._untrimmed_bytes >= TRIM_BYTES
            if many or (self._untrimmed and not entries):
                self._trim()
            if store.generation != generation:
                generation = store.generation
                self._after = START

    def _failed(self, error: Exception, *, first: bool) -> None:
        """The calls end at their deadlines; the reader goes on, for the server may be put right again."""
        if isinstance(error, UNANSWERED):
            _log.debug("reading replies: %s", error)
        elif isinstance(error, HubMismatch):
            if first:
                _log.error("%s", error)
            self._gone(error)
        elif first:
            _log.warning("reading replies: %s", text_of_error(error))

    def _trim(self) -> None:
        """Remove what was read, beside the reading: nobody waits for it."""
        if self._trimming is None or self._trimming.done():
            self._untrimmed = self._untrimmed_bytes = 0
            self._trimming = begin_task(self._trim_through(self._after))

    async def _trim_through(self, through: StreamId) -> None:
        with contextlib.suppress(Exception):
            await self._store.trim_replies(self.group, self.client, through)
