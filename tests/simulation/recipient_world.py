"""Clients that send to instances which come and go, by chains whose answers get lost: what must hold after each step.

It goes by the store's steps alone. What there is of each instance it keeps for itself, so it knows what the store has to refuse.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stead.transport import (
    Batch,
    Commit,
    CommitVerdict,
    ManualClock,
    MemoryStore,
    Recipient,
    Reuse,
    SentStart,
    Settings,
    Start,
    Verdict,
)
from stead.transport._memory.well_formed import ill_formed
from stead.transport._sender.chain import Chain, Refused, Simple

PARTITIONS = 2
CLIENTS = 2
KEEP_MS = 600_000
BACKLOG_MAX = 25
STATUSES = RUNNING, COMPLETED, CONTINUED, FAILED, CANCELED, TERMINATED, PENDING, SUSPENDED = range(8)
FINISHED = frozenset({COMPLETED, FAILED, CANCELED, TERMINATED})


@dataclass(frozen=True)
class Letter:
    """A message: of a start it says which reuse; one that is `living` wants an instance that lives."""

    payload: bytes
    target: str
    reuse: Reuse | None = None
    living: bool = False


@dataclass
class Place:
    """What there is of a partition: the instances of the same names in both, so that whoever looks at the wrong one is seen."""

    targets: tuple[str, ...] = ("a", "b", "c")
    reserved: dict[str, bytes] = field(default_factory=dict[str, bytes])
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    inbox: list[Letter] = field(default_factory=list[Letter])
    commit_id: bytes = b""

    def lives(self, target: str) -> bool:
        """HAZARDS 14: it has a record or a reservation, and if its record is finished it has a reservation."""
        return target in self.reserved or self.statuses.get(target, COMPLETED) not in FINISHED

    def is_free(self, target: str, reuse: Reuse) -> bool:
        """Whether a start is accepted."""
        status = self.statuses.get(target)
        free = status is None or (reuse is Reuse.FINISHED and status in FINISHED)
        return reuse is Reuse.ALWAYS or (free and target not in self.reserved)

    def refuse(self, letters: Sequence[Letter]) -> frozenset[int]:
        """What a batch of letters does, one after the other: the places of those that are refused."""
        refused: set[int] = set()
        for number, letter in enumerate(letters):
            if letter.reuse is not None and self.is_free(letter.target, letter.reuse):
                self.reserved[letter.target] = letter.payload
            elif letter.reuse is not None or (letter.living and not self.lives(letter.target)):
                refused.add(number)
                continue
            self.inbox.append(letter)
        return frozenset(refused)


@dataclass
class Client:
    """Who sends to one partition, along a chain of its own."""

    place: int
    chain: Chain
    buffer: list[Letter] = field(default_factory=list[Letter])
    under_way: list[Letter] = field(default_factory=list[Letter])
    doubtful: bool = False  # an answer to what is under way was lost


class RecipientWorld:
    """See the module."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.store = MemoryStore("hub", Settings(partitions=PARTITIONS, slot_groups=1), self.clock)
        self.places = [Place() for _ in range(PARTITIONS)]
        self.strays: list[tuple[Batch, list[Letter]]] = []  # given up, and may still arrive
        self.taken: set[bytes] = set()
        self.refused: set[bytes] = set()
        self.told = 0  # how many clients were told that theirs was refused
        self._numbers = itertools.count()
        self.clients = [self._client(place) for place in range(PARTITIONS) for _ in range(CLIENTS)]

    def _client(self, place: int) -> Client:
        settings: dict[str, Any] = {"backlog_max": BACKLOG_MAX, "keep_ms": KEEP_MS, "now_ms": self.clock.now_ms()}
        return Client(place, Chain(place, self._session(), new_session=self._session, **settings))

    def _session(self) -> str:
        return f"session-{next(self._numbers)}"

    async def begin(self) -> None:
        for place in range(PARTITIONS):
            assert await self.store.acquire(place, "owner", b"token", b"", 1_000_000_000) is not None

    # -- clients ---------------------------------------------------------------------------------------------------------

    async def compose(self, client: Client) -> None:
        """Write some letters."""
        for _ in range(self.chance.randint(1, 3)):
            what = self.chance.choice(["start", "living", "living", "living", "plain"])
            reuse = self.chance.choice([*Reuse]) if what == "start" else None
            target = self.chance.choice(self.places[client.place].targets)
            client.buffer.append(Letter(b"%d" % next(self._numbers), target, reuse, what == "living"))

    async def send(self, client: Client, *, lose: bool = False) -> None:
        """Send what is under way, again if need be, or the next letters."""
        chain, now_ms = client.chain, self.clock.now_ms()
        if chain.pending is not None and client.doubtful and chain.is_too_old(now_ms):
            await self.give_up(client)
        if chain.pending is None:
            letters, client.doubtful = client.buffer[:4], False
            del client.buffer[:4]
            if not letters:
                return
            client.under_way = letters
            starts = [
                Start(number, letter.target, letter.payload, letter.reuse)
                for number, letter in enumerate(letters)
                if letter.reuse is not None
            ]
            living = [Recipient(number, letter.target) for number, letter in enumerate(letters) if letter.living]
            freeing = self.chance.random() < 0.2
            chain.extend([letter.payload for letter in letters], now_ms, None, starts, freeing, living)
        assert chain.pending is not None
        verdict, refused = await self._arrive(chain.pending, client.under_way)
        if lose:
            client.doubtful = True
            return
        judgement = chain.judge(verdict, self.clock.now_ms())
        if judgement is Simple.SETTLED:
            for number, letter in enumerate(client.under_way):
                accepted = number not in refused
                assert accepted == (letter.payload in self.taken), (
                    "invariant: who is told is told what has become of it"
                )
                self.told += not accepted
            client.under_way = []
        else:
            assert judgement is Simple.RECHAINED or isinstance(judgement, Refused), f"invariant: no {judgement}"

    async def give_up(self, client: Client) -> None:
        """Try no more: nobody knows what has become of it, and a copy may still be on its way."""
        if client.chain.pending is not None:
            self.strays.append((client.chain.pending, client.under_way))
            client.chain.abandon()
            client.under_way = []

    async def stray(self) -> None:
        """What was given up arrives."""
        if self.strays:
            await self._arrive(*self.strays.pop(self.chance.randrange(len(self.strays))))

    async def _arrive(self, batch: Batch, letters: list[Letter]) -> tuple[Any, frozenset[int]]:
        [result] = await self.store.enqueue([batch])
        if result.verdict is Verdict.ACCEPTED:
            assert result.refused == self.places[batch.partition].refuse(letters), "invariant: the living are sent to"
            for number, letter in enumerate(letters):
                assert letter.payload not in self.taken | self.refused, "invariant: a message is judged once"
                (self.refused if number in result.refused else self.taken).add(letter.payload)
        return result, result.refused

    # -- instances ---------------------------------------------------------------------------------------------------------

    async def carry_out(self, number: int, count: int | None = None) -> None:
        """The owner of a partition takes some messages: starts become instances."""
        place = self.places[number]
        count = count or self.chance.randint(1, 6)
        found = await self.store.read_inboxes({number: b"0"}, 1_000, 0)
        ids = [entry[0] for _, entries in found for entry in entries][:count]
        letters, place.inbox = place.inbox[: len(ids)], place.inbox[len(ids) :]
        begun = {
            letter.target: self.chance.choice([RUNNING, PENDING]) for letter in letters if letter.reuse is not None
        }
        started = [(letter.target, letter.payload) for letter in letters if letter.reuse is not None]
        await self._commit(number, begun, consumed=ids, started=started)
        for target, message_id in started:
            if place.reserved.get(target) == message_id:
                del place.reserved[target]

    async def go_on(self, number: int) -> None:
        """An instance has come to another status."""
        known = [*self.places[number].statuses]
        if known:
            await self._commit(number, {self.chance.choice(known): self.chance.choice(STATUSES)})

    async def purge(self, number: int) -> None:
        """A finished instance is deleted."""
        place = self.places[number]
        target = self.chance.choice(place.targets)
        if place.statuses.get(target) in FINISHED:
            del place.statuses[target]
            await self._commit(number, {}, deleted=[target])

    async def start_child(self, number: int) -> None:
        """An instance starts another one: the ID is reserved if nobody has."""
        place, other = self.places[number], self.chance.randrange(PARTITIONS)
        child = Letter(b"%d" % next(self._numbers), self.chance.choice(place.targets), Reuse.NEVER)
        await self._commit(number, {}, starts=[SentStart(other, child.target, child.payload, child.payload)])
        self.places[other].inbox.append(child)
        self.places[other].reserved.setdefault(child.target, child.payload)

    async def _commit(self, number: int, statuses: dict[str, int], **effects: Any) -> None:
        place = self.places[number]
        before, place.commit_id = place.commit_id, b"c%d" % next(self._numbers)
        effects["states"] = [(target, bytes([status]) + b"rest") for target, status in statuses.items()]
        effects["created"] = [target for target in statuses if target not in place.statuses]
        place.statuses |= statuses
        commit = Commit(number, b"token", before, place.commit_id, **effects)
        assert await self.store.commit([commit], self.store.generation) == [CommitVerdict.APPLIED]

    # -- the world -----------------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """What must hold whenever one looks."""
        for number, place in enumerate(self.places):
            found = await self.store.read_inboxes({number: b"0"}, 1_000, 0)
            there = [entry[1][1] for _, entries in found for entry in entries]
            assert there == [letter.payload for letter in place.inbox], (
                "invariant: what was taken is there, in order, once"
            )
        fault = ill_formed(self.store.snapshot())
        assert fault is None, fault

    async def step(self) -> None:
        what = self.chance.choices(
            (
                "compose",
                "send",
                "lose",
                "give_up",
                "stray",
                "carry_out",
                "go_on",
                "purge",
                "start_child",
                "fill",
                "time",
            ),
            (10, 14, 6, 1, 2, 5, 6, 3, 1, 1, 1),
        )[0]
        client, number = self.chance.choice(self.clients), self.chance.randrange(PARTITIONS)
        if what == "fill":
            self.store.faults.full = self.chance.random() < 0.3
        elif what == "time":
            self.clock.advance_to(self.clock.now_ms() + self.chance.choice([1, KEEP_MS // 5]))
        elif what == "stray":
            await self.stray()
        elif what == "lose":
            await self.send(client, lose=True)
        elif what in ("compose", "send", "give_up"):
            await getattr(self, what)(client)
        else:
            await getattr(self, what)(number)
        await self.check()

    async def end(self) -> None:
        """Nothing goes wrong any more: everybody is told."""
        self.store.faults.full = False
        for _ in range(1_000):
            busy = [client for client in self.clients if client.buffer or client.chain.pending is not None]
            if not busy:
                return
            for number in range(PARTITIONS):
                await self.carry_out(number, 1_000)
            for client in busy:
                await self.send(client)
            await self.check()
        raise AssertionError("invariant: everything comes to its end")


async def run(seed: int, steps: int) -> int:
    """One world; gives how many clients were told that there is none who could take their message."""
    world = RecipientWorld(seed)
    await world.begin()
    for _ in range(steps):
        await world.step()
    await world.end()
    return world.told
