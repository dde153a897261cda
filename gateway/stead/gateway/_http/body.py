"""Bodies of requests, with limits: on their size, on how long a client may take, on how long it may be silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, TypeVar

import pydantic_core
from starlette.requests import ClientDisconnect, Request

from .errors import HttpError
from .hub import Hub

T = TypeVar("T")

INVALID_JSON = "Invalid JSON content"
ONLY_JSON = "Only application/json request content is supported"


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""What `read_json` gives for an empty body: something else than `null`."""


async def read_json(request: Request, hub: Hub, *, json_only: bool = False) -> Any:
    """The body as JSON data, `MISSING` if there is none.

    `json_only`: a body that says that it is something else is refused; otherwise it is read as JSON all the same.
    """
    if json_only and not is_json(request) and has_body(request):
        raise HttpError(400, f"{ONLY_JSON}: give the header content-type: application/json")
    body = await read_body(request, hub)
    return parse_json(body) if body.strip() else MISSING


def parse_json(text: bytes) -> Any:
    """JSON data. Raises `HttpError` (400); `errors` says where it is wrong."""
    try:
        return pydantic_core.from_json(text.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise HttpError(400, INVALID_JSON, errors=[{"loc": ["body"], "msg": str(error)}]) from None


async def read_body(request: Request, hub: Hub) -> bytes:
    """The whole body, which is at most `body_bytes_max` long."""
    limit = hub.settings.body_bytes_max
    if (length := content_length(request)) is not None and length > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(hub.settings.body_ms_max / 1000):
            async for chunk in chunks(request, hub):
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                parts.append(chunk)
    except TimeoutError:
        raise _too_slow(f"the body took longer than {hub.settings.body_ms_max / 1000:g} s") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def chunks(request: Request, hub: Hub) -> AsyncIterator[bytes]:
    """The body as it comes, for those that need not have it whole. Raises `ClientDisconnect` if the client is gone."""
    if request.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise HttpError(415, "compressed bodies are not supported: send it as it is")
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(hub.settings.silence_ms_max / 1000):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _too_slow(f"nothing came for {hub.settings.silence_ms_max / 1000:g} s in the body") from None
        if chunk:
            yield chunk


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work that waits; `ClientDisconnect` as soon as the client has gone. The body must have been read."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        # Cancelled by other code: nobody sees the client go, and the work goes on.
        if not working.done() and watching.cancelled():
            await asyncio.wait((working,))
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


def content_length(request: Request) -> int | None:
    """The announced length of the body, if one is announced."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def has_body(request: Request) -> bool:
    """Whether the request announces a body that is not empty."""
    return bool(content_length(request)) or "transfer-encoding" in request.headers


def media_type(request: Request) -> str:
    """The content type without its parameters, in lower case; "" if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Whether the request says that its body is JSON."""
    kind = media_type(request)
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def _too_large(limit: int) -> HttpError:
    return HttpError(413, f"the body is longer than {limit:,} bytes (STEAD_HTTP_BODY_BYTES_MAX)")


def _too_slow(what: str) -> HttpError:
    return HttpError(408, what, headers={"connection": "close"})
