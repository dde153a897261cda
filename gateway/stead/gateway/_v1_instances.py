"""`/api/v1`: instances: start, status, list, count, wait, actions."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
