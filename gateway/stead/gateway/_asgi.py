"""`asgi`: the application of a hub, with all routes of all surfaces."""

from __future__ import annotations

from collections.abc import Iterable

from stead.gateway._dashboard import page as _dashboard_page
from stead.gateway._durable_functions import client_binding as _df_client_binding
from stead.gateway._durable_functions import entities as _df_entities
from stead.gateway._durable_functions import instances as _df_instances
from stead.gateway._durable_functions import starting as _df_starting
from stead.gateway._http.access import Keys
from stead.gateway._http.app import AppLike, Gateway
from stead.gateway._http.hub import Hub
from stead.gateway._http.routes import Route
from stead.gateway._http.settings import HttpSettings
from stead.gateway._openapi import page as _openapi_page
from stead.gateway._openapi.document import document_route
from stead.gateway._v1 import changes as _v1_changes
from stead.gateway._v1 import dead_letters as _v1_letters
from stead.gateway._v1 import doctor as _v1_doctor
from stead.gateway._v1 import doing as _v1_doing
from stead.gateway._v1 import entities as _v1_entities
from stead.gateway._v1 import events as _v1_events
from stead.gateway._v1 import health as _v1_health
from stead.gateway._v1 import hub as _v1_hub
from stead.gateway._v1 import instances as _v1_instances
from stead.gateway._v1 import kinds as _v1_kinds
from stead.gateway._v1 import many_instances as _v1_many
from stead.gateway._v1 import metrics as _v1_metrics
from stead.gateway._v1 import schedules as _v1_schedules
from stead.gateway._v1 import signals as _v1_signals
from stead.gateway._v1 import tables as _v1_tables
from stead.gateway._v1 import workers as _v1_workers

DASHBOARD: list[Route] = _dashboard_page.ROUTES

# In the order in which the document and its page have them: this server's own, then Durable Functions', then other ways there.
ROUTES: list[Route] = [
    *_v1_entities.ROUTES,
    *_v1_kinds.ENTITY_KINDS,
    *_v1_tables.ROUTES,
    *_v1_signals.ROUTES,
    *_v1_instances.ROUTES,
    *_v1_kinds.ORCHESTRATIONS,
    *_v1_many.ROUTES,
    *_v1_schedules.ROUTES,
    *_v1_changes.ROUTES,
    *_v1_events.ROUTES,
    *_v1_hub.ROUTES,
    *_v1_letters.ROUTES,
    *_v1_workers.ROUTES,
    *_v1_doing.ROUTES,
    *_v1_doctor.ROUTES,
    *_v1_metrics.ROUTES,
    *_v1_health.ROUTES,
    *_df_client_binding.ROUTES,
    document_route(lambda: ROUTES),
    *_openapi_page.ROUTES,
    *DASHBOARD,
    *_df_starting.ROUTES,
    *_df_instances.ROUTES,
    *_df_entities.ROUTES,
    *_df_starting.QUICK_STARTS,
]


def asgi(
    app: AppLike | Hub,
    url: str | None = None,
    *,
    keys: Keys | None = None,
    settings: HttpSettings | None = None,
    hosts: Iterable[str] | None = None,
    dashboard: bool = True,
) -> Gateway:
    """An ASGI application for the hub of an app, to be served or mounted: `Mount("/hub", stead.gateway.asgi(app))`.

    It opens a client when it starts (the lifespan), or with the first request where nobody tells it that it starts; `aclose`
    closes that. `url`: the store, else $STEAD_URL and so on, as for `app.connect`. `keys`: else those in $STEAD_HTTP_KEYS;
    without any, only clients on this machine are answered, and with `hosts` only those that call it by one of these names
    or as localhost. `dashboard`: whether `/` shows the dashboard. Raises `KeysRefused`.
    """
    keys = Keys.load() if keys is None else keys
    names = None if hosts is None else frozenset(name.lower() for name in hosts)
    routes = ROUTES if dashboard else [route for route in ROUTES if route not in DASHBOARD]
    return Gateway(app, url, keys, HttpSettings() if settings is None else settings, names, routes)
