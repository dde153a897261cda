"""A page to browse the OpenAPI document with, which needs no other host."""

from __future__ import annotations

from ._routes import Route

ROUTES: list[Route] = []
