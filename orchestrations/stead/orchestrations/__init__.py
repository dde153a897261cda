"""Orchestrations: an entity kind that replays its own event log. It runs on the runtime of `stead.entities`."""

from __future__ import annotations

__all__: list[str] = []
