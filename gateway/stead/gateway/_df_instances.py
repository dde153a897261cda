"""The Durable Functions surface: status, list, purge, events, actions."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
