"""`/api/v1/signals`: bulk ingestion of newline-delimited JSON, one signal a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from stead.entities.extending import BulkProducer, claim_number
from stead.gateway._http.body import chunks, media_type
from stead.gateway._http.errors import PROBLEM, HttpError, error_response, lost_data, too_many
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription

from .ingestion import HubFull, Ingestion
from .lines import Lines
from .models import Ingested, SignalLine

NDJSON = "application/x-ndjson"
_MEDIA_TYPES = frozenset(
    {"", NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines", "application/x-jsonlines"}
    | {"application/json-lines", "application/json", "application/octet-stream", "text/plain"}
)

FINGERPRINT_LINES = 16
FINGERPRINT_BYTES = 65_536
DISCARDED_BYTES_MAX = 4_194_304
KEY_LENGTH_MAX = 255
RETRY_AFTER_SECONDS = 2
RUNNING_MAX = 100


async def ingest(request: Request, hub: Hub) -> Response:
    """Take a body of signals."""
    Query(request).done()
    kind = media_type(request)
    if kind not in _MEDIA_TYPES:
        raise HttpError(415, f"signals come as {NDJSON}, one JSON object a line, not as {kind}")
    with _room(hub):
        return await _ingest(request, hub)


@contextmanager
def _room(hub: Hub) -> Generator[None]:
    """Around a bulk request: each may hold a full buffer of a producer in memory."""
    traffic = hub.traffic
    if traffic.ingesting >= RUNNING_MAX:
        raise too_many(f"{RUNNING_MAX} bulk requests are being carried out already", RETRY_AFTER_SECONDS)
    traffic.ingesting += 1
    try:
        yield
    finally:
        traffic.ingesting -= 1


async def _ingest(request: Request, hub: Hub) -> Response:
    body = chunks(request, hub)
    beginning, keyed = await _open_key(request, hub, body)
    ingestion = Ingestion(hub, keyed)
    clean = False
    try:
        lines = Lines(hub.settings.line_bytes_max)
        if beginning:
            await ingestion.take(lines.feed(beginning))
        async for piece in body:
            await ingestion.take(lines.feed(piece))
        await ingestion.take(lines.end())
        await ingestion.finish()
        clean = True
        return json_response(ingestion.as_data())
    except ClientDisconnect:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer says what was accepted before
        hub.traffic.note(error)
        response = await _interrupted(ingestion, error, keyed=keyed is not None)
        await _discard(body)
        return response
    finally:
        await ingestion.aclose(clean=clean)


async def _interrupted(ingestion: Ingestion, error: Exception, *, keyed: bool) -> Response:
    """The answer to a request that could not be carried out to its end."""
    missing = await ingestion.stop()
    if isinstance(error, HubFull):
        again = (
            "send the request again"
            if keyed
            else "send the lines named in `not_accepted`, and those after `read`, again"
        )
        error = HttpError(429, f"the hub is full: {again}, later", headers={"retry-after": str(RETRY_AFTER_SECONDS)})
    response = error_response(error, problem=True)
    problem: dict[str, Any] = json.loads(bytes(response.body))
    problem |= ingestion.as_data() | {"read": ingestion.line}
    lost = ingestion.losses(error)
    if lost is not None:
        problem["lost"] = lost_data(lost)
    if not keyed:
        problem["not_accepted"] = missing
    headers = {"connection": "close"}
    if again_after := response.headers.get("retry-after"):
        headers["retry-after"] = again_after
    return json_response(problem, response.status_code, headers, PROBLEM)


async def _discard(body: AsyncIterator[bytes]) -> None:
    """Read some of the rest: a client that is still sending would otherwise not read the answer."""
    size = 0
    try:
        async for piece in body:
            size += len(piece)
            if size > DISCARDED_BYTES_MAX:
                return
    except (HttpError, ClientDisconnect, RuntimeError):
        return


# -- Idempotency-Key ---------------------------------------------------------------------------------------------------


async def _open_key(request: Request, hub: Hub, body: AsyncIterator[bytes]) -> tuple[bytes, BulkProducer | None]:
    """The beginning of the body, and a producer for the request's Idempotency-Key, if it has one.

    The key's source remembers the numbers of the lines that were accepted. A second one notes what the body began with, so
    that another body under the same key is refused, rather than taken for a repetition and dropped.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return b"", None
    if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        raise HttpError(400, f"Idempotency-Key has 1 to {KEY_LENGTH_MAX} printable ASCII characters")
    beginning = b""
    async for piece in body:
        beginning += piece
        if len(beginning) >= FINGERPRINT_BYTES or beginning.count(b"\n") >= FINGERPRINT_LINES:
            break
    name = "idempotency/" + hashlib.blake2b(key.encode(), digest_size=20).hexdigest()
    fingerprint = fingerprint_of(beginning)
    if await claim_number(hub.client, name + "/body", fingerprint) != fingerprint:
        raise HttpError(422, "this Idempotency-Key was used with another body; take a new key for each body")
    return beginning, BulkProducer(hub.client, name, short=True)


def fingerprint_of(beginning: bytes) -> int:
    """A number for a body, by its first lines."""
    end = -1
    for _ in range(FINGERPRINT_LINES):
        following = beginning.find(b"\n", end + 1, FINGERPRINT_BYTES)
        if following < 0:
            end = -1
            break
        end = following
    head = beginning[: end + 1] if end >= 0 else beginning[:FINGERPRINT_BYTES]
    return int.from_bytes(hashlib.blake2b(head, digest_size=7).digest(), "big")


_TEXT = """One JSON object a line: `{"entity": "Station", "key": "oslo", "operation": "record", "args": [3.5]}`, with
`kwargs`, and `after_ms` or `at` for a signal that is carried out later. The body is read as it comes, and no faster than the
hub takes it; it may be of any length. The answer comes when all signals are durable. Lines that cannot be accepted are left
out, and the answer says why; blank ones are passed over.

**Order.** The signals of a request reach each entity in the order of their lines. (Lines with a `source` keep the order of
their source.)

**Exactly once.** With an `Idempotency-Key`, the same request may be sent again, an hour long: lines that were accepted are not
accepted again, whether or not the first answer arrived, and a request that was cut off goes on where it was. Another body under
the same key is refused (422, judged by its first lines). Or give each line the `source` that it comes from and its `sequence`
there: old numbers are dropped, for thirty days and over any number of requests; one request at a time may send for a source (409
to the older one).

**A full hub** makes the request wait. If it takes nothing for some seconds, the answer is 429 with `Retry-After`, and says how
many signals were `accepted`, how many lines were `read`, and which of those were `not_accepted` (ranges, both ends included). A
store that does not answer (503) is told of in the same way; if answers were lost (`outcome` is "unknown"), some of those that are
named may be in the hub all the same. `lost` is there if the server lost what it had acknowledged earlier: partition by partition,
the numbers within the gateway's own session."""

ROUTES: list[Route] = [
    Route(
        "POST",
        f"{API_V1}/signals",
        ingest,
        "signal",
        RouteDescription(
            "signalMany",
            "Send many signals",
            "Signals",
            _TEXT,
            headers=(Parameter("Idempotency-Key", "Makes it harmless to send the same request again."),),
            body=SignalLine,
            body_media_types=(NDJSON,),
            body_required=True,
            answers={
                200: Answer("What became of the lines", Ingested),
                409: Answer("Another request sends for the same source or key", None),
                415: Answer("The body is something else", None),
                422: Answer("The Idempotency-Key was used with another body", None),
            },
        ),
    )
]
