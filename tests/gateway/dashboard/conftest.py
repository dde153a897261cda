"""A browser for a module's tests, and pages that fail a test if anything was refused, raised or asked of another host."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from support.browser import ARGUMENTS, find
from support.gateway_tools import Served, serve
from support.guards import HANGS_S
from support.running_hub import running
from support.valkey_server import ValkeyServer
from support.walking import Walked, fill

from .hub_app import make_hub_app

expect.set_options(timeout=HANGS_S * 1_000)  # here: in a module that a test does not import it was not for that

WIDE = (1280, 900)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    path, variables = find()
    with sync_playwright() as playwright:
        # what waits for something that never comes is ended by the suite's own deadline for a test
        launched = playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS, env=dict(variables) or None, timeout=0
        )
        yield launched
        launched.close()


class Shown(Protocol):
    """What can be visited."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...


class Visitor:
    """Opens pages of a gateway in a browser, and looks at what goes wrong in them."""

    def __init__(self, browser: Browser, served: Shown) -> None:
        self._browser = browser
        self._served = served
        self.faults: list[str] = []
        self.asked: set[tuple[str, str]] = set()  # verbs and paths

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self._served.url

    @contextmanager
    def visit(
        self, address: str = "", *, key: str = "", size: tuple[int, int] = WIDE, dark: bool = False
    ) -> Generator[Page]:
        """A page at an address of the dashboard, in a session of its own."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(0)
        page = context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"raised: {error}"))
        page.on("request", self._asked)
        if key:
            page.add_init_script(f"sessionStorage.setItem('stead-key', {key!r})")
        try:
            page.goto(address if address.startswith("about:") else f"{self._served.url}/{address}")
            yield page
        finally:
            context.close()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} {message.location['url']}")

    def _asked(self, request: Request) -> None:
        self.asked.add((request.method, urlsplit(request.url).path))
        if not request.url.startswith((self._served.url, "data:", "blob:")):
            self.faults.append(f"asked {request.url}")


@pytest.fixture(scope="module")
def played(module_server: ValkeyServer) -> Iterator[Served]:
    """A gateway of a hub whose entities can be queried, open to everybody."""
    with serve(make_hub_app(), module_server.url) as running:
        yield running


@pytest.fixture
def player(browser: Browser, played: Served) -> Iterator[Visitor]:
    """Visits that."""
    one = Visitor(browser, played)
    yield one
    assert one.faults == []


@pytest.fixture
def visitor(browser: Browser, served: Served) -> Iterator[Visitor]:
    """Visits the gateway that is open to everybody."""
    one = Visitor(browser, served)
    yield one
    assert one.faults == []


@pytest.fixture
def guest(browser: Browser, guarded: Served) -> Iterator[Visitor]:
    """Visits the gateway with keys: the browser itself says in its console what was refused."""
    one = Visitor(browser, guarded)
    yield one
    assert [fault for fault in one.faults if " 401 " not in fault and " 403 " not in fault] == []


@pytest.fixture(scope="module")
def walked() -> Iterator[Walked]:
    """A hub of the flights and the patterns, with two workers and `stead serve` as processes of their own."""
    with running("walk_app:app") as http:
        one = Walked(http)
        fill(one)
        yield one


@pytest.fixture
def walker(browser: Browser, walked: Walked) -> Iterator[Visitor]:
    """Visits that. Whatever a page asks for or does is a route of the API, and described."""
    one = Visitor(browser, walked)
    yield one
    assert one.faults == []
    assert sorted(each for each in one.asked if not described(walked, *each)) == []


def described(walked: Walked, verb: str, path: str) -> bool:
    """Whether a request is for the page itself, or for what the OpenAPI document has of `/api/v1`."""
    if path == "/" or path.startswith("/dashboard/"):
        return verb == "GET"
    known = (known for known, operations in walked.paths.items() if verb.lower() in operations)
    parts = path.split("/")
    return any(path.startswith("/api/v1/") and matches(one.split("/"), parts) for one in known)


def matches(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        a.startswith("{") or a == b for a, b in zip(template, parts, strict=True)
    )
