"""Those who send: clients with session chains, and a source with sequence numbers. Their answers may get lost.

They use the chain of the real sender; the rest of it (buffers, back-off, tasks) is replaced by the world's choices.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from simulation.model import Model, Sent
from stead.entities._message.envelope import ReplyAddress, encode_message, message_extras
from stead.transport import Batch, Store, partition_of
from stead.transport._sender.chain import Chain, Refused, Simple

KEEP_MS = 600_000
BACKLOG_MAX = 40


@dataclass(slots=True)
class Letter:
    """A message on its way to the store."""

    tag: str
    payload: bytes
    offset: int  # in a source's log


class Stray:
    """A batch whose sender has given it up, and that may still arrive."""

    def __init__(self, batch: Batch, tags: list[str]) -> None:
        self.batch = batch
        self.tags = tags


class Sender:
    """A client: one chain per partition, at most one batch of it under way."""

    def __init__(self, name: str, store: Store, model: Model, strays: list[Stray]) -> None:
        self.name = name
        self._store = store
        self._model = model
        self._strays = strays
        self._partitions = store.layout.partitions
        self._numbers = itertools.count()
        self._calls: Iterator[int] = itertools.count(1)
        self._sessions = itertools.count()
        self.incarnation: int = 0
        self.acknowledged: set[str] = set()
        self.buffers: dict[int, list[Letter]] = {p: [] for p in range(self._partitions)}
        self.under_way: dict[int, list[Letter]] = {}
        self._doubtful: set[int] = set()  # partitions whose batch under way may have arrived
        self.chains = {p: self._open(p, -1) for p in range(self._partitions)}

    def _now_ms(self) -> int:
        return self._store.clock.now_ms()

    def _open(self, partition: int, confirmed: int) -> Chain:
        return Chain(
            partition,
            self._new_session(),
            backlog_max=BACKLOG_MAX,
            keep_ms=KEEP_MS,
            now_ms=self._now_ms(),
            new_session=self._new_session,
            confirmed=confirmed,
        )

    def _new_session(self) -> str:
        return f"{self.name}-{next(self._sessions)}"

    # -- what is to be sent --------------------------------------------------------------------------------------------

    def compose(self, target: str, operation: str, args: list[object], *, delay_ms: int | None, call: bool) -> None:
        """Write a message, and buffer it."""
        number = next(self._numbers)
        tag = f"{self.name}.{number}"
        call_id = 1_000_000 * (sum(self.name.encode()) % 1_000) + number if call else None
        self._model.register(Sent(tag, self.name, number, target, operation, delay_ms, call_id))
        reply_to = None if call_id is None else ReplyAddress(0, self.name, call_id)
        extras = message_extras(delay_ms=delay_ms, reply_to=reply_to)
        operation = "note" if operation == "badly" else operation
        payload = encode_message(target, operation, [tag, *args], tag.encode(), extras)
        self.buffers[partition_of(target, self._partitions)].append(Letter(tag, payload, number))

    def begin(self, partition: int, count: int) -> None:
        """Make a batch of what is buffered."""
        chain, buffer = self.chains[partition], self.buffers[partition]
        if chain.pending is not None or not buffer:
            return
        letters = buffer[:count]
        del buffer[:count]
        chain.extend([letter.payload for letter in letters], self._now_ms(), self._last(letters))
        self.under_way[partition] = letters
        self._doubtful.discard(partition)

    def _last(self, letters: list[Letter]) -> int | None:
        return None

    # -- sending -------------------------------------------------------------------------------------------------------

    async def deliver(self, partition: int, *, lose_answer: bool) -> None:
        """Send the batch under way. A lost answer leaves it under way, to be sent again."""
        chain = self.chains[partition]
        batch = chain.pending
        if batch is None:
            return
        if partition in self._doubtful and chain.is_too_old(self._now_ms()):
            self.give_up(partition)
            return
        tags = [letter.tag for letter in self.under_way[partition]]
        [result] = await self._store.enqueue([batch])
        self._model.enqueued(tags, result, self._now_ms())
        if lose_answer:
            self._doubtful.add(partition)
            return
        judgement = chain.judge(result, self._now_ms())
        if judgement is Simple.SETTLED:
            assert set(tags) <= self._model.accepted, f"invariant 7: {tags} were acknowledged and are not there"
            self.acknowledged.update(tags)
            del self.under_way[partition]
        else:
            assert judgement is Simple.RECHAINED or isinstance(judgement, Refused), f"unexpected {judgement}"

    def give_up(self, partition: int) -> None:
        """Try no more: the outcome is unknown, and a copy may still be on its way."""
        chain = self.chains[partition]
        if chain.pending is not None:
            tags = [letter.tag for letter in self.under_way.pop(partition)]
            self._strays.append(Stray(chain.pending, tags))
            chain.abandon()

    def in_doubt(self) -> bool:
        return any(chain.pending is not None for chain in self.chains.values()) or any(self.buffers.values())


class Source(Sender):
    """An at-least-once source: it keeps its log, and after a restart sends again what the store may not have."""

    def __init__(self, name: str, store: Store, model: Model, strays: list[Stray]) -> None:
        self.log: dict[int, list[Letter]] = {p: [] for p in range(store.layout.partitions)}
        super().__init__(name, store, model, strays)

    def _new_session(self) -> str:
        return f"source:{self.name}"

    def _open(self, partition: int, confirmed: int) -> Chain:
        return Chain(
            partition,
            self._new_session(),
            backlog_max=BACKLOG_MAX,
            keep_ms=KEEP_MS * 1_000,
            now_ms=self._now_ms(),
            new_session=None,
            incarnation=self.incarnation,
            confirmed=confirmed,
        )

    def _last(self, letters: list[Letter]) -> int | None:
        return letters[-1].offset

    def begin(self, partition: int, count: int) -> None:
        letters = self.buffers[partition][:count] if self.chains[partition].pending is None else []
        super().begin(partition, count)
        known = {letter.offset for letter in self.log[partition]}
        self.log[partition] += [letter for letter in letters if letter.offset not in known]

    def give_up(self, partition: int) -> None:
        """A source does not give up: it is restarted."""

    async def restart(self) -> None:
        """A new producer of the source takes over, and starts from the log's beginning."""
        self.incarnation += 1
        for partition in range(self._partitions):
            chain = self.chains[partition]
            if chain.pending is not None:
                tags = [letter.tag for letter in self.under_way.pop(partition)]
                self._strays.append(Stray(chain.pending, tags))
            last = await self._store.open_source(partition, self.name, self.incarnation, KEEP_MS * 1_000)
            self.chains[partition] = self._open(partition, last)
            for letter in self.log[partition]:
                if letter.offset <= last:
                    assert letter.tag in self._model.accepted, (
                        f"invariant 7: {letter.tag} is behind {last} and not there"
                    )
            again = [letter for letter in self.log[partition] if letter.offset > last]
            self.buffers[partition] = again + [
                letter for letter in self.buffers[partition] if letter.offset > last and letter not in again
            ]
