"""`/api/v1/dead-letters`: the messages that could not be carried out; send them again, or forget them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import DeadMessage
from stead.entities.extending import shown_target
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response, milliseconds, plain_json
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription

from .common import (
    CONTINUATION,
    LIMIT,
    NOT_FOUND,
    continuation_of,
    page_length,
    read_continuation,
    read_model,
)
from .letter_models import DeadLetterChoice, DeadLetterCounts, DeadLetterModel, DeadLetterPage, DeadLettersDone

INSTANCES = "(instances)"
"""What stands for the kind of what is no entity's. No entity has such a name."""
LOOKED_AT_MAX = 20_000
"""Dead letters that are looked at for one page, and for a count."""
NAMED_MAX = 100
"""Dead letters that one request asks for by their IDs."""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters are meant."""

    error_type: str | None = None
    kind: str | None = None

    def has(self, message: DeadMessage) -> bool:
        """Whether a letter is among them."""
        if self.error_type and message.failure.type != self.error_type:
            return False
        return not self.kind or kind_of(message) == self.kind.lower()


def kind_of(message: DeadMessage) -> str:
    """The entity's name in its canonical form, or `INSTANCES`."""
    return message.target[1:].partition("@")[0] if message.target.startswith("@") else INSTANCES


async def list_letters(request: Request, hub: Hub) -> Response:
    """A page of dead letters, or those that are named."""
    query = Query(request)
    if named := query.many("id"):
        return await _named(query, hub, named)
    length, after = page_length(query, hub), read_continuation(query)
    wanted = LetterFilter(query.text("error_type"), query.text("kind"))
    query.done()
    letters: list[dict[str, Any]] = []
    following: str | None = None
    looked, last = 0, ""
    async for message in hub.letters.all(after):
        if len(letters) == length or looked == LOOKED_AT_MAX:
            following = last
            break
        looked, last = looked + 1, message.letter_id
        if wanted.has(message):
            letters.append(letter_data(message))
    return json_response({"dead_letters": letters, "continuation": continuation_of(following)})


async def _named(query: Query, hub: Hub, named: Sequence[str]) -> Response:
    """Those of these IDs that there are, in the order in which they are named."""
    query.done()
    if len(named) > NAMED_MAX:
        raise HttpError(400, f"`id` is given {NAMED_MAX} times at most")
    looks = (hub.letters.find(each) for each in dict.fromkeys(named))
    letters = [letter_data(message) for message in await asyncio.gather(*looks) if message is not None]
    return json_response({"dead_letters": letters, "continuation": None})


async def count_letters(request: Request, hub: Hub) -> Response:
    """How many there are, by why and of what."""
    Query(request).done()
    counts: Counter[tuple[str, str]] = Counter()
    complete = True
    async for message in hub.letters.all():
        if counts.total() == LOOKED_AT_MAX:
            complete = False
            break
        counts[kind_of(message), message.failure.type] += 1
    rows = [{"kind": kind, "error_type": why, "count": count} for (kind, why), count in sorted(counts.items())]
    return json_response({"counts": rows, "complete": complete})


async def get_letter(request: Request, hub: Hub) -> Response:
    """One dead letter, with all that is known of why."""
    Query(request).done()
    message = await _find(request, hub)
    return json_response(letter_data(message) | {"traceback": message.failure.traceback or None})


async def resend_letter(request: Request, hub: Hub) -> Response:
    """Send one message again."""
    Query(request).done()
    return _done(await hub.letters.resend(await _find(request, hub)), request)


async def drop_letter(request: Request, hub: Hub) -> Response:
    """Forget one message."""
    Query(request).done()
    return _done(await hub.letters.drop(await _find(request, hub)), request)


async def resend_letters(request: Request, hub: Hub) -> Response:
    """Send messages again."""
    return await _act(request, hub, resend=True)


async def drop_letters(request: Request, hub: Hub) -> Response:
    """Forget messages."""
    return await _act(request, hub, resend=False)


async def _act(request: Request, hub: Hub, *, resend: bool) -> Response:
    Query(request).done()
    choice = await read_model(request, hub, DeadLetterChoice)
    if (choice.ids is not None) == choice.all:
        raise HttpError(400, 'say which dead letters: {"ids": […]} or {"all": true}')
    wanted = LetterFilter(choice.error_type, choice.kind)
    if choice.ids is not None and wanted != LetterFilter():
        raise HttpError(400, "`error_type` and `kind` choose among all: they do not go with `ids`")
    act = hub.letters.resend if resend else hub.letters.drop
    count, missing = 0, list[str]()
    if choice.ids is None:
        async for message in hub.letters.all():
            if wanted.has(message) and (message.envelope or not resend):
                count += await act(message)
    for letter_id in choice.ids or ():
        found = await hub.letters.find(letter_id)
        if found is not None and await act(found):
            count += 1
        else:
            missing.append(letter_id)
    return json_response({"count": count, "missing": missing})


async def _find(request: Request, hub: Hub) -> DeadMessage:
    letter_id = _id(request)
    message = await hub.letters.find(letter_id)
    if message is None:
        raise HttpError(404, f"there is no dead letter {letter_id} (any more)")
    return message


def _id(request: Request) -> str:
    return f"{request.path_params['partition']}/{request.path_params['stream_id']}"


def _done(done: bool, request: Request) -> Response:
    if not done:
        raise HttpError(404, f"there is no dead letter {_id(request)} any more")
    return json_response({"count": 1, "missing": []})


def letter_data(message: DeadMessage) -> dict[str, Any]:
    """A dead letter as JSON data, without a stack trace."""
    return {
        "id": message.letter_id,
        "target": shown_target(message.target) or None,
        "operation": message.operation,
        "args": plain_json(list(message.args)),
        "kwargs": plain_json(dict(message.kwargs)),
        "sender": None if message.sender is None else shown_target(message.sender),
        "error_type": message.failure.type,
        "message": message.failure.message,
        "died": milliseconds(datetime.fromtimestamp(message.died_ms / 1000, UTC)),
        "tries": message.tries,
    }


_LETTERS = f"{API_V1}/dead-letters"
_LETTER = f"{_LETTERS}/{{partition}}/{{stream_id}}"
_TAG = "Hub"
_PATHS = {"partition": "The first part of its ID.", "stream_id": "The second part of its ID, after the slash."}
_DONE = Answer("What was done", DeadLettersDone)

ROUTES: list[Route] = [
    Route(
        "GET",
        _LETTERS,
        list_letters,
        "read",
        RouteDescription(
            "listDeadLetters",
            "Messages that could not be carried out",
            _TAG,
            "Partition by partition, oldest first. A page may hold less than `limit`, even nothing, and still have a next one.",
            query=(
                Parameter("error_type", "Only those that died of this."),
                Parameter("kind", f"Only messages to entities of this name; `{INSTANCES}`: to instances."),
                Parameter(
                    "id",
                    f"Only those of these IDs, in this order: {NAMED_MAX} at most, and nothing else to choose by. What there is not is left out.",
                    many=True,
                ),
                LIMIT,
                CONTINUATION,
            ),
            answers={200: Answer("A page", DeadLetterPage)},
        ),
    ),
    Route(
        "GET",
        _LETTER,
        get_letter,
        "manage",
        RouteDescription(
            "getDeadLetter",
            "One message that could not be carried out, with the worker's traceback",
            _TAG,
            answers={200: Answer("The message, and why", DeadLetterModel), 404: NOT_FOUND},
            paths=_PATHS,
        ),
    ),
    Route(
        "POST",
        f"{_LETTER}/resend",
        resend_letter,
        "manage",
        RouteDescription(
            "resendDeadLetter",
            "Send a message again",
            _TAG,
            "Nobody waits for a call's answer any more, so it becomes a signal.",
            answers={200: _DONE, 404: NOT_FOUND},
            paths=_PATHS,
        ),
    ),
    Route(
        "DELETE",
        _LETTER,
        drop_letter,
        "manage",
        RouteDescription(
            "dropDeadLetter", "Forget a message", _TAG, answers={200: _DONE, 404: NOT_FOUND}, paths=_PATHS
        ),
    ),
    Route(
        "POST",
        f"{_LETTERS}/resend",
        resend_letters,
        "manage",
        RouteDescription(
            "resendDeadLetters",
            "Send messages again",
            _TAG,
            body=DeadLetterChoice,
            body_required=True,
            answers={200: _DONE},
        ),
    ),
    Route(
        "POST",
        f"{_LETTERS}/drop",
        drop_letters,
        "manage",
        RouteDescription(
            "dropDeadLetters", "Forget messages", _TAG, body=DeadLetterChoice, body_required=True, answers={200: _DONE}
        ),
    ),
    Route(
        "GET",
        f"{API_V1}/dead-letter-counts",
        count_letters,
        "read",
        RouteDescription(
            "countDeadLetters",
            "How many messages could not be carried out",
            _TAG,
            f"By kind and reason. Looks at {LOOKED_AT_MAX:,} at most.",
            answers={200: Answer("The counts", DeadLetterCounts)},
        ),
    ),
]
