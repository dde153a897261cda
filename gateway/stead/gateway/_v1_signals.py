"""`/api/v1`: bulk ingestion of signals."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
