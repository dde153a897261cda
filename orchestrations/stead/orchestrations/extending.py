"""All that a layer above may use beside the API and `histories`. Not for applications: it may change with any version."""

from __future__ import annotations

from stead.orchestrations._activities.limit_views import limits_of_hub, queues_named
from stead.orchestrations._payloads.store import with_payloads

__all__ = ["limits_of_hub", "queues_named", "with_payloads"]
