"""The dead letters of a hub, for people: what could not be carried out and why; send it again, or drop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stead.entities._message.envelope import (
    Failure,
    LockedEnvelope,
    UnknownEnvelope,
    decode_message,
    encode_message,
    message_extras,
)
from stead.entities._message.letters import Letter, decode_letter
from stead.entities._message.shards import version_for
from stead.transport import DeadLetter, InvalidInput, KeyDamaged, Store, StreamId, partition_of, stream_order

_PAGE = 200


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that could not be carried out.

    `target` is empty if the message itself cannot be read, or if decoding it ended its workers; then `failure` says so. `letter_id` names it in the hub.
    """

    letter: DeadLetter
    target: str
    operation: str
    args: Sequence[object]
    kwargs: Mapping[str, object]
    sender: str | None
    failure: Failure
    died_ms: int
    tries: int
    envelope: bytes
    locked: bool = False  # what it carries is encoded, and cannot be decoded here: it can be sent again, or dropped

    @property
    def letter_id(self) -> str:
        """`PARTITION/STREAM-ID`."""
        return f"{self.letter.partition}/{self.letter.stream_id.decode()}"


class DeadLetters:
    """The dead letters of one hub."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self, after_id: str = "") -> AsyncIterator[DeadMessage]:
        """Every dead letter, partition by partition, oldest first; with an ID only those that come after it.

        Those that die meanwhile are left out: who sends each one again would otherwise never come to an end. Raises
        `InvalidInput` for what is no ID.
        """
        first, begin = self._parse(after_id) if after_id else (0, b"0")
        # Where each partition ends is asked before the first letter is given, and of the server: a message that is sent
        # again dies anew further on, in its own partition or in a later one, and clocks differ by more than it takes to.
        partitions = range(first, self._store.layout.partitions)
        ends = await asyncio.gather(*map(self._end, partitions))
        for partition, end in zip(partitions, ends, strict=True):
            try:
                if isinstance(end, KeyDamaged):
                    raise end
                async for letter in self._up_to(end, partition, begin if partition == first else b"0"):
                    message = self._readable(letter)
                    if message is not None:
                        yield message
            except KeyDamaged as error:
                self._store.left_out.note("partitions", str(partition), error)

    def _readable(self, letter: DeadLetter) -> DeadMessage | None:
        """The message of a dead letter, None for one that cannot be read: it is named, and left out."""
        name = f"{letter.partition}/{letter.stream_id.decode()}"
        try:
            message = read_letter(letter)
        except InvalidInput as error:
            self._store.left_out.note("dead letters", name, error)
            return None
        self._store.left_out.readable("dead letters", name)
        return message

    async def _end(self, partition: int) -> tuple[int, int] | KeyDamaged:
        """The place of a partition's last dead letter, or what is wrong with them."""
        try:
            return stream_order(await self._store.last_dead_letter(partition))
        except KeyDamaged as error:
            return error

    async def _up_to(self, end: tuple[int, int], partition: int, after: StreamId) -> AsyncIterator[DeadLetter]:
        """A partition's dead letters after an ID, up to a place."""
        while stream_order(after) < end and (page := await self._store.dead_letters(partition, after, _PAGE)):
            for letter in page:
                if stream_order(letter.stream_id) > end:
                    return
                yield letter
            after = page[-1].stream_id

    async def find(self, letter_id: str) -> DeadMessage | None:
        """The dead letter of an ID, None if it is gone. Raises `InvalidInput` for what is no ID."""
        partition, stream_id = self._parse(letter_id)
        milliseconds, sequence = stream_order(stream_id)
        before = f"{milliseconds}-{sequence - 1}" if sequence else f"{max(milliseconds - 1, 0)}-{2**64 - 1}"
        for letter in await self._store.dead_letters(partition, before.encode(), 1):
            if stream_order(letter.stream_id) == (milliseconds, sequence):
                return self._readable(letter) or _unreadable(letter)  # so that it can be dropped
        return None

    async def resend(self, message: DeadMessage) -> bool:
        """Put the message into its entity's inbox again, to be carried out at once. False if the letter is gone.

        Nobody waits for the answer of a call any more, so it becomes a signal.
        """
        if not message.envelope:
            raise InvalidInput(
                f"dead letter {message.letter_id!r}", f"{message.failure.message}: it can be dropped only"
            )
        if message.failure.kind == "undeliverable":  # whoever waits for its answer still does
            destination = partition_of(message.target, self._store.layout.partitions)
            return await self._store.resend_dead_letter(message.letter, destination, message.envelope)
        if message.locked:
            destination = partition_of(message.target, self._store.layout.partitions)
            return await self._store.resend_dead_letter(message.letter, destination, message.envelope)
        if not message.target:
            return await self._store.resend_dead_letter(message.letter, message.letter.partition, message.envelope)
        before = decode_message(message.envelope)
        payload = encode_message(
            message.target,
            message.operation,
            message.args,
            before.message_id,
            message_extras(kwargs=message.kwargs, sender=message.sender, trace=before.trace),
            version_for(message.target),
        )
        destination = partition_of(message.target, self._store.layout.partitions)
        return await self._store.resend_dead_letter(message.letter, destination, payload)

    async def drop(self, message: DeadMessage) -> bool:
        """Forget the message. False if the letter is gone."""
        return await self._store.drop_dead_letter(message.letter.partition, message.letter.stream_id)

    def _parse(self, letter_id: str) -> tuple[int, bytes]:
        number, slash, stream_id = letter_id.partition("/")
        milliseconds, dash, sequence = stream_id.partition("-")
        parts = (number, milliseconds, sequence)
        if not (slash and dash and all(part.isascii() and part.isdigit() and len(part) <= 20 for part in parts)):
            raise InvalidInput(f"dead letter {letter_id!r}", "an ID is PARTITION/STREAM-ID, such as 12/1763692800000-0")
        if int(number) >= self._store.layout.partitions:
            raise InvalidInput(f"dead letter {letter_id!r}", f"the hub has {self._store.layout.partitions} partitions")
        return int(number), stream_id.encode()


def read_letter(letter: DeadLetter) -> DeadMessage:
    """The message that a dead letter carries."""
    read = decode_letter(letter.letter)
    if read.sealed:
        return _made(letter, read, "", "", (), {}, None)
    try:
        message = decode_message(read.envelope)
    except LockedEnvelope as error:
        shown = error.message
        assert shown is not None, "it says whose it is"
        failure = read.failure if read.failure.message else replace(read.failure, message=f"locked: {error.reason}")
        made = _made(letter, read, shown.target, shown.operation, (), {}, None)
        return replace(made, locked=True, failure=failure)
    except (InvalidInput, UnknownEnvelope):
        return _made(letter, read, "", "", (), {}, None)
    return _made(letter, read, message.target, message.operation, message.args, message.kwargs or {}, message.sender)


def _unreadable(letter: DeadLetter) -> DeadMessage:
    failure = Failure("invalid_input", "InvalidInput", "the dead letter itself cannot be read")
    return _made(
        letter, Letter(b"", failure, letter.stream_id, stream_order(letter.stream_id)[0], 0), "", "", (), {}, None
    )


def _made(
    letter: DeadLetter,
    read: Letter,
    target: str,
    operation: str,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    sender: str | None,
) -> DeadMessage:
    return DeadMessage(
        letter, target, operation, args, kwargs, sender, read.failure, read.died_ms, read.tries, read.envelope
    )
