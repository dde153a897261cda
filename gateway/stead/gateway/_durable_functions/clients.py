"""What clients of Durable Functions send otherwise than what they mean, and how it is read.

`azure-functions-durable` (PyPI) makes JSON of an input, an event or an argument, and sends that text as JSON once more. Other
programs do so by mistake, or where somebody else's JSON is passed on. So a text that is JSON is taken for what it holds where
a text is not what is declared. `durable-functions` (npm) sends an empty text where it was given no input.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request

from stead.entities.extending import ClientText
from stead.gateway._http.body import MISSING
from stead.orchestrations import OMITTED
from stead.transport import InvalidInput


def encodes_twice(request: Request) -> bool:
    """Whether it comes from the Python client, whose every value is encoded twice. It says itself what it sends with."""
    return "aiohttp/" in request.headers.get("user-agent", "")


def may_mean_nothing(request: Request) -> bool:
    """Whether it comes from the JavaScript client, which sends an empty text, or an empty body, for nothing."""
    return request.headers.get("user-agent", "").startswith("axios/")


def reads_history(request: Request) -> bool:
    """Whether it comes from one of the two, which both look for a status's history under another name than it has."""
    return encodes_twice(request) or may_mean_nothing(request)


def text_of(request: Request, value: object) -> object:
    """A value as it was sent; a text that may mean something else is marked."""
    return ClientText.of(value, twice=encodes_twice(request)) if isinstance(value, str) else value


def inputs_of(request: Request, body: object) -> Sequence[Any]:
    """What an orchestration's input may be, the likeliest first."""
    if body is MISSING:
        return [OMITTED]
    if body == "" or (body == '""' and encodes_twice(request)):
        return [OMITTED, ""] if may_mean_nothing(request) else ["", OMITTED]
    return [text_of(request, body)]


def says_nothing(value: object) -> bool:
    """Whether an input is as good as none to what takes none: Durable Functions, where nobody looks at it, starts that."""
    return not (value.readings(untyped=True)[0] if isinstance(value, ClientText) else value)


async def first_accepted(readings: Sequence[Any], send: Callable[[Any], Awaitable[Any]]) -> Any:
    """What is answered to the first reading that is taken: what is refused as no right input has not been sent.

    If none is, raises what is said of one that is no text, which tells more; else of the likeliest.
    """
    told: InvalidInput | None = None
    for reading in readings:
        try:
            return await send(reading)
        except InvalidInput as error:
            if told is None or not isinstance(reading, str):
                told = error
    assert told is not None, "there is one reading at least"
    raise told
