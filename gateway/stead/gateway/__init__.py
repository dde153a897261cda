"""A hub over HTTP: the management API that Durable Functions' clients expect, and a fuller one below `/api/v1`.

application = stead.gateway.asgi(app)      # for any ASGI server, or to be mounted in another application
"""

from __future__ import annotations

from ._app import Gateway, asgi
from ._hub import Hub
from ._keys import Grant, Keys, KeysRefused
from ._settings import HttpSettings
from ._surfaces import ROUTES

__all__ = ["ROUTES", "Gateway", "Grant", "HttpSettings", "Hub", "Keys", "KeysRefused", "asgi"]
