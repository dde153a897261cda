"""A store through which users' data passes by a codec: what goes in is encoded, what comes out is decoded.

1. Everything above it sees plain data: what is compared, indexed or handed over in memory is never what a codec made, which may be
   other bytes each time.
2. What cannot be decoded comes out as it is stored, with the reason: whoever reads it lets that one thing wait.
3. What a codec cannot encode was found out before it came here (`check_length`). If it fails here all the same, the step was not
   carried out, and is tried again: the service that holds its keys is away, perhaps.
4. A step sent again is encoded again. The store knows it by its IDs, not by its bytes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from stead.transport._contract.codec import let_buffers_go
from stead.transport._contract.commit import Commit, CommitAnswer, LogWrite, Task
from stead.transport._contract.errors import ConnectionLost, InvalidInput, PayloadLocked
from stead.transport._contract.feeds import FeedPart, ReadFeed
from stead.transport._contract.indexes import Look, ReadRecords
from stead.transport._contract.records import (
    NOTHING_SAID,
    Acquired,
    Batch,
    DamagedLog,
    DeadLetter,
    EnqueueResult,
    Entry,
    InstanceView,
    Kept,
    Loaded,
    PartitionInfo,
    StreamId,
    Taken,
    has_log,
)
from stead.transport._contract.rope import LARGE_BYTES
from stead.transport._contract.settings import Settings
from stead.transport._contract.store import Store
from stead.transport.describing import text_of_error

from .blobs import Blobs, ensure, ensured
from .codec import codec_of
from .forms import StoredForm, StoredForms
from .large import references_in
from .places import blobs_of
from .reading import BlobReading, Reference
from .vault import Vault

_LOCKED_TEXT = "locked:"
"""With which a text begins that a codec has made: why a target's messages wait."""


def sealed_store(store: Store, settings: Settings, forms: StoredForms) -> Store:
    """The store itself, or with a codec, or a place for large payloads, one that uses it. Raises `InvalidInput` if there is no such
    thing."""
    codec, blobs = codec_of(settings), blobs_of(settings)
    if codec is None and blobs is None:
        return store
    vault = Vault(codec, None if blobs is None else settings.payload_bytes_max)
    return cast("Store", SealedStore(store, forms, vault, blobs))


class SealedStore:
    """A store that seals and opens. What has no data of users' in it goes straight to the store within."""

    def __init__(self, within: Store, forms: StoredForms, vault: Vault, blobs: Blobs | None = None) -> None:
        self.within = within
        self.blobs = blobs
        self._forms = forms
        self._vault = vault

    def __getattr__(self, name: str) -> Any:
        return getattr(self.within, name)

    # -- how ------------------------------------------------------------------------------------------------------------

    def _sealed(self, form: StoredForm, data: bytes) -> bytes:
        put = self._vault.put
        if len(data) > LARGE_BYTES:
            let_buffers_go()
        try:
            return bytes(form.seal(data, put))  # no rope goes into a store
        except InvalidInput as error:
            short = form.shortened(data)
            if short is None:
                raise ConnectionLost(error.reason) from error
            try:
                return bytes(form.seal(short, put))
            except InvalidInput as worse:
                raise ConnectionLost(worse.reason) from worse

    def _opened(self, form: StoredForm, data: bytes) -> bytes:
        return form.open(data, self._vault.get)

    async def _store_pending(self) -> None:
        """Put what was cut out where it belongs, before anything that names it is stored."""
        cutter, blobs = self._vault.cutter, self.blobs
        if cutter is None or blobs is None or not cutter.pending:
            return
        pending, cutter.pending = cutter.pending, {}
        try:
            for reference, content in pending.items():
                if content is not None:
                    await ensure(blobs, reference.name, content)
                elif not await ensured(blobs, reference.name):
                    cutter.forget(reference)
                    raise ConnectionLost(f"the large payload {reference.name} is gone, and is stored anew")
        except OSError as error:
            raise ConnectionLost(
                f"large payloads cannot be stored ({text_of_error(error)}): see STEAD_LARGE_PAYLOADS"
            ) from error

    async def _fetch(self, *values: bytes | None) -> None:
        """Read what these values name: it has to be there when they are opened, which is before anything else is awaited."""
        cutter, blobs = self._vault.cutter, self.blobs
        if cutter is None or blobs is None:
            return
        fetched: dict[Reference, BlobReading | None] = {}
        try:
            for value in values:
                for reference in references_in(value) if value is not None else ():
                    if reference not in fetched:
                        reading = cutter.reading(reference)
                        fetched[reference] = reading if await blobs.read(reference.name, reading.take) else None
        except OSError as error:
            raise ConnectionLost(
                f"large payloads cannot be read ({text_of_error(error)}): see STEAD_LARGE_PAYLOADS"
            ) from error
        cutter.fetched = fetched
        if fetched:
            asyncio.get_running_loop().call_soon(cutter.let_go, fetched)  # it was opened by then

    def _record(self, target: str) -> StoredForm:
        return self._forms.instance if has_log(target) else self._forms.entity

    def _opened_record(self, target: str, record: bytes | None) -> bytes | None:
        return None if record is None else self._opened(self._record(target), record)

    def _opened_log(self, log: Sequence[bytes]) -> Sequence[bytes]:
        if isinstance(log, DamagedLog):
            return log
        form = self._forms.event
        return [self._opened(form, event) for event in log]

    def _sealed_text(self, text: str) -> str:
        try:
            content = self._vault.encode(text.encode())
        except InvalidInput:
            return "why cannot be said, since the payload codec does not take it: see the log of the worker that had it"
        return text if content is None else _LOCKED_TEXT + base64.b64encode(content).decode()

    def _opened_text(self, text: str) -> str:
        if not text.startswith(_LOCKED_TEXT):
            return text
        try:
            return self._vault.get(base64.b64decode(text[len(_LOCKED_TEXT) :])).decode()
        except PayloadLocked as error:
            return str(error)
        except (binascii.Error, UnicodeError):
            return text

    def _opened_texts(self, texts: Mapping[str, str]) -> dict[str, str]:
        return {name: self._opened_text(text) for name, text in texts.items()}

    def _opened_view(self, view: InstanceView) -> InstanceView:
        start, record = view.start, view.record
        return InstanceView(
            None if start is None else self._opened(self._forms.message, start),
            None if record is None else self._opened(self._forms.instance, record),
            self._opened_log(view.log),
            None if view.blocked is None else self._opened_text(view.blocked),
        )

    # -- producers and clients -----------------------------------------------------------------------------------------

    async def enqueue(self, batches: Sequence[Batch]) -> list[EnqueueResult]:
        form = self._forms.message
        sealed = [replace(one, payloads=[self._sealed(form, payload) for payload in one.payloads]) for one in batches]
        await self._store_pending()
        return await self.within.enqueue(sealed)

    async def read_replies(
        self, group: int, client: str, after: StreamId, block_ms: int
    ) -> Sequence[tuple[StreamId, bytes]]:
        found = await self.within.read_replies(group, client, after, block_ms)
        await self._fetch(*(payload for _, payload in found))
        return [(stream_id, self._opened(self._forms.reply, payload)) for stream_id, payload in found]

    async def read_records(self, partition: int, targets: Sequence[str]) -> list[bytes | None]:
        records = await self.within.read_records(partition, targets)
        await self._fetch(*records)
        return [self._opened_record(target, record) for target, record in zip(targets, records, strict=True)]

    async def list_targets(self, prefix: str, page: int, after: str = "") -> AsyncIterator[list[tuple[str, bytes]]]:
        async for found in self.within.list_targets(prefix, page, after):
            await self._fetch(*(record for _, record in found))
            yield [(target, self._opened(self._record(target), record)) for target, record in found]

    async def list_instances(
        self, prefix: str, page: int, after: str = ""
    ) -> AsyncIterator[list[tuple[str, InstanceView]]]:
        async for found in self.within.list_instances(prefix, page, after):
            await self._fetch(*(value for _, view in found for value in (view.start, view.record, *view.log)))
            yield [(target, self._opened_view(view)) for target, view in found]

    async def read_log(self, partition: int, target: str, first: int, count: int) -> list[bytes]:
        log = await self.within.read_log(partition, target, first, count)
        await self._fetch(*log)
        return list(self._opened_log(log))

    async def read_instance(self, partition: int, target: str, events: int) -> InstanceView:
        view = await self.within.read_instance(partition, target, events)
        await self._fetch(view.start, view.record, *view.log)
        return self._opened_view(view)

    async def look(self, looks: Sequence[Look]) -> tuple[int, list[Any]]:
        version, answers = await self.within.look(looks)
        await self._fetch(*(value for each in zip(looks, answers, strict=True) for value in _values_of(*each)))
        return version, [self._seen(look, answer) for look, answer in zip(looks, answers, strict=True)]

    def _seen(self, look: Look, answer: Any) -> Any:
        if isinstance(look, ReadRecords):
            records: Sequence[bytes | None] = answer
            return [self._opened_record(*each) for each in zip(look.targets, records, strict=True)]
        if isinstance(look, ReadFeed):
            part: FeedPart = answer
            entries = [(stream_id, self._opened(self._forms.entry, entry)) for stream_id, entry in part.entries]
            return part._replace(entries=entries)
        return answer

    # -- workers -------------------------------------------------------------------------------------------------------

    async def acquire(
        self, partition: int, worker: str, token: bytes, expected: bytes, lease_ms: int
    ) -> Acquired | None:
        got = await self.within.acquire(partition, worker, token, expected, lease_ms)
        return replace(got, blocked=self._opened_texts(got.blocked)) if got is not None and got.blocked else got

    async def read_inboxes(
        self, positions: Mapping[int, StreamId], count: int, block_ms: int
    ) -> list[tuple[int, Sequence[Entry]]]:
        found = await self.within.read_inboxes(positions, count, block_ms)
        await self._fetch(*(fields[1] for _, entries in found for _, fields in entries))
        return [(partition, self._entries(entries)) for partition, entries in found]

    def _entries(self, entries: Sequence[Entry]) -> list[Entry]:
        form = self._forms.message
        return [[stream_id, [fields[0], self._opened(form, fields[1]), *fields[2:]]] for stream_id, fields in entries]

    async def load(self, targets: Mapping[int, Sequence[str]]) -> dict[int, list[Loaded]]:
        loaded = await self.within.load(targets)
        await self._fetch(*(value for found in loaded.values() for one in found for value in (one.record, *one.log)))
        return {
            partition: [
                Loaded(self._opened_record(target, found.record), self._opened_log(found.log))
                for target, found in zip(targets[partition], all_found, strict=True)
            ]
            for partition, all_found in loaded.items()
        }

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        sealed = [self._sealed_commit(commit) for commit in commits]
        await self._store_pending()
        return await self.within.commit(sealed, generation)

    def _sealed_commit(self, commit: Commit) -> Commit:
        forms, sealed = self._forms, self._sealed
        parts: dict[str, Any] = {
            "states": [(target, sealed(self._record(target), record)) for target, record in commit.states],
            "timers": [replace(timer, payload=sealed(forms.message, timer.payload)) for timer in commit.timers],
            "sends": [(partition, sealed(forms.message, payload)) for partition, payload in commit.sends],
            "replies": [replace(reply, payload=sealed(forms.reply, reply.payload)) for reply in commit.replies],
            "dead": [sealed(forms.letter, letter) for letter in commit.dead],
            "blocked": [(target, self._sealed_text(reason)) for target, reason in commit.blocked],
            "logs": [
                LogWrite(log.target, [sealed(forms.event, event) for event in log.events], log.reset)
                for log in commit.logs
            ],
            "tasks": [
                Task(task.task_id, task.queue, task.shared, sealed(forms.task, task.payload), task.limit)
                for task in commit.tasks
            ],
            "starts": [replace(start, payload=sealed(forms.message, start.payload)) for start in commit.starts],
            "feeds": [feed._replace(entry=sealed(forms.entry, feed.entry)) for feed in commit.feeds],
        }
        return replace(commit, **{name: made for name, made in parts.items() if made})

    async def read_park(self, partition: int, target: str, after: StreamId, count: int) -> Sequence[Entry]:
        found = await self.within.read_park(partition, target, after, count)
        await self._fetch(*(fields[1] for _, fields in found))
        return self._entries(found)

    # -- activities ----------------------------------------------------------------------------------------------------

    async def tasks(self, partition: int, after: bytes, count: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        page, following = await self.within.tasks(partition, after, count)
        await self._fetch(*(payload for _, payload in page))
        return [(task_id, self._opened_task(payload)) for task_id, payload in page], following

    async def take_tasks(self, queues: Sequence[str], worker: str, count: int, block_ms: int) -> list[Taken]:
        return await self._opened_tasks(await self.within.take_tasks(queues, worker, count, block_ms))

    async def retake_tasks(self, queues: Sequence[str], worker: str, idle_ms: int, count: int) -> list[Taken]:
        return await self._opened_tasks(await self.within.retake_tasks(queues, worker, idle_ms, count))

    async def _opened_tasks(self, taken: Sequence[Taken]) -> list[Taken]:
        await self._fetch(*(task.payload for task in taken))
        return [replace(task, payload=self._opened_task(task.payload)) for task in taken]

    def _opened_task(self, payload: bytes) -> bytes:
        """One that is to end has no payload any more."""
        return payload and self._opened(self._forms.task, payload)

    async def keep_tasks(self, worker: str, taken: Sequence[Taken], said: Mapping[bytes, bytes] = NOTHING_SAID) -> Kept:
        sealed = {task_id: self._sealed(self._forms.message, message) for task_id, message in said.items()}
        await self._store_pending()
        return await self.within.keep_tasks(worker, taken, sealed)

    async def complete_task(self, partition: int, task_id: bytes, payload: bytes, taken: Taken | None) -> bool:
        sealed = self._sealed(self._forms.message, payload)
        await self._store_pending()
        return await self.within.complete_task(partition, task_id, sealed, taken)

    # -- people --------------------------------------------------------------------------------------------------------

    async def dead_letters(self, partition: int, after: StreamId, count: int) -> list[DeadLetter]:
        letters = await self.within.dead_letters(partition, after, count)
        await self._fetch(*(letter.letter for letter in letters))
        return [replace(letter, letter=self._opened(self._forms.letter, letter.letter)) for letter in letters]

    async def resend_dead_letter(self, letter: DeadLetter, destination: int, payload: bytes) -> bool:
        sealed = self._sealed(self._forms.message, payload)
        await self._store_pending()
        return await self.within.resend_dead_letter(letter, destination, sealed)

    async def info(self) -> list[PartitionInfo]:
        found = await self.within.info()
        return [replace(part, blocked=self._opened_texts(part.blocked)) if part.blocked else part for part in found]


def _values_of(look: Look, answer: Any) -> Sequence[bytes | None]:
    """What of the answer to a look may name large payloads."""
    if isinstance(look, ReadRecords):
        records: Sequence[bytes | None] = answer
        return records
    if isinstance(look, ReadFeed):
        part: FeedPart = answer
        return [entry for _, entry in part.entries]
    return ()
