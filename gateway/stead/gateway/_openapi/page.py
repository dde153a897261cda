"""A page to browse the OpenAPI document with, which needs no other host."""

from __future__ import annotations

import functools
import hashlib
import re
from base64 import b64encode
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from stead.gateway._http.hub import Hub
from stead.gateway._http.routes import Answer, Route, RouteDescription

HTML = "text/html"


@functools.cache
def page() -> tuple[bytes, str]:
    """The page, and a policy that lets nothing but its own script and style run, and nothing be fetched from elsewhere."""
    text = (files("stead.gateway") / "_openapi" / "page.html").read_text("utf-8")
    hashes = {
        kind: " ".join(
            f"'sha256-{b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"
            for inner in re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        )
        for kind in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text.encode(), policy


async def get_page(request: Request, hub: Hub) -> Response:
    """The page; its script asks for the document beside it."""
    body, policy = page()
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return Response(body, headers=headers, media_type=f"{HTML}; charset=utf-8")


ROUTES: list[Route] = [
    Route(
        "GET",
        "/docs",
        get_page,
        None,
        RouteDescription(
            "getDocs",
            "A page to browse this document with",
            "Description",
            answers={200: Answer("The page", {"type": "string"}, HTML)},
        ),
    )
]
