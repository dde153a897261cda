"""Producers of a hub that has orchestrations: external events in a stream beside signals, sent as signals are.

Nobody waits for the answer to an event, and the store is not asked whether there is its instance, as it is by `raise_event` of a client. So
nobody is told that there is none, or that it has ended: its worker drops the event, as it drops what comes too late (HAZARDS 15).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stead.entities import Producer, SourceProducer
from stead.entities.extending import SENDS_EVENT, BaseProducer, Outgoing, check_instance_id, check_sequence
from stead.orchestrations._history.messages import EVENT
from stead.transport import Sender

from .starts import event_args

INSTANCES_MAX = 20_000
"""Instances of which a producer remembers the partition."""


class EventEncoder(BaseProducer):
    """What both kinds of producers do alike with an event."""

    def __init__(
        self, outgoing: Outgoing, sender: Sender, closed: Callable[[Any], None], name: bytes, *, source: bool = False
    ) -> None:
        super().__init__(outgoing, sender, closed, name, source=source)
        self._partitions: dict[str, int] = {}  # of IDs that can be ones

    def encode_event(self, instance_id: str, name: str, data: Any) -> tuple[int, bytes]:
        """The partition and the bytes of an event, with its data as they are now.

        For the producer without `await` as well: it may be called from any thread, and needs no event loop.
        """
        partition = self._partitions.get(instance_id) if isinstance(instance_id, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if partition is None:
            partition = self._outgoing.partition(check_instance_id(instance_id))
            if len(self._partitions) >= INSTANCES_MAX:
                self._partitions.clear()
            self._partitions[instance_id] = partition
        extras = self._extras(None, SENDS_EVENT) if self._traced else None
        return partition, self._outgoing.encode(instance_id, EVENT, event_args(name, data), extras)


class InstanceProducer(EventEncoder, Producer):
    """Sends signals to entities and events to instances in order, pipelined: `async with client.producer() as producer`."""

    async def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Send an external event to an instance. Returns when it is in the buffer; waits while the buffer is full.

        It is durable after `flush` or when the block is left. An instance that does not wait for it yet keeps it; one that
        does not exist, or has ended by then, does not get it, and nobody is told (who calls `raise_event` of a client is).
        Raises what is wrong with the arguments, and whatever kept earlier messages from being written: `StoreUnavailable`,
        `AcknowledgedLost`.
        """
        await self.put_encoded(*self.encode_event(instance_id, name, data))


class InstanceSourceProducer(EventEncoder, SourceProducer):
    """Sends the signals and events of an at-least-once source, each accepted once: `async with client.producer(source="…")`."""

    async def raise_event_once(self, sequence: int, instance_id: str, name: str, data: Any = None) -> None:
        """Send an external event to an instance unless the source's message with this number, or a later one, was accepted before.

        Signals and events of a source have their numbers in common: integers >= 0 that grow; gaps are allowed. What becomes of
        an event for an instance that there is not says `raise_event`. Raises `SourceSuperseded` once another producer has
        opened the same source.
        """
        check_sequence(sequence)
        self._home.check()
        partition, payload = self.encode_event(instance_id, name, data)
        await self._put_once(partition, sequence, payload)
