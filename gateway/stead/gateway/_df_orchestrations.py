"""The Durable Functions surface: start, restart and the quick-start routes."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
