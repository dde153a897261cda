"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
