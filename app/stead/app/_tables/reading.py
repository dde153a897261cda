"""Work in a thread that reads entities through a client: DuckDB and files block, and a client lives on its event loop.

1. The thread asks the loop for page after page, and waits for each: so memory holds one, and the loop stays free.
2. Who waits for the work may be cancelled, and there is a time-out. Then the work is interrupted, and its end is waited for: no
   thread goes on for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar, cast

from stead.entities import CallTimeout
from stead.entities.extending import ConditionNode
from stead.transport import LeftOut, see_through

from .table import Loosened, Rows, Table

T = TypeVar("T")

Progress = Callable[[int], None]
"""Is told, in the client's thread or another one, how many entities have been read so far."""

_INTERRUPT_S = 0.05
_ADVICE = "read less of it at once, or raise STEAD_SQL_TIMEOUT_MS"


def _nothing() -> None:
    pass


class TableReading:
    """One piece of work. Made on the client's loop; `batches` is for the thread."""

    def __init__(
        self,
        pages: Callable[[str], AsyncIterator[Rows]],
        left_out: LeftOut,
        progress: Progress | None,
        timeout_s: float,
        narrowed: Callable[[str, ConditionNode], AsyncIterator[Rows]] | None = None,
    ) -> None:
        """`pages` of all whose targets have a prefix; `narrowed` of at least those that match."""
        self._narrowed = narrowed
        self._pages = pages
        self._left_out = left_out
        self._progress = progress
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._stopped = False
        self._waits: set[Future[Any]] = set()
        self._opened: list[AsyncIterator[Rows]] = []
        self.error: BaseException | None = None
        """What went wrong with reading, which a library between may have told in words of its own."""

    async def run(self, work: Callable[[], T], what: str, interrupt: Callable[[], None] = _nothing) -> T:
        """Carry out `work` in a thread; anew each time that a column turned out to be a loose one. `interrupt` is called, again
        and again, when it has to end. Raises `CallTimeout`."""
        scope = asyncio.timeout(self._timeout_s)
        try:
            async with scope:
                while True:
                    try:
                        return await self._run(work, interrupt)
                    except Loosened:
                        self._count = 0
        except TimeoutError:
            if not scope.expired():
                raise
        raise CallTimeout(what, self._timeout_s, _ADVICE)

    async def _run(self, work: Callable[[], T], interrupt: Callable[[], None]) -> T:
        self.error = None
        running = self._loop.run_in_executor(None, work)
        try:
            return await asyncio.shield(running)
        finally:
            await see_through(self._end(running, interrupt))

    async def _end(self, running: asyncio.Future[Any], interrupt: Callable[[], None]) -> None:
        interrupted = not running.done()
        while not running.done():
            self._stopped = True
            for wait in list(self._waits):
                wait.cancel()
            interrupt()
            await asyncio.wait((running,), timeout=_INTERRUPT_S)
        if interrupted and not running.cancelled():
            running.exception()  # looked at: who waited for it does not any more
        opened, self._opened = self._opened, []
        for pages in opened:
            await pages.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType]

    # -- in the thread ---------------------------------------------------------------------------------------------------

    def batches(self, table: Table) -> Iterator[Any]:
        """A table's rows in batches of Arrow, read now. What it raises is in `error`, too."""
        try:
            yield from table.batches(self._read(table), self._left_out)
        except GeneratorExit:
            raise
        except BaseException as error:
            if not isinstance(self.error, Loosened):  # which another reader of the same table stumbles over
                self.error = error
            raise

    def _read(self, table: Table) -> Iterator[Rows]:
        narrowed = self._narrowed if table.narrow is not None else None
        pages = self._pages(table.prefix) if narrowed is None else narrowed(table.prefix, cast("Any", table.narrow))
        self._opened.append(pages)
        while True:
            page = self._wait(anext(pages, None))
            if page is None:
                return
            yield page
            self._count += len(page)
            if self._progress is not None:
                self._progress(self._count)

    def _wait(self, page: Any) -> Any:
        wait: Future[Any] = asyncio.run_coroutine_threadsafe(_awaited(page), self._loop)
        self._waits.add(wait)
        try:
            if self._stopped:
                wait.cancel()
            return wait.result()
        except CancelledError:
            raise InterruptedError("interrupted") from None
        finally:
            self._waits.discard(wait)


def _awaited(page: Any) -> Coroutine[Any, Any, Any]:
    async def wait() -> Any:
        return await page

    return wait()
