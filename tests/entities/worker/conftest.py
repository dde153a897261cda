"""Stores for tests that look at several workers of one hub; a module says with what `settings`."""

from __future__ import annotations

from support.client_stores import open_store, store

__all__ = ["open_store", "store"]
