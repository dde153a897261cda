"""What the parts of `RedisStore` share: the hub's layout and keys, and the links to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from stead.transport._contract.clock import Clock
from stead.transport._contract.errors import (
    ConnectionLost,
    KeyDamaged,
    ServerUnsuitable,
    StoreUnavailable,
    TornCommit,
    UnexpectedAnswer,
)
from stead.transport._contract.left_out import UNREADABLE, LeftOut
from stead.transport._contract.records import HubLayout, ServerFacts
from stead.transport._contract.settings import Settings

from .answers import ReplyError, fault
from .gathering import Gathering
from .inbox_request import InboxRequest
from .keys import KeyNames, partition_in
from .link import Link, Server, whose_command
from .scripts import command

# A park's key for a message: its stream ID, padded so that IDs compare as text. `lua/_prelude.lua` has the same.
_PADDED = b"%014d-%010d"
_ID_LENGTH_MAX = 41  # of a stream ID: two numbers of 64 bits


def padded(stream_id: bytes) -> bytes:
    """A stream ID as the beginning of a park's entry."""
    milliseconds, _, sequence = stream_id.partition(b"-")
    return _PADDED % (int(milliseconds), int(sequence or 0))


@contextmanager
def concerning(partition: int) -> Generator[None]:
    """Around a step for one partition: whatever is wrong with what the store holds is `KeyDamaged`, and says whose step
    it was."""
    try:
        yield
    except KeyDamaged as error:
        raise of_step(error, partition) from None
    except UnexpectedAnswer as error:
        raise KeyDamaged(error.reason, partition) from None
    except UNREADABLE as error:
        raise unreadable(partition, error) from error


@contextmanager
def concerning_hub(key: bytes) -> Generator[None]:
    """Around a step on a key of the whole hub: whatever is wrong with it is `KeyDamaged` of that key, and no partition's."""
    try:
        yield
    except KeyDamaged as error:
        raise named(error, error.key or key) from None
    except UnexpectedAnswer as error:
        raise named(KeyDamaged(error.reason), key) from None
    except UNREADABLE as error:
        raise named(KeyDamaged(f"what it holds cannot be read ({type(error).__name__}: {error})"), key) from error


def named(error: KeyDamaged, key: bytes) -> KeyDamaged:
    """The same error, which says of which key it is: the server does not, if a plain command meets another type."""
    if error.key:
        return error
    return KeyDamaged(f"{key.decode(errors='backslashreplace')}: {error.reason}", partition_in(key), error.step, key)


def of_step(error: KeyDamaged, partition: int) -> KeyDamaged:
    """The same error, of a step for a partition."""
    return KeyDamaged(error.reason, error.partition, partition, error.key)


def damage_of(text: str, partition: int) -> KeyDamaged:
    """What is wrong with a key, from the text of the error that a script caught in the step for a partition. Raises what is
    not about a key."""
    error = fault(ReplyError(text))
    if isinstance(error, KeyDamaged):
        return of_step(error, partition)
    if isinstance(error, UnexpectedAnswer):
        return KeyDamaged(error.reason, partition)
    raise error


def unreadable(partition: int, error: Exception) -> KeyDamaged:
    """The error for content of a partition's key that cannot be read."""
    return KeyDamaged(
        f"what the store holds for partition {partition} cannot be read ({type(error).__name__}: {error}); another program "
        "has written to it, or a later version of stead",
        partition,
    )


def is_owner(partition: int, answer: Sequence[Any]) -> bool:
    """What a fenced script says of the lease. Raises `TornCommit` for a partition in quarantine."""
    if answer[0] == -1:
        raise TornCommit(partition, _step_name(answer[1]))
    return bool(answer[0])


def check_id(stream_id: bytes) -> bytes:
    """A stream ID as the server writes it. Raises `ValueError` for what is none."""
    milliseconds, dash, sequence = stream_id.partition(b"-")
    if not (dash and milliseconds.isdigit() and sequence.isdigit() and len(stream_id) <= _ID_LENGTH_MAX):
        raise ValueError(f"{stream_id[:40]!r} is no stream ID")
    return stream_id


def _step_name(applying: bytes) -> str:
    """The step that began and did not end: the script's name, or the commit's ID."""
    return applying.decode() if applying in (b"park", b"fire", b"share") else applying.hex()


class ReadSize:
    """How many entries to ask for: a read has no limit in bytes, so their recent size decides (HAZARDS 22)."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.entry_bytes = 1_024.0  # what an entry is taken to weigh before the first was seen

    def count(self, wanted: int, streams: int = 1) -> int:
        """Entries to ask of each stream."""
        return max(1, min(wanted, int(self._bytes_max / (self.entry_bytes * streams))))

    def learn(self, received_bytes: int, entries: int) -> None:
        """What a read brought. Large entries count at once, small ones bit by bit."""
        if received_bytes > 0 and entries:
            size = received_bytes / entries
            self.entry_bytes = max(size, self.entry_bytes + (size - self.entry_bytes) / 8)


class RedisBase:
    """The state of a `RedisStore`."""

    def __init__(self, server: Server, settings: Settings, layout: HubLayout, facts: ServerFacts) -> None:
        self._server = server
        server.hub = layout
        self._whose = whose_command(layout.name)
        self._settings = settings
        self._layout = layout
        self._facts = facts
        self._keys = KeyNames(layout)
        self._left_out = LeftOut()
        self._enqueues = Link(server)
        self._commits = Link(server)
        self._loads = Link(server)
        self._queries = Link(server)
        self._gathering = Gathering(self._queries, self._whose, server.check_hub)
        self._inboxes = Link(server, blocking=True)
        self._replies = Link(server, blocking=True)
        self._takes = Link(server, blocking=True)
        self._inbox_request = InboxRequest(self._keys.partitions)
        self._inbox_size = ReadSize(settings.read_bytes_max)
        self._reply_size = ReadSize(settings.read_bytes_max)

    @property
    def layout(self) -> HubLayout:
        return self._layout

    @property
    def clock(self) -> Clock:
        return self._server.clock

    @property
    def generation(self) -> int:
        return self._server.generation

    @property
    def facts(self) -> ServerFacts:
        return self._facts

    @property
    def left_out(self) -> LeftOut:
        return self._left_out

    def key_of_replies(self, group: int, client: str) -> bytes:
        """The name of a client's reply stream."""
        return self._keys.reply(group, client)

    def is_key_of_queue(self, queue: str, key: bytes) -> bool:
        """Whether a key is one of a queue's."""
        return key in self._keys.queue_and_limits(queue)

    async def close(self) -> None:
        """Drop every connection. Whoever waits gets `ConnectionLost`."""
        self._server.closed = True
        quick = (self._enqueues, self._commits, self._loads, self._queries)
        for link in (*quick, self._inboxes, self._replies, self._takes):
            link.close()
        await asyncio.sleep(0)  # lets the event loop close the sockets

    async def _ask(self, *commands: bytes, each: bool = False) -> list[Any]:
        """Answers to reads of clients. Raises `HubMismatch` if the hub is gone: they would say that nothing is there. With
        `each` there may be a `KeyDamaged` among them."""
        *answers, found = await self._queries.run((*commands, self._whose), each=each)
        if isinstance(found, KeyDamaged):
            raise found
        self._server.check_hub(found)
        return answers

    def _waits(self) -> list[bytes]:
        """What to add to a pipeline that acknowledges something: wait until replicas have it (HAZARDS 30)."""
        count = self._settings.replicas_ack
        return [command("WAIT", count, self._settings.store_answer_ms // 2)] if count else []

    def _check_waited(self, answers: list[object]) -> None:
        """Replicas that are too few or too slow leave the outcome open: the caller sends the same again."""
        if not self._settings.replicas_ack:
            return
        reached = answers.pop()
        if isinstance(reached, ServerUnsuitable):  # what was to be waited for is written all the same
            raise StoreUnavailable(str(reached), "unknown")
        if isinstance(reached, int) and reached < self._settings.replicas_ack:
            raise ConnectionLost(
                f"{reached} of {self._settings.replicas_ack} replicas have confirmed (STEAD_REPLICAS_ACK)"
            )
