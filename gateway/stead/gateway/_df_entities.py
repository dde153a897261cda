"""The Durable Functions surface: signal, delete, state, list."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
