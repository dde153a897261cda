"""The dashboard's files, and the page that says how to get it where it was not built."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from stead.gateway._http.errors import no_route
from stead.gateway._http.hub import Hub
from stead.gateway._http.routes import Answer, Route, RouteDescription

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_NAME = re.compile(r"main-[0-9a-f]{12}\.(js|css)")

# Nothing inline, nothing from elsewhere; whatever a state holds, it is text.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

_MISSING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>stead</title></head><body>
<h1>The dashboard was not built</h1>
<p>This installation was made without node, so it has everything but the dashboard. To get it, in a clone of stead's repository:</p>
<pre>
make setup                    # builds it; node comes as a wheel
.venv/bin/stead serve ...     # has it
pip install .                 # from then on, an installation from this clone has it too
</pre>
<p>The API is described at <a href="docs">docs</a>.</p>
</body></html>
"""


@functools.cache
def _site() -> Traversable | None:
    """The folder with what was built; None if nothing was."""
    site = files("stead.gateway") / "_dashboard" / "site"
    return site if (site / "index.html").is_file() else None


async def get_dashboard(request: Request, hub: Hub) -> Response:
    """The page. Its script and style are named relative to it, so it has to end with a slash."""
    path: str = request.scope["path"]
    if not path.endswith("/"):
        return RedirectResponse(f"{path}/", 307)
    site = _site()
    if site is None:
        return Response(_MISSING, headers=_HEADERS, media_type="text/html; charset=utf-8")
    return Response(
        (site / "index.html").read_bytes(),
        headers=_HEADERS | {"cache-control": "no-cache"},
        media_type="text/html; charset=utf-8",
    )


async def get_file(request: Request, hub: Hub) -> Response:
    """The script or the style sheet. Another build's have other names, so a browser may keep them."""
    name = str(request.path_params["file"])
    site = _site()
    if site is None or _NAME.fullmatch(name) is None or not (site / name).is_file():
        raise no_route(request.scope)
    return Response(
        (site / name).read_bytes(),
        headers=_HEADERS | {"cache-control": "public, max-age=31536000, immutable"},
        media_type=_TYPES[name[name.rindex(".") :]],
    )


ROUTES: list[Route] = [
    Route(
        "GET",
        "/",
        get_dashboard,
        None,
        RouteDescription(
            "getDashboard",
            "The dashboard",
            "Description",
            "A page that shows the hub and acts on it, through `/api/v1` alone. It asks for a key where one is needed.",
            answers={200: Answer("The page", {"type": "string"}, "text/html")},
        ),
    ),
    Route(
        "GET",
        "/dashboard/{file}",
        get_file,
        None,
        RouteDescription(
            "getDashboardFile",
            "A part of the dashboard",
            "Description",
            answers={
                200: Answer("Its script or its style", {"type": "string"}, "text/javascript"),
                404: Answer("It is another build's", None),
            },
            paths={"file": "As the page names it."},
        ),
    ),
]
