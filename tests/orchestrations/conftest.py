"""What tests of instances are given."""

from __future__ import annotations

from support.kind_modes import make

__all__ = ["make"]
