"""Signals by name in bulk, for a gateway: what a line of text names is looked up once, and made into a message without waiting.

A producer's `signal` is for code that sends; this is for code that passes on what others send: it has to know which line
was refused and why, how many messages the store has accepted, and which it has not when it is full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stead.entities._definition.addressing import check_operation_name
from stead.entities._definition.operations import Operation
from stead.entities._message.envelope import message_extras
from stead.entities._message.errors import UnknownOperation
from stead.entities._message.ids import EntityId, canonical_name, check_key
from stead.transport import (
    BacklogFull,
    Batch,
    Sender,
    SourceSuperseded,
    StoreUnavailable,
    Tries,
    Verdict,
    until_answered,
)

from .client import EntityClient
from .outgoing import Outgoing
from .producer import Producer, SourceProducer, check_source

# Pairs of an entity's name and an operation's that are remembered.
ROUTES_MAX = 10_000


class BulkRoute(NamedTuple):
    """What all signals to one operation of the entities of one name have in common."""

    outgoing: Outgoing
    start: str  # of every target: "@station@"
    name: str
    operation: Operation | None  # None: it is not known in this program

    def encode(
        self,
        key: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None = None,
        *,
        delay_ms: int | None = None,
        due_ms: int | None = None,
    ) -> tuple[int, bytes]:
        """The partition and the bytes of a signal. Raises `InvalidInput` and `PayloadTooLarge`."""
        target = self.start + check_key(key)
        operation = self.operation
        if operation is not None:
            args, kwargs = operation.encode(args, kwargs or {})
        if kwargs or delay_ms is not None or due_ms is not None:
            extras = message_extras(kwargs=kwargs, delay_ms=delay_ms, due_ms=due_ms)
        else:
            extras = None
        outgoing = self.outgoing
        return outgoing.partition(target), outgoing.encode(target, self.name, args, extras)


class BulkEncoder:
    """Makes the messages of signals that are named by text."""

    def __init__(self, client: EntityClient) -> None:
        self._client = client
        self._routes: dict[tuple[str, str], BulkRoute] = {}

    def known(self, entity: str, operation: str) -> BulkRoute | None:
        """The way of a signal like one that was looked up before."""
        return self._routes.get((entity, operation))

    async def find(self, entity: str, operation: str) -> BulkRoute:
        """Look an operation up. Raises `UnknownEntity`, `UnknownOperation`, `InvalidInput`, `StoreUnavailable`."""
        outgoing = self._client._outgoing  # pyright: ignore[reportPrivateUsage] - of the same package
        canonical = canonical_name(entity)
        kind = outgoing.registry.get(canonical)
        if kind is None:
            name = check_operation_name(operation)
            await outgoing.names.check(canonical, name)
            route = BulkRoute(outgoing, f"@{canonical}@", name, None)
        else:
            found = kind.operation(operation)
            route = BulkRoute(outgoing, f"@{canonical}@", found.name, found)
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        self._routes[entity, operation] = route
        return route


def known_operation(client: EntityClient, entity_id: EntityId, operation: str) -> Operation | None:
    """An operation of an entity, if this program knows both."""
    kind = client._outgoing.registry.get(entity_id.canonical_name)  # pyright: ignore[reportPrivateUsage] - of the same package
    try:
        return None if kind is None else kind.operation(operation)
    except UnknownOperation:
        return None


def sender_of(producer: Producer | SourceProducer) -> Sender:
    """What sends a producer's messages."""
    return producer._sender  # pyright: ignore[reportPrivateUsage] - of the same package


def buffer_length(client: EntityClient) -> int:
    """How many messages a producer of this client takes before it waits for the store."""
    return client._settings.producer_buffer_length_max  # pyright: ignore[reportPrivateUsage] - of the same package


def short_source(client: EntityClient, source: str) -> SourceProducer:
    """A producer of a source that is remembered as long as a client's session, not as long as a source."""
    settings = client._settings  # pyright: ignore[reportPrivateUsage] - of the same package
    short = settings.model_copy(update={"source_keep_ms": settings.session_keep_ms})
    producers = client._producers  # pyright: ignore[reportPrivateUsage]
    sender = Sender(client._store, short, check_source(source))  # pyright: ignore[reportPrivateUsage]
    producer = SourceProducer(client._outgoing, sender, producers.discard)  # pyright: ignore[reportPrivateUsage]
    producers.add(producer)
    return producer


async def claim_number(client: EntityClient, source: str, number: int) -> int:
    """Note a number (0 or above) under a source's name, if none is noted there; gives the one that is.

    Kept as long as a client's session after its last use. Raises `SourceSuperseded` if another one does the same at the
    same time, `StoreUnavailable`, and `InvalidInput` for what is no name.
    """
    store, settings = client._store, client._settings  # pyright: ignore[reportPrivateUsage] - of the same package
    partition = client._outgoing.partition(check_source(source))  # pyright: ignore[reportPrivateUsage]
    incarnation = store.clock.now_ms()
    keep_ms = settings.session_keep_ms
    tries = Tries(store.clock, settings, writes=True)
    noted = await until_answered(lambda: store.open_source(partition, source, incarnation, keep_ms), tries)
    if noted >= 0:
        return noted
    note = Batch(partition, f"source:{source}", incarnation, -1, number, [], 2**31, keep_ms)
    tries.succeeded()
    (result,) = await until_answered(lambda: store.enqueue([note]), tries)
    if result.verdict is Verdict.ACCEPTED:
        return number
    if result.verdict in (Verdict.DUPLICATE, Verdict.GAP):
        return result.detail  # somebody else was faster, or this one, before an answer was lost
    if result.verdict is Verdict.SUPERSEDED:
        raise SourceSuperseded(source)
    if tries.count:
        raise StoreUnavailable("an answer was lost, and then the server's memory was full", "unknown")
    raise BacklogFull(partition, "the server's memory is full")
