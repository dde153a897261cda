"""The built-in activity behind `context.call_http`: one HTTP request, with its answer as plain data.

An answer is an answer, whatever its status: only a request that gets none fails (and may be retried). Whether a 202 is
asked about again is for the orchestration, which can wait for days; this waits for one answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

from stead.entities.extending import add_trace, tracing
from stead.transport import InvalidInput, PayloadLimit, PayloadTooLarge, Settings

from .http_origins import credentials_in, origin_of

if TYPE_CHECKING:
    import httpx

NAME = "stead.http"

_TIMEOUT_S = 100.0  # where the caller says nothing
_CONNECTIONS_MAX = 100
_METHOD_LENGTH_MAX = 20
_ORIGIN = "stead_origin"  # in a request's extensions, which redirects keep


class HttpActivity:
    """Makes requests, over connections that are kept for the next ones. Used from one event loop.

    Arguments: `method`, `url`, and optionally `headers` (a map), `body` (text or bytes) and `timeout` (seconds, for the
    whole exchange). The result is a map with `status`, `headers` (names in lower case) and `body` (text). Redirects are
    followed; to another origin they go without credentials. Cookies are not kept: requests have nothing in common.
    """

    canonical = NAME
    is_async = True
    numbers = None

    def __init__(self, settings: Settings) -> None:
        self._limit = PayloadLimit.of(settings)
        self._client: httpx.AsyncClient | None = None

    def prepare(
        self, args: Sequence[Any], kwargs: Mapping[str, Any] | None
    ) -> partial[Coroutine[Any, Any, dict[str, Any]]]:
        """One request, ready to be made. Raises `InvalidInput` for one that cannot be."""
        try:
            return self._request(*args, **(kwargs or {}))
        except TypeError as error:
            raise InvalidInput("HTTP request", str(error)) from error

    def limit_of(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> None:
        """It has none."""

    def encode_result(self, value: Any) -> Any:
        """It is plain data already."""
        return value

    async def serve(self) -> None:
        """Close the connections when this is cancelled."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            client, self._client = self._client, None
            if client is not None:
                await client.aclose()

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        timeout: float | None = None,
    ) -> partial[Coroutine[Any, Any, dict[str, Any]]]:
        check_request(method, url)
        seconds = _TIMEOUT_S if timeout is None else timeout
        return partial(self._send, method.upper(), url, dict(headers or {}), body, seconds)

    async def _send(
        self, method: str, url: str, headers: dict[str, str], body: str | bytes | None, seconds: float
    ) -> dict[str, Any]:
        import httpx  # with the first request: most workers never make one

        client = self._open()
        if tracing.on:
            add_trace(headers)
        try:
            async with asyncio.timeout(seconds):
                mark = {_ORIGIN: origin_of(str(httpx.URL(url)))}
                async with client.stream(method, url, headers=headers, content=body, extensions=mark) as response:
                    content = await self._read(response.aiter_bytes())
        except TimeoutError as error:
            raise TimeoutError(f"{method} {url}: no answer within {seconds:g} s") from error
        text = content.decode(response.encoding or "utf-8", "replace")
        return {"status": response.status_code, "headers": dict(response.headers.items()), "body": text}

    async def _read(self, chunks: AsyncIterator[bytes]) -> bytes:
        """The body; one that could not be stored is not read to its end."""
        parts: list[bytes] = []
        size = 0
        async for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > self._limit.max:
                raise PayloadTooLarge("body of an HTTP response", size, self._limit.max, self._limit.setting)
        return b"".join(parts)

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                follow_redirects=True,
                timeout=None,  # noqa: S113 - see _send
                limits=httpx.Limits(max_connections=_CONNECTIONS_MAX),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                event_hooks={"request": [_hide_credentials]},
            )
        return self._client


async def _hide_credentials(request: httpx.Request) -> None:
    """Called before each request, redirected ones included."""
    if request.extensions[_ORIGIN] != origin_of(str(request.url)):
        for name in credentials_in(request.headers):
            request.headers.pop(name, None)


def check_request(method: str, url: str) -> None:
    """Refuse what is no request. Raises `InvalidInput`."""
    if not (isinstance(method, str) and method.isascii() and method.isalpha() and len(method) <= _METHOD_LENGTH_MAX):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"HTTP method {cast('object', method)!r}", 'a method is a word such as "GET" or "POST"')
    if not (isinstance(url, str) and url.lower().startswith(("http://", "https://"))):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"URL {cast('object', url)!r}", "it has to begin with http:// or https://")
