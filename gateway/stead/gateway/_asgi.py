"""All routes of all surfaces. The OpenAPI document's own module imports this when it is asked, not before."""

from __future__ import annotations

from stead.gateway._durable_functions import entities as _df_entities
from stead.gateway._durable_functions import instances as _df_instances
from stead.gateway._durable_functions import starting as _df_orchestrations
from stead.gateway._http.routes import Route
from stead.gateway._openapi import document as _openapi
from stead.gateway._openapi import page as _openapi_page
from stead.gateway._v1 import durable_functions_client as _v1_df_client
from stead.gateway._v1 import entities as _v1_entities
from stead.gateway._v1 import events as _v1_events
from stead.gateway._v1 import hub as _v1_hub
from stead.gateway._v1 import instances as _v1_instances
from stead.gateway._v1 import signals as _v1_signals

# In the order in which the document and its page have them: this server's own, then Durable Functions', then other ways there.
ROUTES: list[Route] = [
    *_v1_entities.ROUTES,
    *_v1_signals.ROUTES,
    *_v1_instances.ROUTES,
    *_v1_events.ROUTES,
    *_v1_hub.ROUTES,
    *_v1_df_client.ROUTES,
    *_openapi.ROUTES,
    *_openapi_page.ROUTES,
    *_df_orchestrations.ROUTES,
    *_df_instances.ROUTES,
    *_df_entities.ROUTES,
    *_df_orchestrations.QUICK_STARTS,
]
