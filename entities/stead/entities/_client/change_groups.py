"""Groups of readers: several that share a feed, and whose place in it the hub keeps (HAZARDS 98).

Each reader holds some partitions, under fences of its own, and reads on from where the group has done them. Only what was marked as done
does not come again: at least once. A reader says that it lives from a task of its own, so that a change may take as long as it does.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncGenerator, Iterator
from functools import partial
from typing import Any

from stead.entities._message.errors import ChangesLost
from stead.transport import (
    UNANSWERED,
    UNREADABLE,
    Attendance,
    Claim,
    GroupView,
    InvalidInput,
    begin_task,
    end_task,
    get_logger,
    pack,
    see_through,
    unpack,
)

from .change_sharing import GroupSharing, Held
from .changes import OLDEST, Change, FeedReader, Loss
from .cursor import Place

logger = get_logger("stead.client")

GROUP_NAME_LENGTH_MAX = 128


def check_group(group: object) -> str:
    """A group's name. Raises `InvalidInput`."""
    what = f"group={str(group)[:40]!r}"
    if not isinstance(group, str) or not group or len(group) > GROUP_NAME_LENGTH_MAX:
        raise InvalidInput(what, f"it is a text of 1 to {GROUP_NAME_LENGTH_MAX} characters")
    if not group.isprintable() or not group.isascii() or " " in group:
        raise InvalidInput(what, "it is printable ASCII without blanks")
    return group


class GroupReader:
    """One reader of a group."""

    def __init__(self, feed: FeedReader, group: str) -> None:
        settings = feed.settings
        self._feed = feed
        self._store = feed.store
        self._group = check_group(group)
        self._keep_ms = keep_ms_of(feed)
        self._sharing = GroupSharing(
            secrets.token_hex(8), settings.worker_keep_ms, settings.lease_ms, settings.drain_ms
        )
        self._attending = asyncio.Lock()
        self._attended_ms = 0
        self._gone = False
        self._left = False

    async def begin(self, start: str | None) -> AsyncGenerator[Change[Any]]:
        """The changes of the partitions that fall to this reader, without an end; `start`: where a group that is new begins. Raises
        `InvalidInput` for what is no cursor; what it gives, `ChangesLost`."""
        await self._open(start)
        return self._follow()

    async def _follow(self) -> AsyncGenerator[Change[Any]]:
        beating = begin_task(self._keep_attending(), name=f"stead reader of {self._group}")
        try:
            in_vain = 0
            while True:
                await self._attend_now_and_then(at_once=in_vain > 0)
                found = await self._read()
                # What was another's in between: what was read of it is not given, or there would be a gap.
                left = set[int]()
                for partition, held, stream_id, entry in found:
                    if partition in left:
                        continue
                    behind = self._feed.behind(held.read, stream_id, entry)
                    for place, change in self._changes(partition, held, behind, entry):
                        if not self._holds(partition, held):
                            break
                        held.read = place
                        yield change
                    if self._holds(partition, held):
                        held.read = behind
                    else:
                        left.add(partition)
                if found:
                    in_vain = 0
                else:
                    await self._feed.pause(self._feed.settings.changes_poll_ms / 1000, in_vain)
                    in_vain += 1
        finally:
            await end_task(beating)
            await see_through(self.leave())

    async def _open(self, start: str | None) -> None:
        """Make the group, if there is none."""
        feed, store = self._feed, self._store
        view = await feed.answer(lambda: store.read_group(feed.kind, self._group))
        if view is None:
            places = await feed.places(start)
            texts = [places[number].text for number in feed.partitions]
            await feed.answer(lambda: store.open_group(feed.kind, self._group, texts, self._keep_ms))
        elif start not in (None, OLDEST):
            await feed.places(start)  # which is wrong whether or not it is needed

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _attend_now_and_then(self, *, at_once: bool) -> None:
        feed = self._feed
        if at_once or abs(self._store.clock.now_ms() - self._attended_ms) >= feed.settings.changes_poll_ms:
            await self._attend()
        if self._gone:  # with the server's past, or its time is over though somebody reads it
            raise ChangesLost(feed.name, 0, True, feed.write(await feed.places(OLDEST)))

    async def _read(self) -> list[tuple[int, Held, bytes, bytes]]:
        """What comes next in the partitions that this reader holds: whose it is, and each entry with its ID."""
        held = {number: each for number, each in self._sharing.held.items() if each.leaving_ms is None}
        if not held:
            return []
        parts, loss = await self._feed.read({number: each.read for number, each in held.items()})
        if loss is not None:
            await self._lose(held, loss)
        return [
            (number, held[number], stream_id, entry)
            for number, part in parts.items()
            for stream_id, entry in part.entries
        ]

    def _holds(self, partition: int, held: Held) -> bool:
        return self._sharing.held.get(partition) is held and held.leaving_ms is None

    def _changes(self, partition: int, held: Held, behind: Place, entry: bytes) -> Iterator[tuple[Place, Change[Any]]]:
        """What an entry says, and the place behind each change."""
        for entity_id, state, time, place in self._feed.changes(behind, entry, held.read.changes):
            yield (
                place,
                Change(
                    entity_id,
                    state,
                    time,
                    partial(self._cursor, partition, place),
                    partial(self._done, partition, held, place),
                    partial(_receipt, partition, held.fence, place),
                ),
            )

    def _cursor(self, partition: int, place: Place) -> str:
        """All partitions as far as the group has done them, as this reader knows, and this one up to the change."""
        places = {number: Place.of_text(row.place) for number, row in self._sharing.rows.items()}
        places.update((number, each.done) for number, each in self._sharing.held.items())
        return self._feed.write({**places, partition: place})

    async def _lose(self, held: dict[int, Held], loss: Loss) -> None:
        """Say what is lost, once: the group goes on from where that is made up for."""
        feed = self._feed
        for partition, place in loss.resume.items():
            await self._mark(partition, held[partition], place, back=True)
        places = {number: Place.of_text(row.place) for number, row in self._sharing.rows.items()} | loss.resume
        logger.warning(
            "group %s of %s: changes of %d commits are not kept any more; it goes on behind them",
            self._group,
            feed.name,
            loss.missing,
        )
        raise ChangesLost(feed.name, loss.missing, loss.went_back, feed.write(places))

    async def _done(self, partition: int, held: Held, place: Place) -> bool:
        marked = await self._mark(partition, held, place)
        if marked and (place.whole, place.changes) > (held.done.whole, held.done.changes):
            held.done = place
        return marked

    async def _mark(self, partition: int, held: Held, place: Place, *, back: bool = False) -> bool:
        return bool(
            await self._feed.answer(
                lambda: self._store.mark_done(
                    self._feed.kind, self._group, partition, held.fence, place.text, back=back
                )
            )
        )

    # -- attending -----------------------------------------------------------------------------------------------------

    async def _keep_attending(self) -> None:
        """Say that this reader lives, while it is busy with a change."""
        clock, heartbeat_ms = self._store.clock, self._feed.settings.heartbeat_ms
        while True:
            await clock.sleep(heartbeat_ms / 1000)
            if clock.now_ms() - self._attended_ms < heartbeat_ms:
                continue
            try:
                await self._attend()
            except UNANSWERED as error:
                logger.warning("group %s of %s: %s; trying again", self._group, self._feed.name, error)
            except Exception as error:  # noqa: BLE001 - the reading itself meets it too, and raises it
                logger.warning("group %s of %s: %s", self._group, self._feed.name, error)

    async def _attend(self) -> None:
        """Say what this reader holds, and claim what falls to it."""
        async with self._attending:
            sharing = self._sharing
            if self._left:
                return
            view = await self._say({}, [])
            if view is None:
                self._gone = True
                return
            sharing.learn(view, {})
            free = sharing.wanted(view)
            released = sharing.given_back(view.now_ms)
            if free or released:
                for partition, _ in released:
                    del sharing.held[partition]
                fences = {partition: secrets.token_hex(8).encode() for partition in free}
                claims = [Claim(number, view.rows[number].fence, fence) for number, fence in fences.items()]
                view = await self._say(fences, claims, released)
                if view is not None:
                    for partition in sharing.learn(view, fences):
                        self._feed.forget(partition)
            self._attended_ms = self._store.clock.now_ms()

    async def _say(
        self, fences: dict[int, bytes], claims: list[Claim], released: list[tuple[int, bytes]] | None = None
    ) -> GroupView | None:
        sharing, settings = self._sharing, self._feed.settings
        renewed = [(number, each.fence) for number, each in sharing.held.items()]
        said = Attendance(
            sharing.reader,
            settings.worker_keep_ms,
            settings.lease_ms,
            self._keep_ms,
            renewed,
            released or [],
            claims,
        )
        found: GroupView | None = await self._feed.answer(
            lambda: self._store.attend_group(self._feed.kind, self._group, said)
        )
        return found

    async def leave(self) -> None:
        """Give everything back, so that others go on at once. If the server does not answer, the claims run out."""
        async with self._attending:
            if self._left:
                return
            self._left = True
            released = [(number, each.fence) for number, each in self._sharing.held.items()]
            self._sharing.held.clear()
            said = Attendance(self._sharing.reader, 0, 1, self._keep_ms, (), released, ())
            try:
                await self._store.attend_group(self._feed.kind, self._group, said)
            except Exception as error:  # noqa: BLE001 - nothing depends on it
                logger.debug("group %s: leaving: %s", self._group, error)


def keep_ms_of(feed: FeedReader) -> int:
    """For how long a group is kept that nobody reads."""
    return max(1, round(feed.settings.changes_group_keep.total_seconds() * 1000))


# -- receipts ----------------------------------------------------------------------------------------------------------


def _receipt(partition: int, fence: bytes, place: Place) -> str:
    return base64.urlsafe_b64encode(pack([partition, fence, place.text])).decode().rstrip("=")


async def mark_receipt(feed: FeedReader, group: str, receipt: str) -> bool:
    """Mark the change of a receipt as done. Raises `InvalidInput` for what is none."""
    check_group(group)
    try:
        partition, fence, text = unpack(base64.urlsafe_b64decode(f"{receipt}==="))
        if partition not in feed.partitions or not isinstance(fence, bytes) or not fence or type(text) is not bytes:
            raise ValueError  # (looked at, not made: of a number `bytes` would make so many of them)
        place = Place.of_text(text)
    except UNREADABLE as error:
        raise InvalidInput(
            f"receipt {receipt[:20]!r}…", "it is none of a change that was read with this group"
        ) from error
    return bool(await feed.answer(lambda: feed.store.mark_done(feed.kind, group, partition, fence, place.text)))
