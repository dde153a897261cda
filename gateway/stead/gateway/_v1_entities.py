"""`/api/v1`: entities: call, signal, state, list."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
