"""A hub over HTTP: the management API that Durable Functions' clients expect, and a fuller one below `/api/v1`.

`stead.gateway.asgi(app)` is an ASGI application, for any ASGI server or to be mounted in another application.
"""

from __future__ import annotations

from ._app import Gateway, asgi
from ._hub import Hub
from ._keys import Grant, Keys, KeysRefused
from ._serving import CannotListen, addresses_of, bind, check_exposure, serving
from ._settings import HttpSettings
from ._surfaces import ROUTES

__all__ = [
    "ROUTES",
    "CannotListen",
    "Gateway",
    "Grant",
    "HttpSettings",
    "Hub",
    "Keys",
    "KeysRefused",
    "addresses_of",
    "asgi",
    "bind",
    "check_exposure",
    "serving",
]
