"""`/api/v1/hub` and `/api/v1/dead-letters`: what the hub holds, and the messages that could not be carried out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stead.entities import DeadMessage
from stead.entities.extending import shown_target
from stead.gateway._http.access import RIGHTS
from stead.gateway._http.errors import HttpError
from stead.gateway._http.hub import Hub, grant_of
from stead.gateway._http.json_values import json_response, milliseconds, plain_json
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Route, RouteDescription

from .common import (
    CONTINUATION,
    LIMIT,
    NOT_FOUND,
    continuation_of,
    page_length,
    read_continuation,
    read_model,
)
from .models import (
    Access,
    DeadLetterChoice,
    DeadLetterModel,
    DeadLetterPage,
    DeadLettersDone,
    HubInformation,
)


async def get_hub(request: Request, hub: Hub) -> Response:
    """What the hub is and holds."""
    Query(request).done()
    return json_response(await hub.info())


async def get_access(request: Request, hub: Hub) -> Response:
    """What the request's key may do."""
    Query(request).done()
    rights = grant_of(request).rights
    return json_response(
        {"hub": hub.hub_name, "rights": [right for right in RIGHTS if right in rights], "keys": bool(hub.keys)}
    )


# -- dead letters ------------------------------------------------------------------------------------------------------


async def list_letters(request: Request, hub: Hub) -> Response:
    """A page of dead letters."""
    query = Query(request)
    length, after = page_length(query, hub), read_continuation(query)
    query.done()
    letters: list[dict[str, Any]] = []
    following: str | None = None
    async for message in hub.letters.all(after):
        if len(letters) == length:
            following = letters[-1]["id"]
            break
        letters.append(letter_data(message))
    return json_response({"dead_letters": letters, "continuation": continuation_of(following)})


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
    act = hub.letters.resend if resend else hub.letters.drop
    count, missing = 0, list[str]()
    if choice.ids is None:
        async for message in hub.letters.all():
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
        f"{API_V1}/hub",
        get_hub,
        "read",
        RouteDescription(
            "getHub",
            "What the hub is and holds",
            _TAG,
            "Its server and what survives there, workers, names, partitions with their owners and backlogs.",
            answers={200: Answer("The hub at this moment", HubInformation)},
        ),
    ),
    Route(
        "GET",
        f"{API_V1}/access",
        get_access,
        "read",
        RouteDescription(
            "getAccess",
            "What a key may do",
            _TAG,
            "The rights of the key that the request carries.",
            answers={200: Answer("Its rights", Access)},
        ),
    ),
    Route(
        "GET",
        _LETTERS,
        list_letters,
        "read",
        RouteDescription(
            "listDeadLetters",
            "Messages that could not be carried out",
            _TAG,
            "Partition by partition, oldest first.",
            query=(LIMIT, CONTINUATION),
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
]
