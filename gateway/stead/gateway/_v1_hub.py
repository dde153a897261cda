"""`/api/v1`: hub information, dead letters."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
