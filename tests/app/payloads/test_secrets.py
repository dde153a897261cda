"""With a codec nothing of users' data is in the store in the clear: not in any key, and not in what the server wrote to its disk."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stead.entities import OperationFailed
from support.guards import HANGS_S
from support.secrets_app import DAY, WORD, Note, app, child, endless, failing, gate, heard, story, tell
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.hazard(114)


async def _until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(HANGS_S):
        while not await true():
            await asyncio.sleep(0.01)


async def _workload(url: str) -> list[str]:
    """Something in every way in which something is stored; and what came out of it."""
    gate.clear()
    async with app.connect(url) as client:
        # Before there is a worker: what waits in inboxes.
        await client.signal_entity(Note.put, "early", WORD, rank=7)
        early = await client.start_new(child, WORD, instance_id="early")
        await client.start_new(child, WORD, instance_id="later", at=datetime.now(UTC) + DAY)
        async with app.worker(url):
            seen = [await client.call_entity(Note.put, "a", WORD, rank=3)]
            with pytest.raises(OperationFailed, match=WORD):
                await client.call_entity(Note.boom, "a", WORD)
            await client.signal_entity(Note.boom, "a", text=WORD)
            await client.signal_entity(Note.remind, "reminded", WORD)
            await client.signal_entity(Note.pass_on, "a", WORD)
            await client.after(DAY).signal_entity(Note.put, "scheduled", WORD)
            await client.signal_entity(Note.hold, "held", WORD)
            for _ in range(8):
                await client.signal_entity(Note.put, "held", WORD)
            told = await client.start_new(story, WORD, instance_id="told")
            await client.start_new(endless, WORD, instance_id="endless")
            await client.start_new(failing, WORD, instance_id="failing")
            await client.start_new(endless, WORD, instance_id="ended")
            await client.terminate("ended", reason=WORD)
            seen.append(await client.ask(heard, told, WORD))
            seen.append(await client.update(tell, told, WORD))
            await _until(lambda: _parked(client))
            await _until(lambda: _progress(client))
            await client.suspend("endless", WORD)
            await client.raise_event(told, "go", {"event": WORD})
            ends = [await client.wait_for_completion(each) for each in (early, told, "failing", "from-a")]
        return [*seen, *map(str, ends)]


async def _parked(client: Any) -> bool:
    return any(part.parked for part in await client.store.info())


async def _progress(client: Any) -> bool:
    status = await client.get_status("endless", show_history=True)
    return status is not None and any(wait.details for wait in status.waiting_for or ())


def _everything(server: ValkeyServer, folder: Path) -> bytes:
    """All values of all keys, and the files of the server."""
    found: list[Any] = []
    for key in server.run("KEYS", "*"):
        kind = server.run("TYPE", key).decode()
        read = {
            "string": ("GET", key),
            "hash": ("HGETALL", key),
            "list": ("LRANGE", key, 0, -1),
            "set": ("SMEMBERS", key),
            "zset": ("ZRANGE", key, 0, -1),
            "stream": ("XRANGE", key, "-", "+"),
        }[kind]
        found.append((key, server.run(*read)))
    files = [file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()]
    return repr(found).encode() + b"".join(files)


def _spellings(word: str) -> list[bytes]:
    """How the word may look: as it is, in capitals, and within base64."""
    texts = [word.encode(), word.upper().encode()]
    return [*texts, *(base64.b64encode(b"-" * lead + text)[4 : 4 + 10] for text in texts for lead in range(3))]


async def test_nothing_of_the_users_is_in_the_store_or_on_its_disk(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    seen = await _workload(server.url)
    assert all(WORD in one for one in seen)
    assert "Completed" in seen[4]
    stored = _everything(server, server.socket.parent)
    assert len(stored) > 20_000
    for spelling in _spellings(WORD):
        at = stored.find(spelling)
        assert at < 0, stored[max(0, at - 300) : at + 60]
    # What stays readable: names, keys, indexed values.
    assert b"note" in stored
    assert b"reminded" in stored
