"""The built-in activity that makes HTTP requests, against a server that speaks the protocol by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stead.orchestrations._activities.http_activity import HttpActivity
from stead.transport import InvalidInput, PayloadTooLarge, Settings

pytestmark = pytest.mark.anyio


class Server:
    """Answers each request by what its path says, and remembers what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append((first, headers, body))
                path = first.split()[1]
                if path == "/slow":
                    await asyncio.sleep(10)
                writer.write(self.answer(path, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    def answer(self, path: str, body: bytes) -> bytes:
        status, extra, content = b"200 OK", b"", b"got " + body
        if path == "/accepted":
            status, extra = b"202 Accepted", b"Location: /status\r\nRetry-After: 7\r\n"
        elif path == "/moved":
            status, extra = b"307 Temporary Redirect", b"Location: /there\r\n"
        elif path.startswith("/away"):
            status, extra = b"302 Found", b"Set-Cookie: a=b\r\nLocation: " + path[6:].encode() + b"\r\n"
        elif path == "/broken":
            status = b"500 Internal Server Error"
        elif path == "/latin":
            extra, content = b"Content-Type: text/plain; charset=latin-1\r\n", "blå".encode("latin-1")
        elif path == "/large":
            content = b"x" * 100_000
        length = str(len(content)).encode()
        return b"HTTP/1.1 " + status + b"\r\n" + extra + b"Content-Length: " + length + b"\r\n\r\n" + content


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[Server, HttpActivity]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    activity = HttpActivity(Settings(payload_bytes_max=50_000))
    part = asyncio.create_task(activity.serve())
    await asyncio.sleep(0)
    try:
        yield server, activity
    finally:
        part.cancel()
        await asyncio.wait([part])
        listening.close()
        for writer in server.open:  # which the activity of another server keeps: since Python 3.12 they are waited for
            writer.close()
        await listening.wait_closed()


async def request(activity: HttpActivity, *args: Any, **kwargs: Any) -> Any:
    return activity.encode_result(await activity.prepare(args, kwargs)())


async def test_an_answer_is_plain_data() -> None:
    async with serving() as (server, activity):
        answer = await request(activity, "post", server.url + "/", {"X-Tag": "1"}, "hei")
        assert (answer["status"], answer["body"], answer["headers"]["content-length"]) == (200, "got hei", "7")
        first, headers, body = server.requests[0]
        assert (first, headers["x-tag"], body) == ("POST / HTTP/1.1", "1", b"hei")


async def test_connections_are_kept() -> None:
    async with serving() as (server, activity):
        for _ in range(3):
            await request(activity, "GET", server.url)
        assert (len(server.requests), server.connections) == (3, 1)


async def test_any_status_is_an_answer_and_redirects_are_followed() -> None:
    async with serving() as (server, activity):
        accepted = await request(activity, "GET", server.url + "/accepted")
        assert (accepted["status"], accepted["headers"]["location"]) == (202, "/status")
        assert (await request(activity, "GET", server.url + "/broken"))["status"] == 500
        assert (await request(activity, "PUT", server.url + "/moved", body=b"a"))["body"] == "got a"
        assert server.requests[-1][0] == "PUT /there HTTP/1.1"


async def test_credentials_and_cookies_go_nowhere_else() -> None:
    headers = {"Authorization": "secret", "X-Functions-Key": "secret", "Cookie": "secret", "X-Tag": "1"}
    async with serving() as (server, activity), serving() as (other, _):
        await request(activity, "GET", f"{server.url}/away/{other.url}/", headers)
        assert server.requests[0][1]["x-functions-key"] == "secret"
        assert other.requests[0][1]["x-tag"] == "1"
        assert "secret" not in other.requests[0][1].values()
        await request(activity, "GET", f"{server.url}/away//same", headers)
        assert server.requests[-1][1]["authorization"] == "secret"
        await request(activity, "GET", f"{server.url}/later")
        assert "cookie" not in server.requests[-1][1]


async def test_text_is_decoded_as_the_server_says() -> None:
    async with serving() as (server, activity):
        assert (await request(activity, "GET", server.url + "/latin"))["body"] == "blå"


async def test_what_is_too_large_or_too_slow_fails() -> None:
    async with serving() as (server, activity):
        with pytest.raises(PayloadTooLarge):
            await request(activity, "GET", server.url + "/large")
        with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
            await request(activity, "GET", server.url + "/slow", timeout=0.01)


async def test_a_server_that_is_not_there_is_an_error_of_the_activity() -> None:
    async with serving() as (server, activity):
        pass
    with pytest.raises(Exception, match="connection") as caught:
        await request(activity, "GET", server.url)
    assert type(caught.value).__module__ == "httpx"


@pytest.mark.parametrize(
    "args", [(), ("GET",), ("G ET", "http://a"), ("GET", "file:///etc/passwd"), ("GET", 3), (None, "http://a")]
)
def test_what_is_no_request_is_refused(args: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput):
        HttpActivity(Settings()).prepare(args, None)
