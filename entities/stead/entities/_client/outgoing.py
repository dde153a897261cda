"""From what a client's user writes to the bytes of a message: addressing, checks, message IDs and limits."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from stead.entities._definition.addressing import Call, resolve_call
from stead.entities._definition.registry import Registry
from stead.entities._message.envelope import MESSAGE_VERSION, encode_message
from stead.entities._message.ids import EntityId
from stead.transport import PayloadLimit, PayloadLocked, Settings, Store, partition_of

from .published import Names
from .sharding import HubShards

# Message IDs: these random bytes of the client's session, then a counter.
SESSION_BYTES = 8
COUNTER_BYTES = 6


class Outgoing:
    """Makes the messages of one client and its producers."""

    def __init__(self, store: Store, registry: Registry, settings: Settings) -> None:
        self.names = Names(store, settings)
        self.registry = registry
        self.shards = HubShards(store, registry, settings, self.names)
        self._partitions = store.layout.partitions
        self._limit = PayloadLimit.of(settings)
        self._keyless = store.layout.coded and settings.payload_codec is None
        if self._keyless:
            self._limit.at = -1  # everything is looked at
        self._session = secrets.token_bytes(SESSION_BYTES)
        self._counter = itertools.count()

    async def address(self, subject: object, key_or_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
        """Where a call or signal goes and what it carries, validated as far as this program can tell."""
        call = resolve_call(self.registry, subject, key_or_name, args, kwargs)
        return call if call.operation is not None else await self.published(call)

    async def published(self, call: Call) -> Call:
        """A call of which this program does not know the operation, once its name was found among those of the workers."""
        call = call.kept()
        await self.names.check(EntityId.parse(call.target).canonical_name, call.operation_name)
        return call

    def partition(self, target: str) -> int:
        return partition_of(target, self._partitions)

    def next_message_id(self) -> bytes:
        """The ID of one more message."""
        return self._session + next(self._counter).to_bytes(COUNTER_BYTES, "big")

    def encode(
        self,
        target: str,
        operation_name: str,
        args: Sequence[object],
        extras: Mapping[str, object] | None,
        message_id: bytes | None = None,
        version: int = MESSAGE_VERSION,
        *,
        bare: bool = False,
    ) -> bytes:
        """The bytes of a message, with the next message ID if none is given.

        `bare`: there is no data of a user's in it, so it may be sent by who has no codec. Raises `PayloadTooLarge`, `PayloadLocked`, and `InvalidInput` for what cannot be stored.
        """
        if message_id is None:
            message_id = self.next_message_id()
        # An array, whatever it was: a tuple would be marked as one.
        values = args if isinstance(args, list) else list(args)
        payload = encode_message(target, operation_name, values, message_id, extras, version)
        if len(payload) > self._limit.at:
            if self._keyless and not bare and (values or (extras and "k" in extras)):
                raise PayloadLocked(
                    "this hub's payloads are encoded, and this process has no codec: set STEAD_PAYLOAD_CODEC", target
                )
            self._limit.check(f"the message {operation_name!r} to {target}", payload)
        return payload
