"""Signals in bulk: from lines to messages in the hub, in order, as fast as the hub takes them.

Three ways for a line, by what keeps it from being carried out twice:

- on its own: by a producer that several requests use one after the other. If the hub is full, the answer says exactly which
  lines are in it and which are not.
- with `source` and `sequence`: by a producer of that source, opened for the request.
- in a request with an Idempotency-Key: by a producer of a source that is named by the key, with the line's number as its
  sequence number. So a repeated request goes on where the first one got to, whatever became of it and of its answer.

Nothing is awaited for a line whose entity and operation have been seen before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import pydantic_core

from stead.entities.extending import BulkEncoder, BulkProducer, BulkRoute, instant_in_ms
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import parse_instant
from stead.orchestrations import OrchestrationClient
from stead.transport import AcknowledgedLost, HubMismatch, InvalidInput, SteadError, StoreUnavailable

STEP_LENGTH = 256
"""Lines between two looks at the buffer, and two chances for everybody else in the process."""

FULL_WAIT_S = 2.0
"""A hub that has taken nothing for so long, because it is full, counts as full."""

WITHDRAW_WAIT_S = 5.0
REFUSED_SHOWN_MAX = 100
SOURCES_MAX = 64
PRODUCERS_KEPT_MAX = 16
REASON_LENGTH_MAX = 500
_DELAY_MS_MAX = 100 * 366 * 86_400_000
_SEQUENCE_MAX = 2**63

_NONE: list[Any] = []
_MEMBERS = frozenset({"entity", "key", "operation", "args", "kwargs", "after_ms", "at", "source", "sequence"})
_PLAIN = frozenset({"entity", "key", "operation", "args"})

# Producers that no request uses now. They belong to their clients, which close them.
_idle: WeakKeyDictionary[OrchestrationClient, list[BulkProducer]] = WeakKeyDictionary()


class HubFull(Exception):
    """The hub takes nothing any more for now."""


class _Once(NamedTuple):
    """A signal of a source, ready to be put."""

    producer: BulkProducer
    partition: int
    sequence: int
    payload: bytes
    all: Sequence[tuple[int, bytes]] = ()  # for each shard of the entity, if it goes to all of them


class Ingestion:
    """One bulk request."""

    def __init__(self, hub: Hub, keyed: BulkProducer | None = None) -> None:
        """`keyed`: the producer of the source that stands for the request's Idempotency-Key."""
        self._key = None if keyed is None else keyed.source
        self._besides = 0  # messages of signals that go to all shards of an entity, but for one of each
        self._client = hub.client
        self._limit_bytes = hub.settings.line_bytes_max
        self._encoder = BulkEncoder(hub.client)
        self._unknown: dict[tuple[str, str], str] = {}
        self._keyed = keyed
        self._plain: BulkProducer | None = None
        self._plain_base = 0  # what the producer's earlier requests have sent
        self._sources: dict[str, BulkProducer] = {}
        self._recent: deque[tuple[int, int]] = deque(maxlen=self._encoder.buffer_length + 2 * STEP_LENGTH)
        # (line, partition): of plain ones
        self.line = 0
        self.duplicates = 0
        self.refused: list[dict[str, Any]] = []
        self.refused_count = 0

    # -- lines ---------------------------------------------------------------------------------------------------------

    async def take(self, lines: Sequence[bytes | None]) -> None:
        """Put some lines into the buffer. Raises `HubFull`, and what keeps messages from being written."""
        for first in range(0, len(lines), STEP_LENGTH):
            once: list[_Once] = []
            for line in lines[first : first + STEP_LENGTH]:
                self.line += 1
                if line is None:
                    self._refuse(f"the line is longer than {self._limit_bytes:,} bytes (STEAD_HTTP_LINE_BYTES_MAX)")
                elif line and not line.isspace():
                    try:
                        route = self._read(line, once)
                        if route is not None:
                            await self._meet(*route)
                            self._read(line, once)
                    except (SteadError, ValueError) as error:
                        if isinstance(error, (StoreUnavailable, HubMismatch, AcknowledgedLost)):
                            self.line -= 1  # it was not taken: whoever goes on after what was read begins with it
                            raise
                        self._refuse(str(error))
            if once:
                await self._put_once(once)
            for producer in self._producers():
                await self._wait(producer, producer.room())
            await asyncio.sleep(0)

    def _read(self, line: bytes, once: list[_Once]) -> tuple[str, str] | None:
        """Take one line. Gives entity and operation if they have to be looked up first; raises what is wrong with it."""
        found: Any = pydantic_core.from_json(line, allow_inf_nan=False, cache_strings="keys")
        if type(found) is not dict:
            raise ValueError('a line is a JSON object: {"entity": …, "key": …, "operation": …}')
        signal = cast("dict[str, Any]", found)
        entity, key, operation = signal.get("entity"), signal.get("key"), signal.get("operation")
        if not (type(entity) is str and type(key) is str and type(operation) is str):
            raise ValueError("`entity`, `key` and `operation` have to be there, as text")
        route = self._encoder.known(entity, operation)
        if route is None:
            reason = self._unknown.get((entity, operation))
            if reason is None:
                return entity, operation
            raise ValueError(reason)
        given: Any = signal.get("args", _NONE)
        if type(given) is not list:
            raise ValueError("`args` is an array")
        args: list[Any] = given  # pyright: ignore[reportUnknownVariableType] - of whatever is JSON
        if signal.keys() <= _PLAIN and self._keyed is None and not route.goes_to_all:
            partition, payload = route.encode(key, args)
            (self._plain or self._plain_producer()).put(partition, payload)
            self._recent.append((self.line, partition))
            return None
        self._read_rest(signal, route, key, args, once)
        return None

    def _read_rest(
        self, signal: Mapping[str, Any], route: BulkRoute, key: str, args: Sequence[Any], once: list[_Once]
    ) -> None:
        if not signal.keys() <= _MEMBERS:
            raise ValueError(f"`{min(signal.keys() - _MEMBERS)[:40]}` is unknown; known: {', '.join(sorted(_MEMBERS))}")
        kwargs: Any = signal.get("kwargs")
        if kwargs is not None and type(kwargs) is not dict:
            raise ValueError("`kwargs` is an object")
        delay_ms, due_ms = _when(signal)
        source, sequence = signal.get("source"), signal.get("sequence")
        if (source is None) != (sequence is None):
            raise ValueError("`source` and `sequence` go together")
        if source is not None:
            if type(source) is not str:
                raise ValueError("`source` is text")
            if type(sequence) is not int or not 0 <= sequence < _SEQUENCE_MAX:
                raise ValueError("`sequence` is a whole number, 0 or above")
        named = cast("dict[str, Any] | None", kwargs)
        of_source = source if source is not None or self._keyed is None else self._key
        if route.goes_to_all:
            messages = route.encode_all(key, args, named, delay_ms=delay_ms, due_ms=due_ms, source=of_source)
            to_all: Sequence[tuple[int, bytes]] = messages
        else:
            messages = [route.encode(key, args, named, delay_ms=delay_ms, due_ms=due_ms, source=of_source)]
            to_all = ()
        partition, payload = messages[-1]
        if source is not None:
            once.append(_Once(self._source_producer(source), partition, cast("int", sequence), payload, to_all))
        elif self._keyed is not None:
            once.append(_Once(self._keyed, partition, self.line, payload, to_all))
        else:
            for partition, payload in messages:
                self._plain_producer().put(partition, payload)
                self._recent.append((self.line, partition))
        self._besides += len(messages) - 1

    async def _meet(self, entity: str, operation: str) -> None:
        try:
            await self._encoder.find(entity, operation)
        except (StoreUnavailable, HubMismatch):
            raise
        except SteadError as error:
            if len(self._unknown) < STEP_LENGTH * 4:
                self._unknown[entity, operation] = str(error)
            raise

    def _refuse(self, reason: str) -> None:
        self.refused_count += 1
        if len(self.refused) < REFUSED_SHOWN_MAX:
            short = reason if len(reason) <= REASON_LENGTH_MAX else reason[:REASON_LENGTH_MAX] + "…"
            self.refused.append({"line": self.line, "reason": short})

    # -- sending -------------------------------------------------------------------------------------------------------

    async def _put_once(self, once: Iterable[_Once]) -> None:
        where = {(item.producer, item.partition) for item in once}
        await asyncio.gather(*(producer.open(partition) for producer, partition in where))
        for item in once:
            if item.all:
                put = await item.producer.put_to_all_once(item.sequence, item.all)
                self._besides -= 0 if put else len(item.all) - 1
            else:
                put = item.producer.put_once(item.partition, item.sequence, item.payload)
            self.duplicates += not put

    def _plain_producer(self) -> BulkProducer:
        if self._plain is None:
            idle = _idle.get(self._client)
            self._plain = idle.pop() if idle else BulkProducer(self._client)
            self._plain_base = self._plain.accepted
        return self._plain

    def _source_producer(self, source: str) -> BulkProducer:
        producer = self._sources.get(source)
        if producer is None:
            if len(self._sources) >= SOURCES_MAX:
                raise ValueError(f"a request has at most {SOURCES_MAX} sources")
            producer = self._sources[source] = BulkProducer(self._client, source)
        return producer

    def _producers(self) -> list[BulkProducer]:
        found = [*self._sources.values()]
        if self._plain is not None:
            found.append(self._plain)
        if self._keyed is not None:
            found.append(self._keyed)
        return found

    async def _wait(self, producer: BulkProducer, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for room, or until all is written, for as long as the hub takes something."""
        task = asyncio.ensure_future(waiting)
        try:
            while True:
                before = producer.accepted
                if (await asyncio.wait((task,), timeout=FULL_WAIT_S))[0]:
                    task.result()
                    return
                if producer.held and producer.accepted == before:
                    raise HubFull
        finally:
            task.cancel()

    # -- the end -------------------------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Wait until everything is durable. Raises `HubFull`, and what kept messages from being written."""
        for producer in self._producers():
            await self._wait(producer, producer.flush())

    def losses(self, error: Exception) -> AcknowledgedLost | None:
        """All that is known to be lost, of whatever producer of this request, when it ends with an error."""
        found = [lost for producer in self._producers() if (lost := producer.take_losses()) is not None]
        if isinstance(error, AcknowledgedLost):
            found.insert(0, error)
        return reduce(AcknowledgedLost.besides, found) if found else None

    async def stop(self) -> list[list[int]]:
        """After an error: let nothing more be written, and find out what was.

        Gives the lines that were not (those of sources apart, which may be repeated in any case), as ranges.
        """
        try:
            async with asyncio.timeout(WITHDRAW_WAIT_S):
                await asyncio.gather(*(producer.withdraw() for producer in self._producers()))
        except TimeoutError:
            pass  # the store does not answer: what it may still take counts as not accepted
        return self._ranges({} if self._plain is None else self._plain.left)

    def _ranges(self, left: dict[int, int]) -> list[list[int]]:
        missing: list[int] = []
        while left and self._recent:
            line, partition = self._recent.pop()
            if left.get(partition):
                missing.append(line)
                left[partition] -= 1
                if not left[partition]:
                    del left[partition]
        ranges: list[list[int]] = []
        for line in reversed(missing):
            if ranges and ranges[-1][1] >= line - 1:
                ranges[-1][1] = line
            else:
                ranges.append([line, line])
        return ranges

    async def aclose(self, *, clean: bool) -> None:
        """Let go of the producers; after a clean end, others may use them."""
        plain = self._plain
        if clean and plain is not None:
            idle = _idle.setdefault(self._client, [])
            if len(idle) < PRODUCERS_KEPT_MAX:
                idle.append(plain)
                self._plain_base, plain = 0, None
        for producer in (*self._sources.values(), *([plain] if plain else []), *([self._keyed] if self._keyed else [])):
            await producer.aclose()

    @property
    def accepted(self) -> int:
        """Signals that are in the hub."""
        return max(0, sum(producer.accepted for producer in self._producers()) - self._plain_base - self._besides)

    def as_data(self) -> dict[str, Any]:
        """What became of the lines so far."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "refused_count": self.refused_count,
        }


def _when(signal: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """A scheduled signal's delay or instant."""
    after_ms, at = signal.get("after_ms"), signal.get("at")
    if after_ms is None and at is None:
        return None, None
    if after_ms is not None:
        if at is not None:
            raise ValueError("`after_ms` or `at`, not both")
        if type(after_ms) is not int or not 0 <= after_ms <= _DELAY_MS_MAX:
            raise ValueError("`after_ms` is a whole number of milliseconds, of at most a hundred years")
        return after_ms, None
    try:
        return None, instant_in_ms(parse_instant(cast("str", at)))
    except (ValueError, AttributeError, InvalidInput):
        raise ValueError("`at` is an instant in ISO 8601, such as 2030-01-31T12:00:00Z") from None
