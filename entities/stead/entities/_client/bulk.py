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
from stead.entities._message.shards import Spread, receivers, version_for
from stead.entities._tracing.carried import current
from stead.transport import (
    AcknowledgedLost,
    BacklogFull,
    Batch,
    Sender,
    Settings,
    SourceSuperseded,
    Store,
    StoreUnavailable,
    Tries,
    Verdict,
    until_answered,
)

from .client import EntityClient
from .outgoing import Outgoing
from .producer import BaseProducer, check_source, put_to_all_once
from .sharding import session_sender, source_sender

# Pairs of an entity's name and an operation's that are remembered.
ROUTES_MAX = 10_000


class BulkRoute(NamedTuple):
    """What all signals to one operation of the entities of one name have in common."""

    outgoing: Outgoing
    start: str  # of every target: "@station@"
    name: str
    operation: Operation | None  # None: it is not known in this program
    spread: Spread | None = None  # over the shards of each entity
    sender: bytes = b""

    @property
    def goes_to_all(self) -> bool:
        """It has to be encoded by `encode_all`."""
        return self.spread is not None and self.name.lower() == "delete"

    def encode(
        self,
        key: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None = None,
        *,
        delay_ms: int | None = None,
        due_ms: int | None = None,
        source: str | None = None,
    ) -> tuple[int, bytes]:
        """The partition and the bytes of a signal. Raises `InvalidInput` and `PayloadTooLarge`."""
        if self.spread is not None:
            (only,) = self.encode_all(key, args, kwargs, delay_ms=delay_ms, due_ms=due_ms, source=source)
            return only
        target = self.start + check_key(key)
        operation = self.operation
        if operation is not None:
            args, kwargs = operation.encode(args, kwargs or {})
        trace = current()
        if kwargs or trace is not None or delay_ms is not None or due_ms is not None:
            extras = message_extras(kwargs=kwargs, delay_ms=delay_ms, due_ms=due_ms, trace=trace)
        else:
            extras = None
        outgoing = self.outgoing
        return outgoing.partition(target), outgoing.encode(target, self.name, args, extras)

    def encode_all(
        self,
        key: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None = None,
        *,
        delay_ms: int | None = None,
        due_ms: int | None = None,
        source: str | None = None,
    ) -> list[tuple[int, bytes]]:
        """The same for each of the shards that a signal goes to; the sender's own is the last. `source`: that of the signal."""
        assert self.spread is not None, "it has shards"
        if self.operation is not None:
            args, kwargs = self.operation.encode(args, kwargs or {})
        extras = message_extras(kwargs=kwargs, delay_ms=delay_ms, due_ms=due_ms, trace=current())
        outgoing, entity = self.outgoing, self.start + check_key(key)
        sender = self.sender if source is None else source_sender(source)
        targets = receivers(entity, self.name, sender, self.spread, source=source is not None)
        return [
            (outgoing.partition(target), outgoing.encode(target, self.name, args, extras, None, version_for(target)))
            for target in targets
        ]


class BulkEncoder:
    """Makes the messages of signals that are named by text."""

    def __init__(self, client: EntityClient) -> None:
        self._client = client
        self._sender = session_sender()
        self._routes: dict[tuple[str, str], BulkRoute] = {}

    @property
    def buffer_length(self) -> int:
        """How many signals a producer of this client takes before it waits for the store."""
        return _insides(self._client).settings.producer_buffer_length_max

    def known(self, entity: str, operation: str) -> BulkRoute | None:
        """The way of a signal like one that was looked up before."""
        return self._routes.get((entity, operation))

    async def find(self, entity: str, operation: str) -> BulkRoute:
        """Look an operation up. Raises `UnknownEntity`, `UnknownOperation`, `InvalidInput`, `StoreUnavailable`."""
        outgoing = _insides(self._client).outgoing
        canonical = canonical_name(entity)
        kind = outgoing.registry.get(canonical)
        if kind is None:
            name = check_operation_name(operation)
            await outgoing.names.check(canonical, name)
            found = None
        else:
            found = kind.operation(operation)
            name = found.name
        spread = await outgoing.shards.to_send(canonical, deletes=name.lower() == "delete")
        route = BulkRoute(outgoing, f"@{canonical}@", name, found, spread, self._sender)
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        self._routes[entity, operation] = route
        return route


def known_operation(client: EntityClient, entity_id: EntityId, operation: str) -> Operation | None:
    """An operation of an entity, if this program knows both."""
    kind = _insides(client).outgoing.registry.get(entity_id.canonical_name)
    try:
        return None if kind is None else kind.operation(operation)
    except UnknownOperation:
        return None


class BulkProducer(BaseProducer):
    """Sends what routes have encoded, and tells how far it got. Once an error has come, nothing of it may be put any more.

    `accepted`: how many are in the store. `held`: the store has no room for some, which are tried again.
    """

    def __init__(self, client: EntityClient, source: str | None = None, *, short: bool = False) -> None:
        """`source`: what it is the producer of; `short`: one that is remembered as long as a client's session only."""
        inside = _insides(client)
        self.source = source
        client._check_open()  # pyright: ignore[reportPrivateUsage]
        settings = inside.settings
        if short:
            settings = settings.model_copy(update={"source_keep_ms": settings.session_keep_ms})
        sender = Sender(inside.store, settings, None if source is None else check_source(source), patient=True)
        name = session_sender() if source is None else source_sender(source)
        super().__init__(inside.outgoing, sender, inside.producers.discard, name, source=source is not None)
        inside.producers.add(self)

    @property
    def accepted(self) -> int:
        return self._sender.accepted

    @property
    def held(self) -> bool:
        return self._sender.held

    def put(self, partition: int, payload: bytes) -> None:
        """Take a signal. Whoever has put many awaits `room`."""
        self._sender.put(partition, payload)

    def put_once(self, partition: int, sequence: int, payload: bytes) -> bool:
        """Take a source's signal unless it is an old one. The partition must have been opened."""
        return self._sender.put_once(partition, sequence, payload)

    async def put_to_all_once(self, sequence: int, messages: Sequence[tuple[int, bytes]]) -> bool:
        """Take a source's signal that goes to all shards of an entity, unless it is an old one; waits for most of it."""
        return await put_to_all_once(self._sender, sequence, messages)

    async def open(self, partition: int) -> None:
        """Become the source's producer for a partition, unless it is. Raises `SourceSuperseded`, `StoreUnavailable`."""
        if not self._sender.is_open(partition):
            await self._sender.open(partition)

    async def room(self) -> None:
        """Wait while the buffer is full; raises what has gone wrong meanwhile."""
        await self._sender.room()

    async def withdraw(self) -> None:
        """Let nothing more be written, as soon as there is an answer to what is under way."""
        await self._sender.withdraw()

    @property
    def left(self) -> dict[int, int]:
        """By partition how many of the last signals put are not in the store, as far as is known."""
        return self._sender.left

    def take_losses(self) -> AcknowledgedLost | None:
        """What the server has lost, as far as nobody was told: now somebody is."""
        return self._sender.losses.take()


class _Insides(NamedTuple):
    store: Store
    settings: Settings
    outgoing: Outgoing
    producers: set[BaseProducer]


def _insides(client: EntityClient) -> _Insides:
    """What a client is made of, for this module, which is the client's other half."""
    return _Insides(client._store, client._settings, client._outgoing, client._producers)  # pyright: ignore[reportPrivateUsage]


async def claim_number(client: EntityClient, source: str, number: int) -> int:
    """Note a number (0 or above) under a source's name, if none is noted there; gives the one that is.

    Kept as long as a client's session after its last use. Raises `SourceSuperseded` if another one does the same at the
    same time, `StoreUnavailable`, and `InvalidInput` for what is no name.
    """
    store, settings, outgoing, _ = _insides(client)
    partition = outgoing.partition(check_source(source))
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
