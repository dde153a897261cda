"""Producers without `await`: the same pipelining, order and back-pressure, fed from an ordinary thread.

Going over to the client's thread and back costs a hundred microseconds, a message only a few. So it is checked and
encoded where it is given, and gathered; the client's thread takes what has been gathered meanwhile, all at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from stead.app._hub.client import Client
from stead.entities import Entity, EntityId
from stead.orchestrations import InstanceProducer, InstanceSourceProducer
from stead.transport import AcknowledgedLost, SteadError

from .portal import Portal

P = ParamSpec("P")
E = TypeVar("E", bound=Entity)
Inner = TypeVar("Inner", InstanceProducer, InstanceSourceProducer)

GATHERED_LENGTH_MAX = 2_000  # messages that may wait for the client's thread: then the giver waits


class _SyncProducer(Generic[Inner]):
    """What both kinds have in common. One thread at a time may use a producer."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._opened: Inner | None = None

    @property
    def _inner(self) -> Inner:
        if self._opened is None:
            raise RuntimeError("use it in its `with` block: `with client.producer() as producer:`")
        return self._opened

    def _make(self, client: Client) -> Inner:
        raise NotImplementedError

    def flush(self) -> None:
        """Wait until everything given so far is durable."""
        inner = self._inner
        self._portal.run(lambda _: inner.flush())

    def __enter__(self) -> Self:
        async def open_inner(client: Client) -> Inner:
            return await self._make(client).__aenter__()

        self._opened = self._portal.run(open_inner)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inner, self._opened = self._inner, None
        self._portal.run(lambda _: inner.__aexit__(kind, error, trace))


class SyncProducer(_SyncProducer[InstanceProducer]):
    """Sends signals to entities and events to instances in order, pipelined: `with client.producer() as producer`."""

    def __init__(self, portal: Portal) -> None:
        super().__init__(portal)
        self._lock = threading.Lock()
        self._gathered: list[tuple[int, bytes]] = []
        self._handing = (
            False  # Invariant: true while something is gathered; then a hand-over is under way in the thread
        )
        self._handed: Future[None] | None = None  # done when the last hand-over has ended
        self._error: SteadError | None = None

    def _make(self, client: Client) -> InstanceProducer:
        return client.producer()

    @overload
    def signal(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...
    @overload
    def signal(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...
    def signal(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Signal an entity. Returns when the message is in the buffer; waits while the buffer is full.

        Raises what is wrong with the arguments, and what kept earlier signals from being written.
        """
        inner = self._inner
        message = inner.encode_known(subject, key_or_name, args, kwargs)
        if message is None:
            self._settle()
            self._portal.run(lambda _: inner.signal(subject, key_or_name, *args, **kwargs))
            return
        self._gather(message)

    def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Send an external event to an instance. Returns when it is in the buffer; waits while the buffer is full.

        An instance that does not exist, or has ended, does not get it, and nobody is told (who calls `raise_event` of a client
        is). Raises what is wrong with the arguments, and what kept earlier messages from being written.
        """
        self._gather(self._inner.encode_event(instance_id, name, data))

    def _gather(self, message: tuple[int, bytes]) -> None:
        """Take a message for the client's thread."""
        with self._lock:
            self._gathered.append(message)
            begin, self._handing = not self._handing, True
            full = len(self._gathered) >= GATHERED_LENGTH_MAX
        if begin:
            self._handed = self._portal.start(self._hand_over)
        if full or self._error is not None:
            self._settle()

    def flush(self) -> None:
        """Wait until everything given so far is durable."""
        self._settle()
        super().flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._settle()
        finally:
            super().__exit__(kind, error, trace)

    async def _hand_over(self, client: Client) -> None:
        """In the thread: give what is gathered to the producer, in order, until nothing is left."""
        inner = self._inner
        while True:
            with self._lock:
                messages, self._gathered = self._gathered, []
                if not messages:
                    self._handing = False
                    return
            try:
                for message in messages:
                    try:
                        await inner.put_encoded(*message)
                    except AcknowledgedLost as lost:  # of earlier ones: this one was taken, and so are the others
                        before = self._error
                        self._error = lost.besides(before if isinstance(before, AcknowledgedLost) else None)
            except SteadError as error:
                self._error = error  # for the next `signal`, `flush` or the end of the block
                with self._lock:
                    self._gathered, self._handing = [], False
                return

    def _settle(self) -> None:
        """Wait until nothing is gathered any more; raise what went wrong."""
        if self._handed is not None:
            self._handed.result()
        error, self._error = self._error, None
        if error is not None:
            raise error


class SyncSourceProducer(_SyncProducer[InstanceSourceProducer]):
    """Sends the signals and events of an at-least-once source, each accepted once: `with client.producer(source="…")`."""

    def __init__(self, portal: Portal, source: str) -> None:
        super().__init__(portal)
        self._source = source

    def _make(self, client: Client) -> InstanceSourceProducer:
        return client.producer(self._source)

    @overload
    def signal_once(
        self,
        sequence: int,
        operation: Callable[Concatenate[E, P], object],
        key: str,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None: ...
    @overload
    def signal_once(self, sequence: int, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...
    def signal_once(self, sequence: int, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Signal an entity unless this sequence number, or a later one, was accepted before."""
        inner = self._inner
        self._portal.run(lambda _: inner.signal_once(sequence, subject, key_or_name, *args, **kwargs))

    def raise_event_once(self, sequence: int, instance_id: str, name: str, data: Any = None) -> None:
        """Send an external event to an instance unless this sequence number, or a later one, was accepted before."""
        inner = self._inner
        self._portal.run(lambda _: inner.raise_event_once(sequence, instance_id, name, data))
