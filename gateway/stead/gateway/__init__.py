"""A hub over HTTP: the management API that Durable Functions' clients expect, and a fuller one below `/api/v1`.

`stead.gateway.asgi(app)` is an ASGI application, for any ASGI server or to be mounted in another application.
"""

from __future__ import annotations

from stead.gateway._asgi import ROUTES, asgi
from stead.gateway._http.access import Grant, Keys, KeysRefused
from stead.gateway._http.app import Gateway
from stead.gateway._http.hub import Hub
from stead.gateway._http.serving import CannotListen, addresses_of, bind, check_exposure, serving
from stead.gateway._http.settings import HttpSettings
from stead.gateway._v1.exposition import MEDIA_TYPE, worker_exposition

__all__ = [
    "MEDIA_TYPE",
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
    "worker_exposition",
]
