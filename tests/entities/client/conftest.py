"""The stores that clients are tested over."""

from __future__ import annotations

from support.client_stores import memory, open_store, settings, store

__all__ = ["memory", "open_store", "settings", "store"]
