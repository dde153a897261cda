"""The calls of one client that wait for their answers: matched by call ID, ended by answer, deadline or failure.

Deadlines are those of the hub's clock. All calls have the same time, so they end in the order in which they began, and one
sleeping task serves them all. A patient call has none: whoever began it ends it; nor has one with its caller's deadline.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from stead.entities._message.envelope import Failure, ReplyAddress, decode_reply
from stead.entities._message.errors import CallTimeout, OperationFailed, UnknownEntity, UnknownOperation
from stead.entities._message.ids import EntityId
from stead.transport import (
    HubMismatch,
    InvalidInput,
    PayloadLocked,
    Settings,
    SteadError,
    Store,
    StoreUnavailable,
    begin_task,
    get_logger,
    within,
)
from stead.transport.describing import text_of_error

from .replies import ReplyReader
from .slots import Slots

_log = get_logger(__name__)

AsError: TypeAlias = "Callable[[Failure, str, str], SteadError]"  # of an answer, its target and its operation


class PendingCall:
    """A call that waits for its answer. `deadline`: None for a patient one, which has no slot; infinite for its caller's."""

    __slots__ = ("as_error", "call_id", "deadline", "future", "operation_name", "target")

    def __init__(
        self,
        call_id: int,
        target: str,
        operation_name: str,
        deadline: float | None,
        future: asyncio.Future[Any],
        as_error: AsError,
    ) -> None:
        self.call_id = call_id
        self.target = target
        self.operation_name = operation_name
        self.deadline = deadline
        self.future = future
        self.as_error = as_error


class Calls:
    """The calls in flight of one client."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._clock = store.clock
        self._timeout_s = settings.call_timeout_ms / 1000
        self._reader = ReplyReader(store, settings, self._deliver, self._end_all)
        self._pending: dict[int, PendingCall] = {}
        self._timed: dict[int, PendingCall] = {}  # those with a deadline, in the order of their deadlines
        self._ids = itertools.count(1)
        self._slots = Slots(settings.calls_in_flight_max)
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    async def begin(
        self,
        target: str,
        operation_name: str,
        *,
        patient: bool = False,
        own_deadline: bool = False,
        as_error: AsError | None = None,
    ) -> PendingCall:
        """Enter a call, before it is sent. Waits for a slot while too many are in flight; a patient one takes none,
        so that long waits do not hold up calls. `own_deadline`: whoever began it ends it in time.
        """
        if self._closed:
            raise _closed()
        if not (patient or self._slots.take()):
            await self._wait_for_slot(target, operation_name, None if own_deadline else self._timeout_s)
        deadline = None if patient else math.inf if own_deadline else self._clock.monotonic() + self._timeout_s
        return self._enter(target, operation_name, deadline, entity_error if as_error is None else as_error)

    def begin_now(self, target: str, operation_name: str, *, own_deadline: bool) -> PendingCall | None:
        """`begin`, for a call of an entity; None if there is no slot, so that it would have to wait."""
        if self._closed:
            raise _closed()
        if not self._slots.take():
            return None
        deadline = math.inf if own_deadline else self._clock.monotonic() + self._timeout_s
        return self._enter(target, operation_name, deadline, entity_error)

    def _enter(self, target: str, operation_name: str, deadline: float | None, as_error: AsError) -> PendingCall:
        self._reader.start()
        call_id = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call = self._pending[call_id] = PendingCall(call_id, target, operation_name, deadline, future, as_error)
        if deadline is not None and deadline != math.inf:
            self._timed[call_id] = call
            if self._sweeper is None:
                self._sweeper = begin_task(self._sweep(), name="stead call deadlines")
                self._sweeper.add_done_callback(self._sweeper_ended)
        return call

    async def _wait_for_slot(self, target: str, operation_name: str, seconds: float | None) -> None:
        try:
            async with within(self._clock, seconds):
                await self._slots.wait()
        except TimeoutError:
            raise CallTimeout(f"calling {operation_name!r} of {target}", self._timeout_s) from None
        if self._closed:  # meanwhile
            self._slots.give_back()
            raise _closed()

    def end(self, call: PendingCall) -> None:
        """The call is over, however it ended: nothing of it is kept, and a late answer is dropped."""
        self._pending.pop(call.call_id, None)
        if call.deadline is not None:
            self._timed.pop(call.call_id, None)
            self._slots.give_back()
        future = call.future
        if future.done() and not future.cancelled():
            future.exception()  # looked at: an answer that nobody awaits any more is nothing to warn about

    def reply_to(self, call: PendingCall) -> ReplyAddress:
        return self._reader.address(call.call_id)

    async def aclose(self) -> None:
        """End every call with `StoreUnavailable` and stop reading answers."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._end_all(StoreUnavailable("the client was closed before an answer came", "unknown"))
        await self._reader.aclose()

    def _end_all(self, error: StoreUnavailable | HubMismatch) -> None:
        for call in self._pending.values():
            if not call.future.done():
                call.future.set_exception(copy.copy(error))

    def _deliver(self, payload: bytes) -> None:
        try:
            call_id, answer, well = decode_reply(payload)
        except (SteadError, LookupError, TypeError, AttributeError) as error:
            _log.warning("an answer that cannot be read was dropped: %s", error)
            return
        call = self._pending.get(call_id)
        if call is None or call.future.done():
            return
        if well:
            call.future.set_result(answer)
        elif isinstance(answer, Failure):
            try:
                failed: Exception = call.as_error(answer, call.target, call.operation_name)
            except Exception as broken:  # noqa: BLE001 - one call's trouble is not the others'
                failed = broken
            call.future.set_exception(failed)

    async def _sweep(self) -> None:
        try:
            await self._sweep_until_none()
        except Exception as error:  # noqa: BLE001 - a task's last word: whoever waits would wait in vain
            _log.exception("the deadlines of calls cannot be kept")
            self._end_all(StoreUnavailable(f"deadlines cannot be kept: {text_of_error(error)}", "unknown"))
        finally:
            self._sweeper = None

    def _sweeper_ended(self, sweeper: asyncio.Task[None]) -> None:
        """Somebody's code cancelled it: what it would have ended at its deadline ends now."""
        if not sweeper.cancelled() or self._closed:
            return
        if self._sweeper is sweeper:  # it had not begun
            self._sweeper = None
        self._end_all(StoreUnavailable("its deadline was cancelled by other code of this process", "unknown"))

    async def _sweep_until_none(self) -> None:
        clock = self._clock
        while self._timed:
            first = next(iter(self._timed.values()))
            delay = (first.deadline or 0.0) - clock.monotonic()
            if delay > 0:
                await clock.sleep(delay)
                continue
            del self._timed[first.call_id], self._pending[first.call_id]
            if not first.future.done():
                what = f"calling {first.operation_name!r} of {first.target}"
                first.future.set_exception(CallTimeout(what, self._timeout_s))


def _closed() -> StoreUnavailable:
    return StoreUnavailable("the client is closed", "refused")


def entity_error(failure: Failure, target: str, operation_name: str) -> SteadError:
    """The error that a caller of an entity gets for a failure that came as an answer."""
    entity_id = EntityId.parse(target)
    match failure.kind:
        case "locked":
            return PayloadLocked(failure.message, f"what {operation_name!r} of {entity_id} gave")
        case "unknown_entity":
            return UnknownEntity(entity_id.name)
        case "unknown_operation":
            return UnknownOperation(operation_name, entity_id.name)
        case "invalid_input":
            return InvalidInput(f"operation {operation_name!r} of {entity_id}", failure.message)
        case _:
            return OperationFailed(
                entity_id, operation_name, failure.type, failure.message, failure.traceback, failure.cause or None
            )
