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
from stead.gateway._v1.diagnosis import HubFinding
from stead.gateway._v1.doctor import diagnosis_data, examine, is_well
from stead.gateway._v1.doing import EntityDoing, RecentModel, look_at
from stead.gateway._v1.exposition import MEDIA_TYPE, worker_exposition
from stead.gateway._v1.metrics import metrics_data, worker_now

__all__ = [
    "MEDIA_TYPE",
    "ROUTES",
    "CannotListen",
    "EntityDoing",
    "Gateway",
    "Grant",
    "HttpSettings",
    "Hub",
    "HubFinding",
    "Keys",
    "KeysRefused",
    "RecentModel",
    "addresses_of",
    "asgi",
    "bind",
    "check_exposure",
    "diagnosis_data",
    "examine",
    "is_well",
    "look_at",
    "metrics_data",
    "serving",
    "worker_exposition",
    "worker_now",
]
