"""`/api/v1`: server-sent events."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
