"""Producers: signals in a stream, in order, with back-pressure, durable when the block is left.

A layer above may give them more to send: what it has made into a message goes by `put_encoded` or `_put_once`.

A producer's `signal` returns as soon as the message is in the buffer, and costs a few microseconds: what is the same for
all signals to one operation of one entity is looked up once. Everything else (batches, sequence numbers, trying again) is
the sender's.
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar, overload

from stead.entities._definition.addressing import Call
from stead.entities._definition.entity import Entity
from stead.entities._definition.operations import Operation
from stead.entities._message.envelope import MESSAGE_VERSION, message_extras
from stead.entities._message.ids import EntityId, check_key
from stead.entities._message.shards import NONE, Spreads, version_for
from stead.entities._tracing.sending import SIGNAL, Sent, What, traced
from stead.transport import AcknowledgedLost, HomeLoop, InvalidInput, Sender, SteadError, get_logger, see_through

from .outgoing import Outgoing

_log = get_logger(__name__)

E = TypeVar("E", bound=Entity)
P = ParamSpec("P")

# Signals between two turns of the event loop: so often the sender gets to run while the buffer still has room.
BREATH_LENGTH = 64

# Routes that a producer remembers.
ROUTES_MAX = 20_000


class SignalRoute(NamedTuple):
    """What all signals to one operation of one entity have in common. `operation` is None where it is not known here."""

    target: str
    partition: int
    operation_name: str
    operation: Operation | None
    version: int = MESSAGE_VERSION  # of its messages


class BaseProducer:
    """What all kinds of producers have in common."""

    def __init__(
        self, outgoing: Outgoing, sender: Sender, closed: Callable[[Any], None], name: bytes, *, source: bool = False
    ) -> None:
        """`name`: by which a sharded entity's shard is chosen; `source`: it is one of these."""
        self._outgoing = outgoing
        self._name = name
        self._is_source = source
        self._spreads: Spreads = NONE  # by which the routes to shards were chosen
        self._sender = sender
        self._closed = closed
        self._routes: dict[tuple[object, str], SignalRoute] = {}
        # By function: how its targets begin, its name, the operation.
        self._operations: dict[object, tuple[str, str, Operation]] = {}
        self._breath = 0
        self._home = HomeLoop("this producer")
        self._sent = Sent()
        self._traced = traced()

    async def flush(self) -> None:
        """Wait until everything given so far is durable."""
        self._home.check()
        await self._flush()

    async def _flush(self) -> None:
        await self._sender.flush()
        self._sent.flushed()

    async def aclose(self) -> None:
        """Stop without waiting: what is not durable yet may get lost. Leaving the `async with` block waits."""
        self._home.check()
        self._closed(self)
        await see_through(self._sender.aclose())

    async def __aenter__(self) -> Self:
        self._home.check()
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # After an error in the block, what was given before it is still made durable; a cancelled block is left at once.
        try:
            if error is None:
                await self._flush()
            elif isinstance(error, Exception):
                try:
                    await self._sender.flush()
                except SteadError as flushing:
                    # The block's own error is the one to raise, and often it is this very one.
                    _log.warning("leaving a producer after %r: %s", error, flushing)
                    if isinstance(flushing, AcknowledgedLost) and flushing.args != getattr(error, "args", None):
                        error.add_note(str(flushing))
        finally:
            await self.aclose()

    async def _first(
        self, subject: object, key_or_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[tuple[int, bytes]]:
        """The first signal of its kind: partitions and bytes, of the sender's own shard last. Its route is remembered."""
        outgoing = self._outgoing
        call: Call = await outgoing.address(subject, key_or_name, args, kwargs)
        if outgoing.shards.declared_or_known(call):
            return await self._first_to_shards(subject, key_or_name, call.kept())
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        if call.operation is not None and not isinstance(subject, EntityId):
            start = call.target[: len(call.target) - len(key_or_name)]
            self._operations[subject] = (start, call.operation_name, call.operation)
        route = SignalRoute(call.target, self._outgoing.partition(call.target), call.operation_name, call.operation)
        self._routes[subject, key_or_name] = route
        extras = self._extras(call.kwargs)
        return [(route.partition, outgoing.encode(call.target, call.operation_name, call.args, extras))]

    async def _first_to_shards(self, subject: object, key_or_name: str, call: Call) -> list[tuple[int, bytes]]:
        """The same for an entity with shards. What goes to all of them has no route: it is asked each time how many there are."""
        outgoing = self._outgoing
        targets = await outgoing.shards.receivers(call, self._name, source=self._is_source)
        self._forget_old_routes()
        if len(targets) == 1 and len(self._routes) < ROUTES_MAX:
            (target,) = targets
            partition, version = outgoing.partition(target), version_for(target)
            self._routes[subject, key_or_name] = SignalRoute(
                target, partition, call.operation_name, call.operation, version
            )
        extras = self._extras(call.kwargs)
        return [
            (
                outgoing.partition(target),
                outgoing.encode(target, call.operation_name, call.args, extras, None, version_for(target)),
            )
            for target in targets
        ]

    def _extras(self, kwargs: Mapping[str, Any] | None, what: What = SIGNAL) -> dict[str, object] | None:
        """What a message has beyond its arguments."""
        return message_extras(kwargs=kwargs, trace=self._sent.note(what) if self._traced else None)

    def _forget_old_routes(self) -> None:
        """Once there are more shards, routes to them are chosen anew."""
        spreads = self._outgoing.shards.spreads
        if spreads is not self._spreads:
            self._spreads = spreads
            self._routes.clear()
            self._operations.clear()

    def _known_route(self, subject: object, key_or_name: str) -> SignalRoute | None:
        """The route of a signal like one that was given before, at least to another entity of the class."""
        route = self._routes.get((subject, key_or_name))
        if route is not None:
            return route
        known = self._operations.get(subject)
        if known is None:
            return None
        start, name, operation = known
        target = start + check_key(key_or_name)
        route = SignalRoute(target, self._outgoing.partition(target), name, operation)
        if len(self._routes) < ROUTES_MAX:
            self._routes[subject, key_or_name] = route
        return route

    def _encode(self, route: SignalRoute, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        operation = route.operation
        named: Mapping[str, Any] | None = kwargs
        if operation is not None:
            args, named = operation.encode(args, kwargs)
        extras = self._extras(named) if named or self._traced else None
        return self._outgoing.encode(route.target, route.operation_name, args, extras, None, route.version)

    def encode_known(
        self, subject: object, key_or_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[int, bytes] | None:
        """The partition and the bytes of a signal, None unless one like it was given before.

        For the client without `await`: it may be called from any thread, and needs no event loop.
        """
        route = self._known_route(subject, key_or_name)
        return None if route is None else (route.partition, self._encode(route, args, kwargs))

    async def _breathe(self) -> None:
        """Let the sender run, wait while the buffer is full, and raise what has gone wrong meanwhile."""
        self._breath = 0
        if self._spreads and self._outgoing.shards.is_old:
            await self._outgoing.shards.fresh()
            self._forget_old_routes()
        self._traced = traced()
        if not self._sender.crowded:
            await asyncio.sleep(0)
        await self._sender.room()


class Producer(BaseProducer):
    """Sends signals in order, pipelined: `async with client.producer() as producer`."""

    @overload
    async def signal(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    @overload
    async def signal(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...

    async def signal(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Signal an entity. Returns when the message is in the buffer; waits while the buffer is full.

        It is durable after `flush` or when the block is left. Raises what is wrong with the arguments, and whatever kept
        earlier signals from being written: `StoreUnavailable`, `AcknowledgedLost`.
        """
        if get_running_loop() is not self._home.loop:
            self._home.check()
        route = self._known_route(subject, key_or_name)
        sender = self._sender
        if route is None:
            for partition, payload in await self._first(subject, key_or_name, args, kwargs):
                sender.put(partition, payload)
        else:
            sender.put(route.partition, self._encode(route, args, kwargs))
        self._breath += 1
        if self._breath >= BREATH_LENGTH or sender.crowded:
            await self._breathe()

    async def put_encoded(self, partition: int, payload: bytes) -> None:
        """Take a message that was made before, by `encode_known` for one."""
        self._home.check()
        sender = self._sender
        sender.put(partition, payload)
        self._breath += 1
        if self._breath >= BREATH_LENGTH or sender.crowded:
            await self._breathe()


class SourceProducer(BaseProducer):
    """Sends the signals of an at-least-once source, each accepted once: `async with client.producer(source="…")`."""

    @overload
    async def signal_once(
        self,
        sequence: int,
        operation: Callable[Concatenate[E, P], object],
        key: str,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...

    @overload
    async def signal_once(
        self, sequence: int, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any
    ) -> None: ...

    async def signal_once(self, sequence: int, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Signal an entity unless the source's message with this number, or a later one, was accepted before.

        Numbers are integers >= 0 that grow; gaps are allowed. Raises `SourceSuperseded` once another producer has opened
        the same source.
        """
        check_sequence(sequence)
        self._home.check()
        route = self._known_route(subject, key_or_name)
        if route is None:
            *others, (partition, payload) = await self._first(subject, key_or_name, args, kwargs)
            if others:
                await put_to_all_once(self._sender, sequence, [*others, (partition, payload)])
                return
        else:
            partition, payload = route.partition, self._encode(route, args, kwargs)
        await self._put_once(partition, sequence, payload)

    async def _put_once(self, partition: int, sequence: int, payload: bytes) -> None:
        """Take a message of the source, unless it is an old one."""
        sender = self._sender
        if not sender.is_open(partition):
            await sender.open(partition)
        sender.put_once(partition, sequence, payload)
        self._breath += 1
        if self._breath >= BREATH_LENGTH or sender.crowded:
            await self._breathe()


def check_sequence(sequence: int) -> None:
    """Raises `InvalidInput` for what cannot be the number of a source's message."""
    if type(sequence) is not int or sequence < 0:
        raise InvalidInput(f"sequence number {sequence!r}", "sequence numbers are integers, 0 or above")


async def put_to_all_once(sender: Sender, sequence: int, messages: Sequence[tuple[int, bytes]]) -> bool:
    """Put a source's signal that goes to all shards of an entity, by partition, its own shard last; False for an old one.

    Whether it is an old one is known by the partition of its own shard: what goes there is put when all the others are durable.
    So it is not carried out again by shards that came later.
    """
    home = messages[-1][0]
    by_partition: dict[int, list[bytes]] = {home: []}
    for partition, payload in messages:
        by_partition.setdefault(partition, []).append(payload)
    for partition in by_partition:
        if not sender.is_open(partition):
            await sender.open(partition)
    if sender.is_old(home, sequence):
        return False
    at_home = by_partition.pop(home)
    for partition, payloads in by_partition.items():
        sender.put_once(partition, sequence, *payloads)
    await sender.flush()
    return sender.put_once(home, sequence, *at_home)


def check_source(source: str) -> str:
    """The name of a source, if it is one. Raises `InvalidInput` otherwise."""
    try:
        check_key(source)
    except InvalidInput as error:
        raise InvalidInput(f"source {source!r}", error.reason) from None
    if not source:
        raise InvalidInput("source ''", "a source has a name, the same at every start of its producer")
    return source
