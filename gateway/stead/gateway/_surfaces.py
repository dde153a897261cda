"""All routes of all surfaces. The OpenAPI document's own module imports this when it is asked, not before."""

from __future__ import annotations

from . import (
    _df_entities,
    _df_instances,
    _df_orchestrations,
    _openapi,
    _openapi_page,
    _v1_df_client,
    _v1_entities,
    _v1_events,
    _v1_hub,
    _v1_instances,
    _v1_signals,
)
from ._routes import Route

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
