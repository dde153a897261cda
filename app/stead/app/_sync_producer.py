"""Producers without `await`: the same pipelining, order and back-pressure, fed from an ordinary thread."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from stead.entities import Entity, EntityId, Producer, SourceProducer

from ._client import Client
from ._portal import Portal

P = ParamSpec("P")
E = TypeVar("E", bound=Entity)
Inner = TypeVar("Inner", Producer, SourceProducer)


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


class SyncProducer(_SyncProducer[Producer]):
    """Sends signals in order, pipelined: `with client.producer() as producer`."""

    def _make(self, client: Client) -> Producer:
        return client.producer()

    @overload
    def signal(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...
    @overload
    def signal(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...
    def signal(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Signal an entity. Returns when the message is in the buffer; waits while the buffer is full."""
        inner = self._inner
        self._portal.run(lambda _: inner.signal(subject, key_or_name, *args, **kwargs))


class SyncSourceProducer(_SyncProducer[SourceProducer]):
    """Sends the signals of an at-least-once source, each accepted once: `with client.producer(source="…")`."""

    def __init__(self, portal: Portal, source: str) -> None:
        super().__init__(portal)
        self._source = source

    def _make(self, client: Client) -> SourceProducer:
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
