"""The client of a hub's entities: signal, call, read, list.

"Durable when it returns": `signal_entity` returns when the message is in the store. A call is a message with a reply
address; its answer comes over the client's reply stream. Many callers at once share the requests of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from stead.entities._definition.addressing import Call, resolve_call
from stead.entities._definition.entity import Entity
from stead.entities._definition.registry import Registry
from stead.entities._message.envelope import message_extras
from stead.entities._message.errors import CallTimeout
from stead.entities._message.ids import EntityId
from stead.entities._message.shards import version_for
from stead.entities._message.times import delay_in_ms, instant_in_ms
from stead.entities._message.trace import TraceContext
from stead.entities._tracing import switch
from stead.entities._tracing.carried import given
from stead.entities._tracing.sending import CALL, SIGNAL, sending
from stead.transport import (
    Sender,
    Settings,
    Store,
    see_through,
)

from .calls import Calls, PendingCall
from .following import Following
from .no_answer import NoAnswer
from .producer import BaseProducer, Producer, SourceProducer, check_source
from .query_hub import QueryHub
from .querying import Querying
from .scheduled import ScheduledSignals
from .sharding import session_sender, source_sender

E = TypeVar("E", bound=Entity)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
V = TypeVar("V")  # what the store has of a target
B = TypeVar("B", bound=BaseProducer)

NOT_SENT = (
    "the server has not said whether there is such an operation, so nothing was sent; see whether it can be reached"
)


class EntityClient(Following, Querying):
    """Talks to the entities of one hub. Close it with `aclose`, or use it with `async with`."""

    def __init__(self, store: Store, registry: Registry, settings: Settings) -> None:
        """A client over an open store, which it does not close."""
        super().__init__(store, registry, settings)
        self._sender = Sender(store, settings)
        self._calls = Calls(store, settings)
        self._sender_name = session_sender()  # by which a sharded entity's shard is chosen
        self._producers: set[BaseProducer] = set()
        self._no_answer = NoAnswer(store, settings)
        shards = self._outgoing.shards
        self._queries = QueryHub(
            store,
            registry,
            settings,
            self._outgoing.names,
            shards,
            self.entity_pages,
            self._producer_of,
            self._check_open,
        )

    def _producer_of(self, source: str | None) -> Producer | SourceProducer:
        return self.producer() if source is None else self.producer(source)

    async def aclose(self) -> None:
        """Stop. What is under way raises `StoreUnavailable`, and so does everything from now on, at once; producers still
        open are closed.

        Done to its end even if this is cancelled.
        """
        self._home.check()
        await see_through(self._close())

    async def _close(self) -> None:
        self._closed = True
        await self._leave_groups()
        for producer in list(self._producers):
            await producer.aclose()
        await self._calls.aclose()
        await self._sender.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- signals -------------------------------------------------------------------------------------------------------

    @overload
    async def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    @overload
    async def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...

    async def signal_entity(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Send an operation to an entity, without an answer. Durable when it returns.

        Raises `UnknownEntity`, `UnknownOperation` and `InvalidInput` before anything is sent; `BacklogFull` if nothing
        was accepted (a server whose memory is full takes a `delete` all the same); `StoreUnavailable` if the store did not
        answer (its `outcome` says what is known); `AcknowledgedLost` if the server lost earlier messages of this client
        (then this one was not accepted).
        """
        await self._signal(subject, key_or_name, args, kwargs)

    def after(self, delay: timedelta) -> ScheduledSignals:
        """A sender of signals that are carried out so long after they were accepted (at once if negative)."""
        return ScheduledSignals(self._signal, delay_ms=delay_in_ms(delay))

    def at(self, due: datetime) -> ScheduledSignals:
        """A sender of signals that are carried out at an instant (at once if it is past)."""
        return ScheduledSignals(self._signal, due_ms=instant_in_ms(due))

    @overload
    def producer(self, source: None = None) -> Producer: ...

    @overload
    def producer(self, source: str) -> SourceProducer: ...

    def producer(self, source: str | None = None) -> Producer | SourceProducer:
        """A producer of signals in a stream: `async with client.producer() as producer`.

        With a `source`, its signals carry sequence numbers of an at-least-once source and are accepted once, whatever
        restarts in between; one producer per source at a time.
        """
        return self._produced_by(Producer, None) if source is None else self._produced_by(SourceProducer, source)

    def _produced_by(self, kind: type[B], source: str | None) -> B:
        """A producer of a kind, which ends with this client."""
        self._check_open()
        sender = Sender(self._store, self._settings, None if source is None else check_source(source), patient=True)
        name = session_sender() if source is None else source_sender(source)
        producer = kind(self._outgoing, sender, self._producers.discard, name, source=source is not None)
        self._producers.add(producer)
        return producer

    async def _signal(
        self,
        subject: object,
        key_or_name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        delay_ms: int | None = None,
        due_ms: int | None = None,
    ) -> None:
        self._check_open()
        outgoing = self._outgoing
        call = resolve_call(outgoing.registry, subject, key_or_name, args, kwargs)
        if call.operation is None:
            call = await outgoing.published(call)
        if not switch.look():
            await self._send_signal(call, delay_ms, due_ms, given.get())
            return
        with sending(SIGNAL, call.target, call.operation_name) as trace:
            await self._send_signal(call, delay_ms, due_ms, trace)

    async def _send_signal(
        self, call: Call, delay_ms: int | None, due_ms: int | None, trace: TraceContext | None
    ) -> None:
        outgoing, sender = self._outgoing, self._sender
        frees = call.frees and delay_ms is None and due_ms is None
        extras = message_extras(kwargs=call.kwargs, delay_ms=delay_ms, due_ms=due_ms, trace=trace)
        if outgoing.shards.declared_or_known(call):
            await self._send_to_shards(call.kept(), extras, frees=frees)
            return
        payload = outgoing.encode(call.target, call.operation_name, call.args, extras)
        partition = outgoing.partition(call.target)
        if sender.crowded:
            await sender.room()
        put = sender.put_freeing if frees else sender.put
        await sender.wait(partition, put(partition, payload))

    async def _send_to_shards(self, call: Call, extras: Mapping[str, object] | None, *, frees: bool) -> None:
        """Put a signal into the inbox of whichever shards it goes to; it may be repeated if that fails for some of them."""
        outgoing = self._outgoing
        targets = await outgoing.shards.receivers(call, self._sender_name)
        sender = await self._roomy_sender()
        put = sender.put_freeing if frees else sender.put
        tickets: list[tuple[int, int]] = []
        for target in targets:
            payload = outgoing.encode(target, call.operation_name, call.args, extras, None, version_for(target))
            partition = outgoing.partition(target)
            tickets.append((partition, put(partition, payload)))
        await asyncio.gather(*(sender.wait(*ticket) for ticket in tickets))

    async def _send_to_instance(self, target: str, payload: bytes, *, frees: bool = False) -> bool:
        """Put a message into the inbox of an instance that has to be there, and not finished: durable when it returns True. False: the
        store has refused it. `frees`: memory, so that a full server takes it."""
        partition = self._outgoing.partition(target)
        sender = await self._roomy_sender()
        return await sender.wait_judged(sender.put_to_instance(partition, payload, target, frees=frees))

    async def _roomy_sender(self) -> Sender:
        """The sender, once it takes a message."""
        self._check_open()
        if self._sender.crowded:
            await self._sender.room()
        return self._sender

    # -- calls ---------------------------------------------------------------------------------------------------------

    @overload
    async def call_entity(
        self,
        operation: Callable[Concatenate[E, P], Coroutine[Any, Any, R]],
        key: str,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...

    @overload
    async def call_entity(
        self, operation: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    async def call_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> Any: ...

    async def call_entity(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run an operation of an entity and return its result; what it raised is raised here as `OperationFailed`.

        The deadline is an `asyncio.timeout` around the call, else the settings' `call_timeout_ms` (`CallTimeout`). After
        either, the operation may still be carried out. Raises what `signal_entity` raises as well.
        """
        self._check_open()
        call = resolve_call(self._registry, subject, key_or_name, args, kwargs)
        if call.operation is None:
            call = await self._outgoing.published(call)
        return await self._answer(call)

    def _answer(self, call: Call, *, own_deadline: bool = False) -> Coroutine[Any, Any, Any]:
        """Send a call and wait for its answer; `own_deadline`: its caller's."""
        if self._outgoing.shards.declared_or_known(call):
            self._outgoing.shards.refuse_call(call)
        if switch.look():
            return self._answer_told(call, own_deadline=own_deadline)
        return self._answered(call, given.get(), own_deadline=own_deadline)

    async def _answer_told(self, call: Call, *, own_deadline: bool) -> Any:
        with sending(CALL, call.target, call.operation_name) as trace:
            return await self._answered(call, trace, own_deadline=own_deadline)

    async def _answered(self, call: Call, trace: TraceContext | None, *, own_deadline: bool) -> Any:
        calls, sender = self._calls, self._sender
        pending = calls.begin_now(call.target, call.operation_name, own_deadline=own_deadline)
        if pending is None:
            call = call.kept()
            pending = await calls.begin(call.target, call.operation_name, own_deadline=own_deadline)
        try:
            extras = message_extras(kwargs=call.kwargs, reply_to=calls.reply_to(pending), trace=trace)
            payload = self._outgoing.encode(call.target, call.operation_name, call.args, extras)
            if sender.crowded:
                await sender.room()
            self._put_call(pending, payload, frees=call.frees)
            value = await pending.future
        except CallTimeout as error:
            raise await self.unanswered(error.what, call.target, error.timeout_seconds) from None
        finally:
            calls.end(pending)
        return value if call.operation is None else call.operation.decode_result(value)

    async def call_within(self, seconds: float, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> Any:
        """`call_entity` with a deadline of its caller's own, in place of the settings': then `CallTimeout`."""
        self._check_open()
        call: Call | None = None
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                call = await self._outgoing.address(subject, key_or_name, args, kwargs)
                return await self._answer(call, own_deadline=True)
        except TimeoutError:
            if not scope.expired():
                raise
        if call is None:
            raise CallTimeout(f"calling {key_or_name!r}", seconds, NOT_SENT)
        raise await self.unanswered(f"calling {call.operation_name!r} of {call.target}", call.target, seconds)

    async def unanswered(self, what: str, target: str, seconds: float) -> CallTimeout:
        """The error of a call that was not answered in time, with what the store shows of why."""
        return CallTimeout(what, seconds, await self._no_answer.advice(target))

    async def _send_call(self, pending: PendingCall, payload: bytes, *, frees: bool = False) -> None:
        """Send a call that was begun. If it does not get through, its future fails. `frees`: as for `_send_to_instance`."""
        await self._roomy_sender()
        self._put_call(pending, payload, frees=frees)

    def _put_call(self, pending: PendingCall, payload: bytes, *, frees: bool) -> None:
        partition = self._outgoing.partition(pending.target)
        sender = self._sender
        put = sender.put_freeing if frees else sender.put
        sender.watch(partition, put(partition, payload), pending.future)
